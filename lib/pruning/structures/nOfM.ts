/**
 * N:M sparsity (Mishra et al., 2021): of every M consecutive inputs of an output at one kernel position at most N stay.
 * Single weights go, but the best N of each M never do, so that a target of 1 − N/M leaves exactly N:M. Behind
 * `flatten` consecutive inputs are channels of one pixel. Of an incomplete set at the end the same fraction stays,
 * rounded up.
 */
import { KEPT, keepBest, PRUNED, type PruneLayer, type StructureRule } from '../layers.js'
import { extents, type Part, SINGLE } from '../tiles.js'
import { weightParts } from '../weights.js'

export const nOfM = (n: number, m: number): StructureRule => ({
  unit: 'weights',
  group: 'weight',
  limit: { sparsity: 1 - n / m, why: `it keeps the best ${n} of every ${m} consecutive inputs` },
  layers: (spec, layout) => weightParts(spec, layout, SINGLE).map((part) => layerOf(part, n, m)),
})

const layerOf = (part: Part, n: number, m: number): PruneLayer => {
  const { outputs, inputs, positions } = extents(part)
  const kept = (size: number) => Math.ceil((size * n) / m)
  const keptInputs = Math.floor(inputs / m) * n + kept(inputs % m)
  /** Visits every set by its first weight; the others follow at a distance of `positions`. */
  const eachSet = (visit: (first: number, size: number) => void): void => {
    for (let output = 0; output < outputs; output++) {
      for (let input = 0; input < inputs; input += m) {
        const start = (output * inputs + input) * positions
        const size = Math.min(m, inputs - input)
        for (let position = 0; position < positions; position++) visit(start + position, size)
      }
    }
  }
  return {
    name: part.tensor.node,
    groups: part.tensor.size,
    ranked: [part],
    attached: [],
    sizes: 1,
    removable: outputs * (inputs - keptInputs) * positions,
    cap: (flags) =>
      eachSet((first, size) => {
        let room = size - kept(size)
        for (let at = first, end = first + size * positions; at < end; at += positions) {
          if (flags[at] === PRUNED && --room < 0) flags[at] = KEPT
        }
      }),
    holds: (mask) => {
      let most = true
      eachSet((first, size) => {
        let left = kept(size)
        for (let at = first, end = first + size * positions; at < end; at += positions) {
          if (mask[part.tensor.offset + at] !== 0) left--
        }
        if (left < 0) most = false
      })
      return most
    },
    protect: (scores, flags) =>
      eachSet((first, size) => {
        const end = first + size * positions
        let missing = kept(size)
        for (let at = first; at < end; at += positions) if (flags[at] === KEPT) missing--
        for (; missing > 0; missing--) keepBest(scores, flags, first, end, positions)
      }),
  }
}
