import { describe, expect, it } from 'vitest'
import { Network } from '../../../lib/models/network.js'
import { describeNetwork } from '../../../lib/networks/describe.js'
import { networkSpec } from '../../../lib/networks/index.js'
import { narrowerNetwork } from '../../../lib/networks/narrower.js'
import { parseSpec } from '../../../lib/networks/parse.js'
import { pruneMask } from '../../../lib/pruning/mask.js'
import { structureOf } from '../../../lib/pruning/structureOf.js'
import { structureNames } from '../../../lib/pruning/structures.js'
import { quantile } from '../../../lib/sparse/benchmark/statistics.js'

describe('a dense network of equal MACs', () => {
  it.each(['vgg16', 'wideResNet-28-5', 'cifarLarge', 'allCnn'])('is a narrower %s', (name) => {
    const spec = networkSpec(name)
    const { macs } = describeNetwork(spec)
    for (const left of [0.5, 0.2, 0.1, 0.05]) {
      const narrower = narrowerNetwork(spec, left * macs)
      expect(narrower).toBeDefined()
      if (narrower === undefined) continue
      expect(Math.abs(describeNetwork(narrower).macs / (left * macs) - 1)).toBeLessThan(0.25)
      expect(parseSpec(narrower).nodes).toHaveLength(spec.nodes.length)
      expect(narrower.nodes.at(-1)).toEqual(spec.nodes.at(-1))
    }
  })
})

describe('the structure of a mask', () => {
  it.each(structureNames)('is told: %s', async (structure) => {
    const network = await Network.create(networkSpec('vgg16', { scale: 0.5 }))
    const { spec, parameters } = await network.read()
    const layout = network.parameterLayout
    expect(structureOf(spec, layout, new Uint8Array(network.parameterCount).fill(1))).toBe('dense')
    const request = { spec, layout, parameters, structure, sparsity: 0.5 }
    const { mask } = await pruneMask(request)
    expect(structureOf(spec, layout, mask)).toBe(structure)
  })
})

describe('quantiles', () => {
  it('lie between the nearest values', () => {
    expect(quantile([3, 1, 2], 0.5)).toBe(2)
    expect(quantile([1, 2], 0.5)).toBe(1.5)
    expect(quantile([5], 0.95)).toBe(5)
    expect(quantile([0, 10], 0.95)).toBeCloseTo(9.5)
  })
})
