/** How bounds relate: to a zonotope, to interval bounds, to each other, to the network's values and its exact minima. */
import { beforeAll, describe, expect, it } from 'vitest'
import { addon } from '../../../bindings/load.js'
import { allMethods, backwardMethods, boundsOf, marginsOf, nodeMethods } from './ask.js'
import { apart, excess, rangesApart } from './compare.js'
import { exactRanges } from './enumerate.js'
import { forward, named, onNativeSide, type PlainNetwork } from './plain.js'
import { boxAround, type Limits, random, randomImage, randomNetwork, tiny } from './randomNetworks.js'
import { rangeOf, zonotopeMargins, zonotopes } from './zonotope.js'

// Small networks are faster without threads that wait for each other.
beforeAll(() => addon().setThreads(1))

const sample = (seed: number, limits: Partial<Limits> = {}) => {
  const chance = random(seed)
  const network = randomNetwork(seed, { ...tiny(chance), ...limits })
  const image = randomImage(network.spec.input, chance)
  const box = { epsilon: chance.pick([0.01, 0.03, 0.1, 0.3]), clip: chance.chance(0.6) }
  return { network, image, box, chance }
}
const seeds = (from: number, count: number) => Array.from({ length: count }, (_, i) => from + i)
const logitsOf = ({ spec }: PlainNetwork): string => spec.nodes.at(-1)?.name ?? ''

describe('without rounding bounds', () => {
  const plain = { sound: false, memory: 2 ** 26 }

  it('symbolic equals a forward zonotope at every node and in the margins, where there is no max pool', async () => {
    const larger: Partial<Limits> = { input: [2, 9, 7], steps: 5, values: 400, classes: 4 }
    for (const seed of seeds(2000, 60)) {
      const limits = seed % 6 === 0 ? larger : {}
      const { network, image, box } = sample(seed, { ...limits, maxPooling: false })
      const net = await onNativeSide(network, 'float64')
      const expected = zonotopes(network, boxAround(image, box.epsilon, box.clip))
      for (const { name } of network.spec.nodes) {
        const bounds = await boundsOf(net, image, name, 'symbolic', { ...plain, ...box })
        expect(rangesApart(bounds, rangeOf(named(expected, name))), `${seed} ${name}`).toBeLessThan(1e-9)
      }
      const logits = named(expected, logitsOf(network))
      for (const label of logits.centre.keys()) {
        const { margins } = await marginsOf(net, image, [label], 'symbolic', { ...plain, ...box })
        expect(apart(margins, Float64Array.from(zonotopeMargins(logits, label))), `${seed}`).toBeLessThan(
          1e-9,
        )
      }
      net.dispose()
    }
  })

  it('the first affine nodes have the bounds of interval arithmetic, whatever the method', async () => {
    for (const seed of seeds(2100, 20)) {
      const { network, image, box } = sample(seed, { maxPooling: false })
      const net = await onNativeSide(network, 'float64')
      const name = network.spec.nodes.find(({ op }) => op === 'conv2d' || op === 'linear')?.name ?? ''
      const before = network.spec.nodes.slice(
        0,
        network.spec.nodes.findIndex((node) => node.name === name),
      )
      if (before.some(({ op }) => op !== 'normalize' && op !== 'flatten')) continue
      const expected = await boundsOf(net, image, name, 'interval', { ...plain, ...box })
      const box0 = named(zonotopes(network, boxAround(image, box.epsilon, box.clip)), name)
      expect(rangesApart(expected, rangeOf(box0))).toBeLessThan(1e-12)
      for (const method of backwardMethods)
        expect(await boundsOf(net, image, name, method, { ...plain, ...box })).toEqual(expected)
      net.dispose()
    }
  })

  it('bounds on the image itself are its values', async () => {
    for (const seed of seeds(2200, 30)) {
      const { network, image } = sample(seed)
      const net = await onNativeSide(network, 'float64')
      const values = forward(network, image)
      const point = { ...plain, epsilon: 0 }
      for (const { name } of network.spec.nodes)
        for (const method of nodeMethods) {
          const value = named(values, name)
          const bounds = await boundsOf(net, image, name, method, point)
          expect(rangesApart(bounds, { lower: value, upper: value }), `${seed} ${name}`).toBeLessThan(1e-11)
        }
      const logits = named(values, logitsOf(network))
      const exact = logits.slice(1).map((other) => Number(logits[0]) - other)
      for (const method of allMethods) {
        const { margins } = await marginsOf(net, image, [0], method, point)
        expect(apart(margins, exact), `${seed} ${method}`).toBeLessThan(1e-11)
      }
      net.dispose()
    }
  })

  it('where no neuron is unstable, margins of all linear methods are the exact minima', async () => {
    let seen = 0
    for (const seed of seeds(2300, 60)) {
      const { network, image, box } = sample(seed, { input: [1, 1, 2], values: 12, maxPooling: false })
      const net = await onNativeSide(network, 'float64')
      const near = { ...plain, ...box, epsilon: 1e-3 }
      const { unstable } = await marginsOf(net, image, [0], 'interval', near)
      if (unstable > 0) continue
      seen += 1
      const exact = named(exactRanges(network, boxAround(image, near.epsilon, near.clip)), 'margin0').lower
      for (const method of ['crownIbp', 'symbolic', 'crown', 'alphaCrown'] as const) {
        const { margins } = await marginsOf(net, image, [0], method, near)
        expect(apart(margins, exact), `${seed} ${method}`).toBeLessThan(1e-10)
      }
      net.dispose()
    }
    expect(seen).toBeGreaterThan(20)
  })

  it('no margin is above the exact minimum, and linear bounds stay far nearer to it than interval bounds', async () => {
    const gaps = new Map<string, number>(allMethods.map((method) => [method, 0]))
    for (const seed of seeds(2400, 60)) {
      const { network, image, box } = sample(seed, { input: [1, 1, 2], values: 12 })
      const net = await onNativeSide(network, 'float64')
      const exact = named(exactRanges(network, boxAround(image, box.epsilon, box.clip)), 'margin0').lower
      const found = new Map<string, Float64Array>()
      for (const method of allMethods)
        found.set(
          method,
          (await marginsOf(net, image, [0], method, { ...plain, ...box, iterations: 20 })).margins,
        )
      // Each network counts the same: as a fraction of the gap of interval bounds.
      const gap = (method: string) =>
        exact.reduce((sum, least, i) => sum + least - Number(named(found, method)[i]), 0)
      for (const [method, margins] of found) {
        expect(excess(margins, exact), `${seed} ${method}`).toBeLessThan(1e-10)
        const share = gap('interval') > 1e-9 ? gap(method) / gap('interval') : 0
        gaps.set(method, named(gaps, method) + share / 60)
      }
      net.dispose()
    }
    expect(named(gaps, 'symbolic')).toBeLessThan(0.5)
    expect(named(gaps, 'crown')).toBeLessThan(0.5)
    expect(named(gaps, 'alphaCrown')).toBeLessThanOrEqual(named(gaps, 'crown'))
  })
})

describe.each(['float64', 'float32'] as const)('in %s', (type) => {
  const tolerance = type === 'float64' ? 1e-9 : 1e-4

  it('alphaCrown is never looser than crown, nor with more iterations', async () => {
    let gained = 0
    for (const seed of seeds(3000, 40)) {
      const { network, image, box } = sample(seed)
      const net = await onNativeSide(network, type)
      for (const sound of [true, false]) {
        let before = (await marginsOf(net, image, [0], 'crown', { ...box, sound })).margins
        const start = before
        for (const iterations of [0, 1, 4, 16]) {
          const options = { ...box, sound, iterations }
          const { margins } = await marginsOf(net, image, [0], 'alphaCrown', options)
          expect(excess(before, margins), `${seed} after ${iterations}`).toBeLessThan(tolerance)
          before = margins
        }
        if (excess(before, start) > 1e-3) gained += 1
      }
      net.dispose()
    }
    expect(gained).toBeGreaterThan(8)
  })

  it('an intersection is never looser than its parts', async () => {
    for (const seed of seeds(3100, 30)) {
      const { network, image, box } = sample(seed)
      const net = await onNativeSide(network, type)
      for (const method of backwardMethods) {
        for (const { name } of network.spec.nodes) {
          const both = await boundsOf(net, image, name, method, { ...box, intersect: true })
          for (const part of [method, 'interval'] as const) {
            const alone = await boundsOf(net, image, name, part, box)
            const looser = Math.max(excess(alone.lower, both.lower), excess(both.upper, alone.upper))
            expect(looser, `${seed} ${name} ${method}`).toBeLessThan(tolerance)
          }
        }
      }
      for (const method of [...backwardMethods, 'alphaCrown'] as const) {
        const { margins } = await marginsOf(net, image, [0], method, { ...box, intersect: true })
        for (const part of [method, 'interval'] as const) {
          const alone = (await marginsOf(net, image, [0], part, box)).margins
          expect(excess(alone, margins), `${seed} ${method}`).toBeLessThan(tolerance)
        }
      }
      net.dispose()
    }
  })
})

it('alphaCrown climbs alike in both arithmetics, also where coefficients are zero', async () => {
  for (const seed of seeds(3040, 60)) {
    const { network, image, box } = sample(seed)
    const [single, double] = [await onNativeSide(network, 'float32'), await onNativeSide(network, 'float64')]
    const options = { ...box, sound: false, iterations: 6 }
    const { margins } = await marginsOf(single, image, [0], 'alphaCrown', options)
    const expected = (await marginsOf(double, image, [0], 'alphaCrown', options)).margins
    expect(apart(margins, expected), `${seed}`).toBeLessThan(1e-4)
    single.dispose()
    double.dispose()
  }
})

it('rounding bounds only widen: by little in float32, in float64 by what an fp32 attack may reach', async () => {
  for (const seed of seeds(3200, 60)) {
    const { network, image, box } = sample(seed)
    const [single, double] = [await onNativeSide(network, 'float32'), await onNativeSide(network, 'float64')]
    for (const method of allMethods) {
      const [plain, confirmed, sound] = [
        (await marginsOf(double, image, [0], method, { ...box, sound: false })).margins,
        (await marginsOf(double, image, [0], method, box)).margins,
        (await marginsOf(single, image, [0], method, box)).margins,
      ]
      expect(excess(sound, confirmed), `${seed} ${method}`).toBe(0)
      expect(excess(confirmed, plain), `${seed} ${method}`).toBe(0)
      expect(apart(sound, plain), `${seed} ${method}`).toBeLessThan(1e-3)
      expect(apart(confirmed, plain), `${seed} ${method}`).toBeLessThan(2e-5)
    }
    single.dispose()
    double.dispose()
  }
})
