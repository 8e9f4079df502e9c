/**
 * Tiles of so many consecutive outputs × consecutive inputs at one kernel position, which matrix units take in at once.
 * Behind `flatten` the inputs are channels of one pixel. Tiles at the far edges are smaller.
 */
import { keepBest, type PruneLayer, type StructureRule } from '../layers.js'
import { eachRun, groupCount, groupSizes, type Part } from '../tiles.js'
import { weightParts } from '../weights.js'

export const tiled = (outputs: number, inputs: number): StructureRule => ({
  unit: 'weights',
  group: `tile of ${outputs} outputs × ${inputs} inputs`,
  layers: (spec, layout) => weightParts(spec, layout, { outputs, inputs, positions: 1 }).map(layerOf),
})

const UNKNOWN = -1

const layerOf = (part: Part): PruneLayer => {
  const sizes = groupSizes(part)
  // Whichever tile stays, so much of the others can go.
  const largest = typeof sizes === 'number' ? sizes : sizes.reduce((most, size) => Math.max(most, size), 0)
  return {
    name: part.tensor.node,
    groups: groupCount(part),
    ranked: [part],
    attached: [],
    sizes,
    removable: part.tensor.size - largest,
    holds: (mask) => {
      const kept = new Int8Array(groupCount(part)).fill(UNKNOWN)
      let whole = true
      eachRun(part, (first, start, end, step) => {
        for (let index = start, group = first; index < end; index++, group += step) {
          const now = mask[index] === 0 ? 0 : 1
          if (kept[group] === UNKNOWN) kept[group] = now
          else if (kept[group] !== now) whole = false
        }
      })
      return whole
    },
    // A layer without weights would cut the network in two.
    protect: (scores, flags) => keepBest(scores, flags),
  }
}
