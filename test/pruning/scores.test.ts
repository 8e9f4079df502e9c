import { describe, expect, it } from 'vitest'
import type { TensorLayout } from '../../bindings/native.js'
import type { PruneLayer } from '../../lib/pruning/layers.js'
import { scoreGroups, scoreWeights } from '../../lib/pruning/scores.js'
import { ALL, type Tile } from '../../lib/pruning/tiles.js'

const layout: TensorLayout = {
  name: 'a.weight',
  node: 'a',
  kind: 'weight',
  arena: 'parameters',
  shape: [4, 2],
  offset: 2,
  size: 8,
  prunable: true,
}
const parameters = Float32Array.of(9, 9, 1, -3, 0, 2, -5, 5, 0.5, -0.5)
const values = parameters.subarray(2)
const everything = new Uint8Array(10).fill(1)

const layer = (tile: Tile, groups: number): PruneLayer => ({
  name: 'a',
  groups,
  ranked: [{ tensor: layout, tile }],
  attached: [],
  sizes: 1,
  removable: groups,
  protect: () => undefined,
})

describe('scoreWeights', () => {
  it('magnitude is |w|, learned is |s|', () => {
    expect(scoreWeights('magnitude', { layout, values }, { seed: 0 })).toEqual(values.map(Math.abs))
    const learned = Float64Array.from({ length: 10 }, (_, index) => 3 - index)
    const expected = Float64Array.of(1, 0, 1, 2, 3, 4, 5, 6)
    expect(scoreWeights('learned', { layout, values }, { seed: 0, learned })).toEqual(expected)
    expect(() => scoreWeights('learned', { layout, values }, { seed: 0 })).toThrow('learned scores')
  })

  it('random is an order by seed and place that favours nobody', () => {
    const large = { ...layout, shape: [200_000], size: 200_000 }
    const scores = scoreWeights('random', { layout: large, values }, { seed: 7 })
    expect(scores.every((score) => score >= 0 && Number.isFinite(score))).toBe(true)
    expect(new Set(scores).size).toBeGreaterThan(199_900)
    // The lower half by score is spread evenly: in each tenth of the places about half.
    const median = Float64Array.from(scores).sort()[100_000] ?? 0
    for (let tenth = 0; tenth < 10; tenth++) {
      const low = scores
        .subarray(tenth * 20_000, (tenth + 1) * 20_000)
        .filter((score: number) => score < median)
      expect(Math.abs(low.length - 10_000)).toBeLessThan(400)
    }
  })
})

describe('scoreGroups', () => {
  it('is the mean |w| of a group, over what the mask left', () => {
    const rows = layer({ outputs: 1, inputs: ALL, positions: ALL }, 4)
    expect(scoreGroups('magnitude', rows, parameters, everything, { seed: 0 })).toEqual(
      Float64Array.of(2, 1, 5, 0.5),
    )
    const mask = everything.slice()
    mask[2] = 0
    mask[8] = 0
    mask[9] = 0
    expect(scoreGroups('magnitude', rows, parameters, mask, { seed: 0 })).toEqual(Float64Array.of(3, 1, 5, 0))
  })

  it('holds for any tile, as for vectors of two outputs', () => {
    const vectors = layer({ outputs: 2, inputs: 1, positions: 1 }, 4)
    const scores = scoreGroups('magnitude', vectors, parameters, everything, { seed: 0 })
    expect(scores).toEqual(Float64Array.of(0.5, 2.5, 2.75, 2.75))
  })

  it('random ranks large groups as it does small ones: by one draw each', () => {
    const rows = layer({ outputs: 1, inputs: ALL, positions: ALL }, 4)
    const weights = scoreWeights('random', { layout, values }, { seed: 3 })
    const scores = scoreGroups('random', rows, parameters, everything, { seed: 3 })
    expect(Array.from(scores)).toEqual([0, 2, 4, 6].map((index) => weights[index]))
  })
})
