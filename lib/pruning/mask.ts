/** From weights to a mask: a structure makes groups, a score ranks them, a scope divides the target, the lowest go. */

import type { Floats, TensorLayout } from '../../bindings/native.js'
import { optionsOf } from '../base/arguments.js'
import { invalid } from '../base/errors.js'
import { didYouMean, show } from '../base/numbers.js'
import { requireSpec } from '../networks/shapes.js'
import type { NetworkSpec } from '../networks/spec.js'
import { flagsOf, maskOut, measure } from './groups.js'
import {
  keepAll,
  type PruneLayer,
  type Residual,
  requireLayout,
  residualNames,
  type StructureRule,
} from './layers.js'
import { printedMask } from './printedMask.js'
import { poolsOf, type Scope, type Share, scopeNames } from './scopes.js'
import { type Score, scoreGroups, scoreNames, scoreNeeds } from './scores.js'
import { breathe, pruneLowest, type Ranking } from './select.js'
import { remainingWeights } from './sparsity.js'
import { requireReachable, type Structure, structureNames, structures } from './structures.js'

export interface PruneRequest {
  spec: NetworkSpec
  /** The tensors of the parameter arena (others are ignored). */
  layout: readonly TensorLayout[]
  /** The parameter arena. */
  parameters: Floats
  /** The mask so far; what it removed stays removed. Default: nothing is. */
  previous?: Uint8Array
  structure: Structure
  /** Default `magnitude`. */
  score?: Score
  /** Default `layer`. */
  scope?: Scope
  /** For `filter`; default `inner`. */
  residual?: Residual
  /** Nodes whose weights (filters) stay; the others lose the more. Default none. */
  exclude?: readonly string[] | undefined
  /**
   * Fraction to be removed, in [0, 1): of all prunable weights, or for `filter` of the filters that may be pruned. For
   * `2:4` at most 0.5.
   */
  sparsity: number
  /** Key of the score `random`; default 0. */
  seed?: number
  /** For the score `learned`: one per parameter. */
  learnedScores?: Floats | undefined
  /** For scores that rank by gradients: one per parameter. */
  gradients?: Floats | undefined
}

export interface PruneReport {
  /** Fraction of all prunable weights that are removed. */
  sparsity: number
  /** For `filter`: the filters that may be pruned, and how many of them are. */
  filters?: { total: number; pruned: number }
  /** Every tensor with prunable weights. */
  perLayer: { name: string; size: number; remaining: number }[]
}

/**
 * The mask (0 where a parameter is removed, else 1) that brings a network to `sparsity`: exactly round(sparsity · n) of
 * the n weights or filters, or what the previous mask removed if that is more. Groups of several weights, as of `v32x2`
 * and `block`, come as near to it as whole groups allow. Deterministic: equal scores go by index.
 * Gives other work a turn several times a layer.
 *
 * @throws CoppiceError where a weight is NaN or infinite, the arrays don't fit the network, or the target cannot be met.
 */
export const pruneMask = async (
  request: PruneRequest,
): Promise<{ mask: Uint8Array; report: PruneReport }> => {
  const { spec, parameters, structure, scope = 'layer', residual = 'inner' } = optionsOf(request, 'pruneMask')
  requireSpec(spec, 'pruneMask.spec')
  requireLayout(request.layout, 'pruneMask.layout')
  const layout = request.layout.filter((tensor) => tensor.arena === 'parameters')
  check(request, layout)
  const mask = startingMask(request.previous, parameters.length)
  const rule = structures[structure]
  const entries: Entry[] = []
  for (const layer of rule.layers(spec, layout, residual)) {
    requireFinite(layer, parameters)
    await breathe()
    const flags = flagsOf(layer, mask)
    await breathe()
    layer.cap?.(flags)
    const { total, pruned } = measure(layer, flags)
    const excluded = layer.ranked.some(({ tensor }) => request.exclude?.includes(tensor.node))
    if (excluded) keepAll(flags)
    const removable = excluded ? pruned : Math.max(layer.removable, pruned)
    entries.push({ layer, flags, share: { total, pruned, removable, unit: largestGroup(layer) } })
    await breathe()
  }
  const amount = amountOf(request.sparsity, entries, rule)
  for (const pool of poolsOf(
    scope,
    entries.map((entry) => entry.share),
    amount,
  )) {
    const chosen = entries.filter((_, index) => pool.layers.includes(index))
    await pruneWithin(request, mask, chosen, pool.amount)
  }
  for (const { layer, flags } of entries) {
    maskOut(layer, flags, mask)
    await breathe()
  }
  return { mask: printedMask(mask, layout), report: await reportOf(mask, layout, entries, rule) }
}

interface Entry {
  layer: PruneLayer
  /** State of its groups. */
  flags: Uint8Array
  /** What was removed, and may be, before this call. */
  share: Share
}

/** Removes the lowest groups of layers that compete with each other until `amount` is gone in sum. */
const pruneWithin = async (
  { parameters, score = 'magnitude', seed = 0, learnedScores, gradients }: PruneRequest,
  mask: Uint8Array,
  entries: readonly Entry[],
  amount: number,
): Promise<void> => {
  const more = amount - sum(entries, 'pruned')
  if (more <= 0) return
  const options = { seed, learned: learnedScores, gradients }
  const rankings: Ranking[] = []
  for (const { layer, flags } of entries) {
    const scores = scoreGroups(score, layer, parameters, mask, options)
    await breathe()
    layer.protect(scores, flags)
    rankings.push({ scores, sizes: layer.sizes, flags })
    await breathe()
  }
  await pruneLowest(rankings, more)
}

/** What is to be removed in sum, in weights or filters. */
const amountOf = (
  target: number,
  entries: readonly Entry[],
  { unit, group, limit }: StructureRule,
): number => {
  const [total, removable] = [sum(entries, 'total'), sum(entries, 'removable')]
  if (total === 0 && target > 0) {
    throw invalid(
      `this network has no ${unit} that may be pruned` +
        (unit === 'filters' ? '; channels tied by an addition are only pruned with residual "grouped"' : ''),
    )
  }
  const amount = Math.max(Math.round(target * total), sum(entries, 'pruned'))
  if (amount <= removable) return amount
  // The pattern itself, which takes less than that fraction from layers with incomplete sets.
  if (limit !== undefined) return removable
  const tightest = entries
    .filter(({ share }) => share.removable < target * share.total)
    .map(({ layer, share }) => `"${layer.name}" can lose ${share.removable} of ${share.total}`)
  throw invalid(
    `sparsity ${target} would remove ${amount} of ${total} ${unit}, but every layer keeps at least one ${group}: ` +
      `at most ${removable} can go, which is sparsity ${Math.floor((removable / total) * 1e4) / 1e4}; ` +
      `the limit is set by ${tightest.slice(0, 3).join(', ')}${tightest.length > 3 ? ' …' : ''}`,
  )
}

const largestGroup = ({ sizes }: PruneLayer): number =>
  typeof sizes === 'number' ? sizes : sizes.reduce((most, size) => Math.max(most, size), 1)

const sum = (entries: readonly Entry[], key: 'total' | 'pruned' | 'removable'): number =>
  entries.reduce((total, { share }) => total + share[key], 0)

const reportOf = async (
  mask: Uint8Array,
  layout: readonly TensorLayout[],
  entries: readonly Entry[],
  { unit }: StructureRule,
): Promise<PruneReport> => {
  const perLayer: PruneReport['perLayer'] = []
  for (const tensor of layout.filter(({ prunable }) => prunable)) {
    perLayer.push({ name: tensor.name, size: tensor.size, remaining: remainingWeights(mask, tensor) })
    await breathe()
  }
  const size = perLayer.reduce((total, layer) => total + layer.size, 0)
  const remaining = perLayer.reduce((total, layer) => total + layer.remaining, 0)
  const sparsity = size === 0 ? 0 : (size - remaining) / size
  if (unit !== 'filters') return { sparsity, perLayer }
  const pruned = entries.reduce((total, { layer, flags }) => total + measure(layer, flags).pruned, 0)
  return { sparsity, filters: { total: sum(entries, 'total'), pruned }, perLayer }
}

const check = (request: PruneRequest, layout: readonly TensorLayout[]): void => {
  requireKnown('structure', request.structure, structureNames)
  requireKnown('score', request.score ?? 'magnitude', scoreNames)
  requireKnown('scope', request.scope ?? 'layer', scopeNames)
  requireKnown('residual', request.residual ?? 'inner', residualNames)
  const { structure, sparsity, parameters, previous, learnedScores, gradients } = request
  if (!(sparsity >= 0 && sparsity < 1)) {
    throw invalid(`sparsity must be at least 0 and below 1, received ${show(sparsity)}`)
  }
  requireReachable(structure, sparsity)
  const nodes = [...new Set(layout.filter(({ prunable }) => prunable).map(({ node }) => node))]
  for (const name of request.exclude ?? []) requireKnown('layer to exclude', name, nodes)
  const size = layout.reduce((total, tensor) => total + tensor.size, 0)
  requireLength('the parameters', parameters, size)
  if (previous !== undefined) requireLength('the previous mask', previous, size)
  if (learnedScores !== undefined) requireLength('the learned scores', learnedScores, size)
  if (gradients !== undefined) requireLength('the gradients', gradients, size)
  const needs = scoreNeeds(request.score ?? 'magnitude')
  if (needs === 'learned' && learnedScores === undefined) {
    throw invalid(`score "${request.score}" needs learnedScores, one per parameter`)
  }
  if (needs === 'gradients' && gradients === undefined) {
    throw invalid(`score "${request.score}" needs gradients, one per parameter`)
  }
}

const requireKnown = (what: string, word: string, known: readonly string[]): void => {
  if (known.includes(word)) return
  const hint = typeof word === 'string' ? didYouMean(word, known) : ''
  throw invalid(`unknown ${what} ${show(word)}; known are ${known.join(', ')}${hint}`)
}

const requireLength = (what: string, array: ArrayLike<number>, length: number): void => {
  if (array.length === length) return
  throw invalid(`${what} have ${array.length} elements, but the network has ${length} parameters`)
}

const requireFinite = (layer: PruneLayer, parameters: Floats): void => {
  for (const { tensor } of layer.ranked) {
    const end = tensor.offset + tensor.size
    let check = 0
    // 0 · x is 0, but NaN where x is infinite or NaN.
    for (let index = tensor.offset; index < end; index++) check += 0 * (parameters[index] ?? 0)
    if (check === 0) continue
    const bad = parameters.subarray(tensor.offset, end).find((value: number) => !Number.isFinite(value))
    throw invalid(`cannot prune "${tensor.name}": its weights contain ${bad}; has the training diverged?`)
  }
}

const startingMask = (previous: Uint8Array | undefined, length: number): Uint8Array => {
  if (previous === undefined) return new Uint8Array(length).fill(1)
  const mask = new Uint8Array(previous)
  for (let index = 0; index < length; index++) if (mask[index] !== 0) mask[index] = 1
  return mask
}
