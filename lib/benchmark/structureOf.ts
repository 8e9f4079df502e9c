/** How a mask was made, in a word, for tables and charts. */
import type { TensorLayout } from '../../bindings/native.js'
import type { NetworkSpec } from '../networks/spec.js'
import { patternsOf } from '../pruning/patterns.js'
import { sparsity } from '../pruning/sparsity.js'

/**
 * `dense`; a pattern such as `v32x2`; `filter` where whole filters are gone and nothing else is; else `unstructured`.
 *
 * @param layout The tensors of the parameter arena.
 */
export const structureOf = (spec: NetworkSpec, layout: readonly TensorLayout[], mask: Uint8Array): string => {
  if (sparsity(mask, layout) === 0) return 'dense'
  const prunable = layout.filter((tensor) => tensor.prunable)
  if (prunable.every((tensor) => wholeRows(mask, tensor))) return 'filter'
  const patterns = patternsOf(spec, layout, mask)
  // A block is made of vectors, and what is sparser than a half may be 2:4 by chance.
  const coarsest = (['block', 'v32x2'] as const).find((name) => patterns.includes(name))
  if (coarsest !== undefined) return coarsest
  return patterns.includes('2:4') && sparsity(mask, layout) <= 0.5 ? '2:4' : 'unstructured'
}

/** Whether of every output all weights are left, or none. */
const wholeRows = (mask: Uint8Array, { offset, size, shape: [outputs = 1] }: TensorLayout): boolean => {
  const row = size / outputs
  for (let start = offset; start < offset + size; start += row) {
    const first = mask[start]
    for (let index = start; index < start + row; index++) if (mask[index] !== first) return false
  }
  return true
}
