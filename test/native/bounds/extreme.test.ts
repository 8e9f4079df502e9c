/** Bounds hold in exact arithmetic, wherever in the range of their type a network's numbers lie, and still prove much. */
import { beforeAll, expect, it } from 'vitest'
import { addon } from '../../../bindings/load.js'
import type { NativeNetwork, ParameterType } from '../../../bindings/native.js'
import { allMethods, boundsOf, type Changes, marginsOf, nodeMethods } from './ask.js'
import { type ExactValues, labelOf, outside, valuesAt } from './exactly.js'
import { inOtherUnits, withOutliers } from './extremeNetworks.js'
import { named, onNativeSide, type PlainNetwork } from './plain.js'
import {
  type Box,
  boxAround,
  type Random,
  random,
  randomImage,
  randomNetwork,
  tiny,
} from './randomNetworks.js'

// Small networks are faster without threads that wait for each other.
beforeAll(() => addon().setThreads(1))

const kinds = [
  (plain: PlainNetwork, type: ParameterType, chance: Random) => inOtherUnits(plain, type, chance),
  (plain: PlainNetwork, type: ParameterType, chance: Random) => inOtherUnits(plain, type, chance, 40),
  (plain: PlainNetwork, type: ParameterType, chance: Random) => withOutliers(plain, type, chance),
  (plain: PlainNetwork, type: ParameterType, chance: Random) =>
    withOutliers(inOtherUnits(plain, type, chance), type, chance),
]

/** More with COPPICE_EXTREME=500. */
const COUNT = Number(process.env.COPPICE_EXTREME ?? 24)

it.each(['float32', 'float64'] as const)(
  'no method leaves the exact value of any node outside, and a third of the networks are proved (%s)',
  async (type) => {
    let proved = 0
    for (let seed = 0; seed < COUNT; ++seed) {
      const chance = random(9000 + seed)
      const plain = randomNetwork(9000 + seed, { ...tiny(chance), steps: chance.whole(1, 4) })
      const network = kinds[seed % kinds.length]?.(plain, type, chance) ?? plain
      const net = await onNativeSide(network, type)
      const image = randomImage(network.spec.input, chance)
      const box = { epsilon: chance.pick([1e-40, 1e-6, 0.001, 0.01, 0.1]), clip: chance.chance(0.5) }
      const points = pointsIn(boxAround(image, box.epsilon, box.clip), chance)
      const values = await Promise.all([image, ...points].map((point) => valuesAt(network, type, point)))
      if (await isProved(network, net, image, values, box)) ++proved
      net.dispose()
    }
    expect(proved).toBeGreaterThanOrEqual(COUNT / 3)
  },
)

/** Two opposite corners, and others. */
const pointsIn = ({ lower, upper }: Box, chance: Random): Float64Array[] => [
  lower,
  upper,
  ...Array.from({ length: 4 }, () => lower.map((low, i) => (chance.chance(0.5) ? low : Number(upper[i])))),
]

/** Holds all bounds against the values; whether some method proves the image. */
const isProved = async (
  { spec }: PlainNetwork,
  net: NativeNetwork,
  image: Float64Array,
  values: readonly ExactValues[],
  box: Changes,
): Promise<boolean> => {
  const [first = new Map()] = values
  const label = labelOf(first, spec.nodes.at(-1)?.name ?? '')
  const expectHeld = (name: string, bounds: Box, what: object) => {
    for (const each of values)
      expect(outside(named(each, name), bounds), JSON.stringify({ network: spec.name, ...what })).toEqual([])
  }
  let proved = false
  for (const intersect of [false, true]) {
    const options = { ...box, intersect }
    for (const method of nodeMethods)
      for (const { name } of spec.nodes)
        expectHeld(name, await boundsOf(net, image, name, method, options), { ...options, method, name })
    for (const method of allMethods) {
      const { margins } = await marginsOf(net, image, [label], method, options)
      const bounds = { lower: margins, upper: margins.map(() => Number.NaN) }
      expectHeld(`margin${label}`, bounds, { ...options, method, label })
      proved ||= margins.every((margin) => margin > 0)
    }
  }
  return proved
}
