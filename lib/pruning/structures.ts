/** What is removed together. A structure cuts a network into layers of groups; adding one is a file and a line here. */
import { invalid } from '../base/errors.js'
import type { StructureRule } from './layers.js'
import { filter } from './structures/filter.js'
import { nOfM } from './structures/nOfM.js'
import { tiled } from './structures/tiled.js'
import { unstructured } from './structures/unstructured.js'

const rules = {
  unstructured,
  filter,
  v32x2: tiled(32, 2),
  block: tiled(32, 32),
  '2:4': nOfM(2, 4),
} as const satisfies Readonly<Record<string, StructureRule>>

/**
 * - `unstructured`: single weights of convolutions and linear layers
 * - `filter`: filters of convolutions and neurons of linear layers, but those that make the logits
 * - `v32x2`: 32 consecutive outputs × 2 consecutive inputs at one kernel position
 * - `block`: 32 outputs × 32 inputs at one kernel position
 * - `2:4`: single weights, until of every 4 consecutive inputs of an output at one kernel position 2 are left: the
 *   target is at most 0.5, and 0.5 is the pattern itself
 *
 * Behind `flatten`, the inputs of a linear layer are the channels of a map, and its kernel positions the pixels.
 */
export type Structure = keyof typeof rules

/** The rules by name. */
export const structures: Readonly<Record<Structure, StructureRule>> = rules

export const structureNames = Object.keys(rules) as readonly Structure[]

/** @throws CoppiceError for a target that a structure reaches in no network. */
export const requireReachable = (structure: Structure, sparsity: number): void => {
  const { limit } = structures[structure]
  if (limit === undefined || sparsity <= limit.sparsity) return
  throw invalid(
    `sparsity ${sparsity} cannot be met by structure "${structure}": ${limit.why}, so the target is at most ${limit.sparsity}`,
  )
}
