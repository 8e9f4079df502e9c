/** What a mask leaves: counted over all prunable weights, never as a mean over layers. */
import type { TensorLayout } from '../../bindings/native.js'
import { invalid } from '../base/errors.js'
import { nodeShapes } from '../networks/shapes.js'
import type { NetworkSpec } from '../networks/spec.js'
import { elements } from '../networks/tensors.js'

/** Number of weights of a tensor that a mask leaves. */
export const remainingWeights = (mask: Uint8Array, { offset, size }: TensorLayout): number => {
  if (offset + size > mask.length) {
    throw invalid(`the mask has ${mask.length} elements, which is too few for the network`)
  }
  let count = 0
  for (let index = offset; index < offset + size; index++) if (mask[index] !== 0) count++
  return count
}

/** Fraction of all prunable weights (convolution and linear weights, no biases) that a mask removes, in [0, 1]. */
export const sparsity = (mask: Uint8Array, layout: readonly TensorLayout[]): number => {
  const prunable = layout.filter((tensor) => tensor.prunable)
  const total = prunable.reduce((sum, tensor) => sum + tensor.size, 0)
  const left = prunable.reduce((sum, tensor) => sum + remainingWeights(mask, tensor), 0)
  return total === 0 ? 0 : (total - left) / total
}

/** Multiply-accumulates for one image with the weights that a mask leaves; each is used once at every output position. */
export const remainingMacs = (
  spec: NetworkSpec,
  layout: readonly TensorLayout[],
  mask: Uint8Array,
): number => {
  const shapes = nodeShapes(spec)
  return layout
    .filter((tensor) => tensor.prunable)
    .reduce((sum, tensor) => {
      const [, ...positions] = shapes.get(tensor.node) ?? []
      return sum + remainingWeights(mask, tensor) * elements(positions)
    }, 0)
}
