/** From weights to a mask: a structure makes groups, a score ranks them, a scope divides the target, the lowest go. */
import type { Floats, TensorLayout } from '../../bindings/native.js'
import { invalid } from '../errors.js'
import type { NetworkSpec } from '../networks/spec.js'
import { didYouMean, show } from '../numbers.js'
import { FREE, PRUNED, type PruneLayer, type Residual, residualNames, type StructureRule } from './layers.js'
import { type Pool, poolsOf, type Scope, type Share, scopeNames } from './scopes.js'
import { type Score, scoreGroups, scoreNames } from './scores.js'
import { breathe, pruneLowest } from './select.js'
import { remainingWeights, sparsity } from './sparsity.js'
import { type Structure, structureNames, structures } from './structures.js'
import { eachRun } from './tiles.js'

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
  /** For `filter`: default `inner`. */
  residual?: Residual
  /** Fraction to be removed, in [0, 1): of all prunable weights, or for `filter` of the filters that may be pruned. */
  sparsity: number
  /** Key of the score `random`; default 0. */
  seed?: number
  /** For the score `learned`: one per parameter. */
  learnedScores?: Floats
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
 * the n weights or filters, or all that the previous mask removed if that is more. Deterministic: equal scores go by
 * index. Gives other work a turn after each layer.
 *
 * @throws CoppiceError where a weight is NaN or infinite, the arrays don't fit the network, or the target cannot be met.
 */
export const pruneMask = async (
  request: PruneRequest,
): Promise<{ mask: Uint8Array; report: PruneReport }> => {
  const { spec, parameters, structure, score = 'magnitude', scope = 'layer', residual = 'inner' } = request
  const layout = request.layout.filter((tensor) => tensor.arena === 'parameters')
  check(request, layout)
  const mask = startingMask(request.previous, parameters.length)
  const rule = structures[structure]
  const layers = rule.layers(spec, layout, residual)
  const flags: Uint8Array[] = []
  for (const layer of layers) {
    requireFinite(layer, parameters)
    flags.push(flagsOf(layer, mask))
    await breathe()
  }
  const shares = layers.map((layer, index) => shareOf(layer, flags[index] ?? new Uint8Array(0)))
  const amount = amountOf(request.sparsity, shares, layers, rule)
  for (const pool of poolsOf(scope, shares, amount)) await pruneWithin(pool)
  for (const [index, layer] of layers.entries()) {
    apply(layer, flags[index] ?? new Uint8Array(0), mask)
    await breathe()
  }
  return { mask, report: reportOf(mask, layout, rule, layers, flags) }

  async function pruneWithin(pool: Pool): Promise<void> {
    const before = pool.layers.reduce((sum, index) => sum + (shares[index]?.pruned ?? 0), 0)
    if (pool.amount <= before) return
    const options = {
      seed: request.seed ?? 0,
      ...(request.learnedScores === undefined ? {} : { learned: request.learnedScores }),
    }
    const rankings = []
    for (const index of pool.layers) {
      const [layer, own] = [layers[index], flags[index]]
      if (layer === undefined || own === undefined) continue
      const scores = scoreGroups(score, layer, parameters, mask, options)
      layer.protect(scores, own)
      rankings.push({ scores, sizes: layer.sizes, flags: own })
      await breathe()
    }
    await pruneLowest(rankings, pool.amount - before)
  }
}

const check = (request: PruneRequest, layout: readonly TensorLayout[]): void => {
  requireKnown('structure', request.structure, structureNames)
  requireKnown('score', request.score ?? 'magnitude', scoreNames)
  requireKnown('scope', request.scope ?? 'layer', scopeNames)
  requireKnown('residual', request.residual ?? 'inner', residualNames)
  const { sparsity: target, parameters, previous, learnedScores } = request
  if (!(target >= 0 && target < 1))
    throw invalid(`sparsity must be at least 0 and below 1, received ${show(target)}`)
  const size = layout.reduce((sum, tensor) => sum + tensor.size, 0)
  requireLength('the parameters', parameters, size)
  if (previous !== undefined) requireLength('the previous mask', previous, size)
  if (learnedScores !== undefined) requireLength('the learned scores', learnedScores, size)
  if (request.score === 'learned' && learnedScores === undefined) {
    throw invalid('score "learned" needs learnedScores, one per parameter')
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
    for (let index = tensor.offset; index < tensor.offset + tensor.size; index++) {
      // Infinite minus infinite and NaN minus NaN are NaN.
      const value = parameters[index] ?? 0
      if (value - value === 0) continue
      throw invalid(`cannot prune "${tensor.name}": its weights contain ${value}; has the training diverged?`)
    }
  }
}

const startingMask = (previous: Uint8Array | undefined, length: number): Uint8Array => {
  if (previous === undefined) return new Uint8Array(length).fill(1)
  const mask = new Uint8Array(previous)
  for (let index = 0; index < length; index++) if (mask[index] !== 0) mask[index] = 1
  return mask
}

/** A group is removed already when all its weights are. */
const flagsOf = (layer: PruneLayer, mask: Uint8Array): Uint8Array => {
  const flags = new Uint8Array(layer.groups).fill(PRUNED)
  for (const part of layer.ranked) {
    eachRun(part, (group, start, end) => {
      for (let index = start; index < end && flags[group] !== FREE; index++) {
        if (mask[index] !== 0) flags[group] = FREE
      }
    })
  }
  return flags
}

const shareOf = ({ sizes, groups, removable }: PruneLayer, flags: Uint8Array): Share => {
  const pruned = measure(sizes, flags)
  const total = typeof sizes === 'number' ? sizes * groups : sizes.reduce((sum, size) => sum + size, 0)
  return { total, pruned, removable: Math.max(removable, pruned) }
}

/** What the removed groups count. */
const measure = (sizes: number | Uint32Array, flags: Uint8Array): number => {
  let sum = 0
  for (let group = 0; group < flags.length; group++) {
    if (flags[group] === PRUNED) sum += typeof sizes === 'number' ? sizes : (sizes[group] ?? 0)
  }
  return sum
}

const amountOf = (
  target: number,
  shares: readonly Share[],
  layers: readonly PruneLayer[],
  { unit }: StructureRule,
): number => {
  const totalOf = (key: keyof Share) => shares.reduce((sum, share) => sum + share[key], 0)
  const [total, pruned, removable] = [totalOf('total'), totalOf('pruned'), totalOf('removable')]
  if (total === 0 && target > 0) {
    throw invalid(
      `this network has no ${unit} that may be pruned` +
        (unit === 'filters' ? '; channels tied by an addition are only pruned with residual "grouped"' : ''),
    )
  }
  const amount = Math.max(Math.round(target * total), pruned)
  if (amount <= removable) return amount
  const tightest = layers
    .map(({ name }, index) => ({ name, share: shares[index] }))
    .filter(({ share }) => share !== undefined && share.removable < target * share.total)
    .map(({ name, share }) => `"${name}" can lose ${share?.removable} of ${share?.total}`)
  throw invalid(
    `sparsity ${target} would remove ${amount} of ${total} ${unit}, but every layer keeps at least one: at most ` +
      `${removable} can go, which is sparsity ${Math.floor((removable / total) * 1e4) / 1e4}; ` +
      `the limit is set by ${tightest.slice(0, 3).join(', ')}${tightest.length > 3 ? ' …' : ''}`,
  )
}

const apply = (layer: PruneLayer, flags: Uint8Array, mask: Uint8Array): void => {
  for (const part of [...layer.ranked, ...layer.attached]) {
    eachRun(part, (group, start, end) => {
      if (flags[group] === PRUNED) mask.fill(0, start, end)
    })
  }
}

const reportOf = (
  mask: Uint8Array,
  layout: readonly TensorLayout[],
  { unit }: StructureRule,
  layers: readonly PruneLayer[],
  flags: readonly Uint8Array[],
): PruneReport => {
  const shares = layers.map((layer, index) => shareOf(layer, flags[index] ?? new Uint8Array(0)))
  const total = shares.reduce((sum, share) => sum + share.total, 0)
  const pruned = shares.reduce((sum, share) => sum + share.pruned, 0)
  return {
    sparsity: sparsity(mask, layout),
    ...(unit === 'filters' ? { filters: { total, pruned } } : {}),
    perLayer: layout
      .filter((tensor) => tensor.prunable)
      .map((tensor) => ({ name: tensor.name, size: tensor.size, remaining: remainingWeights(mask, tensor) })),
  }
}
