import { describe, expect, it } from 'vitest'
import { describeNetwork } from '../../lib/networks/describe.js'
import { compact } from '../../lib/pruning/compact.js'
import { pruneMask } from '../../lib/pruning/mask.js'
import { remainingMacs, sparsity } from '../../lib/pruning/sparsity.js'
import { layoutOf, randomState, residual, tensorOf, vggLike } from './networks.js'

describe('sparsity', () => {
  it('is the fraction of weights, not the mean over layers, and ignores biases and batch norm', () => {
    const { layout, mask } = randomState(vggLike([4, 6, 8], 10), 1)
    expect(sparsity(mask, layout)).toBe(0)
    tensorOf(mask, layout, 'bn1.weight').fill(0)
    tensorOf(mask, layout, 'fc1.bias').fill(0)
    expect(sparsity(mask, layout)).toBe(0)
    tensorOf(mask, layout, 'conv1.weight').fill(0)
    const total = 4 * 27 + 6 * 4 * 9 + 8 * 6 * 16 + 8 * 10 + 10 * 5
    expect(sparsity(mask, layout)).toBeCloseTo((4 * 27) / total, 12)
  })

  it('refuses a mask that is too short', () => {
    const { layout } = randomState(vggLike([4, 6, 8], 10), 1)
    expect(() => sparsity(new Uint8Array(5), layout)).toThrow('too few')
  })
})

describe('remainingMacs', () => {
  it('counts each weight that is left at every output position', () => {
    const { spec, layout, mask } = randomState(vggLike([4, 6, 8], 10), 1)
    expect(remainingMacs(spec, layout, mask)).toBe(describeNetwork(spec).macs)
    tensorOf(mask, layout, 'conv1.weight')[0] = 0
    expect(remainingMacs(spec, layout, mask)).toBe(describeNetwork(spec).macs - 64)
  })

  it.each(['inner', 'grouped'] as const)(
    'of a filter mask (%s) are those of the compacted network',
    async (rule) => {
      for (const spec of [vggLike([6, 8, 10], 12), residual(6, 8, 10)]) {
        const { layout, parameters, buffers } = randomState(spec, 2)
        const { mask, report } = await pruneMask({
          spec,
          layout,
          parameters,
          structure: 'filter',
          sparsity: 0.6,
          residual: rule,
        })
        const smaller = compact(spec, layout, parameters, buffers, mask)
        const { macs, prunable } = describeNetwork(smaller.spec)
        expect(remainingMacs(spec, layout, mask)).toBe(macs)
        expect(report.sparsity).toBeCloseTo(1 - prunable / describeNetwork(spec).prunable, 12)
        expect(sparsity(smaller.mask, layoutOf(smaller.spec))).toBe(0)
      }
    },
  )
})
