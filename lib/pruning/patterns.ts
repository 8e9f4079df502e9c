/** Which structures a mask was made for, as far as that can be told from what it leaves. */

import type { TensorLayout } from '../../bindings/native.js'
import { instanceOf } from '../base/arguments.js'
import { requireSpec } from '../networks/shapes.js'
import type { NetworkSpec } from '../networks/spec.js'
import { requireLayout } from './layers.js'
import { remainingWeights } from './sparsity.js'
import { type Structure, structureNames, structures } from './structures.js'

/**
 * The structures with a pattern (`v32x2`, `block`, `2:4`) that a mask has in every layer; none where nothing is pruned.
 *
 * @param layout The tensors of the parameter arena (others are ignored).
 */
export const patternsOf = (
  spec: NetworkSpec,
  layout: readonly TensorLayout[],
  mask: Uint8Array,
): Structure[] => {
  requireSpec(spec, 'patternsOf')
  requireLayout(layout, 'patternsOf')
  instanceOf(Uint8Array, mask, 'patternsOf', 'a mask (Uint8Array)')
  const tensors = layout.filter((tensor) => tensor.arena === 'parameters')
  const dense = tensors.every((tensor) => !tensor.prunable || remainingWeights(mask, tensor) === tensor.size)
  if (dense) return []
  return structureNames.filter((name) =>
    structures[name].layers(spec, tensors, 'grouped').every((layer) => layer.holds?.(mask) ?? false),
  )
}
