/** A mask as people look at it: how much of each layer is pruned. */
import type { TensorLayout } from '../../bindings/native.js'
import { bar, columns, percent, printedAs } from '../base/printed.js'
import { remainingWeights, sparsity } from './sparsity.js'

/** The mask, which prints as the sparsity of each layer, with a bar. */
export const printedMask = (mask: Uint8Array, layout: readonly TensorLayout[]): Uint8Array =>
  printedAs(mask, () => {
    const prunable = layout.filter((tensor) => tensor.prunable)
    const rows = prunable.map((tensor) => {
      const pruned = 1 - remainingWeights(mask, tensor) / tensor.size
      return [tensor.node, percent(pruned), bar(pruned)]
    })
    return columns(['layer', 'pruned', ''], [...rows, ['all', percent(sparsity(mask, prunable)), '']], [1])
  })
