/** What a structure makes of a network: layers of groups of weights, each group removed as a whole or not at all. */

import type { TensorLayout } from '../../bindings/native.js'
import { invalid } from '../base/errors.js'
import { show } from '../base/numbers.js'
import type { NetworkSpec } from '../networks/spec.js'
import type { Part } from './tiles.js'

export const residualNames = ['inner', 'grouped'] as const

/**
 * What becomes of filters whose channels an addition ties to those of other layers.
 * - `inner`: they stay, and only filters of untied channels are pruned
 * - `grouped`: tied channels are pruned together, in all layers that make them
 */
export type Residual = (typeof residualNames)[number]

/** One structure: a file in `structures/`. */
export interface StructureRule {
  /** What targets are fractions of, for messages. */
  readonly unit: 'weights' | 'filters'
  /** What one group is, for messages. */
  readonly group: string
  /** The largest target that means anything, where that is not just any below 1, and why. */
  readonly limit?: { readonly sparsity: number; readonly why: string }
  /** The layers that may be pruned; `layout` is that of the parameter arena. */
  layers(spec: NetworkSpec, layout: readonly TensorLayout[], residual: Residual): PruneLayer[]
}

/** Groups that compete with each other under scope `layer`: those of one tensor, or of several that are tied. */
export interface PruneLayer {
  /** The node, or the tied nodes, for people. */
  readonly name: string
  /** Number of groups. */
  readonly groups: number
  /** The weights whose scores rank the groups. Each part has all the groups. */
  readonly ranked: readonly Part[]
  /** What is masked along with a group without being ranked, such as a filter's bias. */
  readonly attached: readonly Part[]
  /** What each group counts towards the target: one number for all, or one each. */
  readonly sizes: number | Uint32Array
  /** The most that may be removed, in the same measure. */
  readonly removable: number
  /**
   * Of what is removed already, sets to `KEPT` what is more than the structure asks for, so that it does not count
   * towards the target in place of what the structure does ask for.
   */
  cap?(flags: Uint8Array): void
  /** Whether a mask has the pattern throughout. Without it, there is none to tell. */
  holds?(mask: Uint8Array): boolean
  /** Decides by the scores which groups must stay, and sets their flags from `FREE` to `KEPT`. */
  protect(scores: ArrayLike<number>, flags: Uint8Array): void
}

/** State of a group in the flags of a layer: a candidate, removed, or one that must stay. */
export const FREE = 0
export const PRUNED = 1
export const KEPT = 2

/** Keeps all that is left. */
export const keepAll = (flags: Uint8Array): void => {
  for (let group = 0; group < flags.length; group++) if (flags[group] === FREE) flags[group] = KEPT
}

/**
 * Keeps the best candidate, of all groups or of every `step`-th from `first` to `end` (exclusive); of equals, the last.
 */
export const keepBest = (
  scores: ArrayLike<number>,
  flags: Uint8Array,
  first = 0,
  end = flags.length,
  step = 1,
): void => {
  let best = -1
  for (let group = first; group < end; group += step) {
    if (flags[group] !== FREE) continue
    if (best < 0 || (scores[group] ?? 0) >= (scores[best] ?? 0)) best = group
  }
  if (best >= 0) flags[best] = KEPT
}

/** The tensors of a network that a caller handed over. @throws CoppiceError that says what came instead */
export const requireLayout = (value: unknown, what: string): void => {
  if (Array.isArray(value) && value.every((each) => typeof each === 'object' && each !== null)) return
  throw invalid(`${what}: expected a network's layout, received ${show(value)}`)
}
