/** How a mask was made, in a word, for tables and charts. */
import type { TensorLayout } from '../../bindings/native.js'
import type { NetworkSpec } from '../networks/spec.js'
import { patternsOf } from './patterns.js'
import { sparsity } from './sparsity.js'

/**
 * `dense`; a pattern such as `v32x2`; `filter` where whole filters are gone, with what reads them, and nothing else is; else `unstructured`.
 *
 * @param layout The tensors of the parameter arena.
 */
export const structureOf = (spec: NetworkSpec, layout: readonly TensorLayout[], mask: Uint8Array): string => {
  if (sparsity(mask, layout) === 0) return 'dense'
  const prunable = layout.filter((tensor) => tensor.prunable)
  if (prunable.every((tensor) => ofWholeFilters(mask, tensor))) return 'filter'
  const patterns = patternsOf(spec, layout, mask)
  // A block is made of vectors, and what is sparser than a half may be 2:4 by chance.
  const coarsest = (['block', 'v32x2'] as const).find((name) => patterns.includes(name))
  if (coarsest !== undefined) return coarsest
  return patterns.includes('2:4') && sparsity(mask, layout) <= 0.5 ? '2:4' : 'unstructured'
}

/** Whether every pruned weight belongs to an output or an input of which nothing is left. */
const ofWholeFilters = (mask: Uint8Array, { offset, size, shape: [outputs = 1] }: TensorLayout): boolean => {
  const width = size / outputs
  const [rows, columns] = [new Uint8Array(outputs), new Uint8Array(width)]
  for (let index = 0; index < size; index++) {
    if (mask[offset + index] === 0) continue
    rows[Math.floor(index / width)] = 1
    columns[index % width] = 1
  }
  for (let index = 0; index < size; index++) {
    if (mask[offset + index] !== 0) continue
    if (rows[Math.floor(index / width)] === 1 && columns[index % width] === 1) return false
  }
  return true
}
