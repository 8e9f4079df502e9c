/** No point of the box leaves the bounds of any node, whatever the network, the method, the type and the box. */
import { beforeAll, expect, it } from 'vitest'
import { addon } from '../../../bindings/load.js'
import type { NativeNetwork } from '../../../bindings/native.js'
import { IMAGE, type ImageShape } from '../../../lib/networks/spec.js'
import { allMethods, boundsOf, type Changes, marginsOf, nodeMethods } from './ask.js'
import { exactRanges } from './enumerate.js'
import { forward, inType, named, onNativeSide, type PlainNetwork } from './plain.js'
import { boxAround, type Random, random, randomImage, randomNetwork, tiny } from './randomNetworks.js'
import { type Ranges, search } from './search.js'

const native = addon()

// Small networks are faster without threads that wait for each other.
beforeAll(() => native.setThreads(1))

/** Every bound of every node, by all methods alone and intersected, holds what was found. */
const expectAllBoundsToHold = async (
  network: PlainNetwork,
  net: NativeNetwork,
  image: Float64Array,
  label: number,
  found: Ranges,
  box: Changes,
): Promise<void> => {
  for (const intersect of [false, true]) {
    const options = { ...box, intersect }
    for (const method of nodeMethods)
      for (const { name } of network.spec.nodes) {
        const bounds = await boundsOf(net, image, name, method, options)
        const range = named(found, name)
        const wrong = [...above(bounds.lower, range.lower), ...above(range.upper, bounds.upper)]
        expect(wrong, told(network, net, { ...options, method, name, image, range, bounds })).toEqual([])
      }
    for (const method of allMethods) {
      const { margins } = await marginsOf(net, image, [label], method, options)
      const least = named(found, `margin${label}`).lower
      const what = { ...options, method, label, image, margins, least }
      expect(above(margins, least), told(network, net, what)).toEqual([])
    }
  }
}

/** Where one is not below the other, but for rounding errors of the forward passes here. */
const above = (low: Float64Array, high: Float64Array): number[] =>
  Array.from(low.keys()).filter((i) => {
    const limit = Number(high[i])
    return !(Number(low[i]) <= limit + 1e-12 * (1 + Math.abs(limit)))
  })

/** What is needed to see it again. */
const told = ({ spec }: PlainNetwork, net: NativeNetwork, what: object): string =>
  `${spec.name} ${net.type} ${JSON.stringify(what)}`

const attacked = async (
  net: NativeNetwork,
  image: Float64Array,
  label: number,
  epsilon: number,
): Promise<Float64Array> => {
  const attack = {
    kind: 'pgd',
    epsilon,
    stepSize: epsilon / 4,
    steps: 10,
    restarts: 2,
    start: 'uniform',
  } as const
  const precision = net.type === 'float64' ? 'fp64' : 'fp32'
  const batch = { images: inType(image, net.type), labels: Int32Array.of(label) }
  const options = { attack, start: null, folded: true, precision, seed: 1 } as const
  return Float64Array.from((await native.attack(net, batch, options).promise).images)
}

const labelOf = (network: PlainNetwork, image: Float64Array): number => {
  const logits = named(forward(network, image), network.spec.nodes.at(-1)?.name ?? '')
  return logits.indexOf(Math.max(...logits))
}

const epsilons = [0, 0.001, 0.01, 0.03, 0.1, 0.3, 1] as const
const twoOrThreePixels: readonly [ImageShape, ...ImageShape[]] = [
  [1, 1, 2],
  [2, 1, 1],
  [1, 2, 1],
  [1, 3, 1],
]
const boxFor = (chance: Random) => ({ epsilon: chance.pick(epsilons), clip: chance.chance(0.6) })

it('every operation is in many of the networks, behind and before every other kind', () => {
  const pairs = new Map<string, number>()
  for (let seed = 0; seed < 300; ++seed) {
    const { nodes } = randomNetwork(seed, tiny(random(1000 + seed))).spec
    for (const { op, inputs } of nodes)
      for (const input of inputs) {
        const pair = `${nodes.find(({ name }) => name === input)?.op ?? IMAGE} → ${op}`
        pairs.set(pair, (pairs.get(pair) ?? 0) + 1)
      }
  }
  const kinds = ['conv2d', 'batchNorm2d', 'relu', 'maxPool2d', 'averagePool2d', 'add']
  for (const before of [IMAGE, ...kinds])
    for (const after of kinds)
      expect(pairs.get(`${before} → ${after}`), `${before} → ${after}`).toBeGreaterThan(3)
})

it.each([
  ['float32', 0, 75],
  ['float32', 75, 150],
  ['float64', 150, 225],
  ['float64', 225, 300],
] as const)('what a search finds lies within all bounds (%s, networks %d to %d)', async (type, from, to) => {
  for (let seed = from; seed < to; ++seed) {
    const chance = random(1000 + seed)
    const network = randomNetwork(seed, tiny(chance))
    const net = await onNativeSide(network, type)
    const image = randomImage(network.spec.input, chance)
    const box = boxFor(chance)
    const label = labelOf(network, image)
    const others = [await attacked(net, image, label, box.epsilon)]
    const found = search(network, boxAround(image, box.epsilon, box.clip), chance, { others })
    await expectAllBoundsToHold(network, net, image, label, found, box)
    net.dispose()
  }
})

it.each(['float32', 'float64'] as const)(
  'the exact range of every node, by enumerating activation patterns, lies within all bounds (%s)',
  async (type) => {
    for (let seed = 0; seed < 40; ++seed) {
      const chance = random(5000 + seed)
      const input = chance.pick(twoOrThreePixels)
      const network = randomNetwork(700 + seed, {
        input,
        steps: chance.whole(1, 3),
        values: 12,
        classes: 3,
      })
      const net = await onNativeSide(network, type)
      const image = randomImage(network.spec.input, chance)
      const box = { ...boxFor(chance), epsilon: chance.pick([0.03, 0.1, 0.3, 1]) }
      const found = exactRanges(network, boxAround(image, box.epsilon, box.clip))
      await expectAllBoundsToHold(network, net, image, chance.whole(0, 1), found, box)
      net.dispose()
    }
  },
)
