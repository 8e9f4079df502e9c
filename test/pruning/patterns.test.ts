import { describe, expect, it } from 'vitest'
import { pruneMask } from '../../lib/pruning/mask.js'
import { patternsOf } from '../../lib/pruning/patterns.js'
import { type Structure, structureNames } from '../../lib/pruning/structures.js'
import { randomState, residual, vggLike } from './networks.js'

describe('patternsOf', () => {
  const specs = [vggLike([34, 64, 45], 67), residual(40, 50, 60)]

  it('tells the pattern a network was pruned in; a block is made of vectors', async () => {
    const expected: Record<Structure, Structure[]> = {
      unstructured: [],
      filter: [],
      v32x2: ['v32x2'],
      block: ['v32x2', 'block'],
      '2:4': ['2:4'],
    }
    for (const spec of specs) {
      const state = randomState(spec, 1)
      for (const structure of structureNames) {
        const { mask } = await pruneMask({ ...state, structure, sparsity: 0.5 })
        expect(patternsOf(spec, state.layout, mask)).toEqual(expected[structure])
      }
    }
  })

  it('sees a single weight that is out of place', async () => {
    for (const spec of specs) {
      const state = randomState(spec, 2)
      for (const structure of ['v32x2', '2:4'] as const) {
        const { mask } = await pruneMask({ ...state, structure, sparsity: 0.5 })
        const last = state.layout.findLast((tensor) => tensor.prunable)
        const place = mask.indexOf(0, last?.offset)
        mask[place] = 1
        expect(patternsOf(spec, state.layout, mask)).toEqual([])
      }
    }
  })

  it('finds none where nothing is pruned', () => {
    const { spec, layout, mask } = randomState(vggLike([4, 6, 8], 10), 3)
    expect(patternsOf(spec, layout, mask)).toEqual([])
  })
})
