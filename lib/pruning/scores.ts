/** How weights and groups of weights are ranked. A score is a file of its own and a line here. */
import type { Floats } from '../../bindings/native.js'
import type { PruneLayer } from './layers.js'
import { learned } from './scores/learned.js'
import { magnitude } from './scores/magnitude.js'
import { random } from './scores/random.js'
import type { ScoredTensor, ScoreOptions, ScoreRule } from './scores/score.js'
import { eachRun, type Part, SINGLE } from './tiles.js'

const rules = { magnitude, random, learned } satisfies Record<string, ScoreRule>

/** `magnitude`: |w|. `random`: the baseline. `learned`: |s| for scores s that training finds (HYDRA). */
export type Score = keyof typeof rules

export const scoreNames = Object.keys(rules) as [Score, ...Score[]]

/** What has to be found out from data before the score can rank anything; undefined where weights are enough. */
export const scoreNeeds = (score: Score): ScoreRule['needs'] => ruleOf(score).needs

/** Epochs that finding it out takes, before each step of pruning. */
export const scoringEpochs = ({ score, scoreEpochs }: { score: Score; scoreEpochs: number }): number => {
  const needs = scoreNeeds(score)
  return needs === 'learned' ? scoreEpochs : needs === 'gradients' ? 1 : 0
}

const ruleOf = (score: Score): ScoreRule => rules[score]

/**
 * Score of every weight of a tensor.
 *
 * @throws CoppiceError naming the tensor where a value is NaN or infinite, or where what the score needs is missing.
 */
export const scoreWeights = (score: Score, tensor: ScoredTensor, options: ScoreOptions): Floats =>
  ruleOf(score).weights(tensor, options)

/**
 * Score of every group of a layer: over its weights that `mask` left, so that removed inputs don't count; and over
 * tied tensors the mean of theirs.
 *
 * @throws CoppiceError as `scoreWeights` does.
 */
export const scoreGroups = (
  score: Score,
  layer: PruneLayer,
  parameters: Floats,
  mask: Uint8Array,
  options: ScoreOptions,
): Floats => {
  const rule = ruleOf(score)
  const weightsOf = ({ tensor }: Part): Floats => {
    const values = parameters.subarray(tensor.offset, tensor.offset + tensor.size)
    return rule.weights({ layout: tensor, values }, options)
  }
  const [first] = layer.ranked
  if (first === undefined) return new Float64Array(layer.groups)
  if (first.tile === SINGLE) return weightsOf(first)
  const scores = new Float64Array(layer.groups)
  if (rule.ofGroup === 'first') {
    const weights = weightsOf(first)
    const seen = new Uint8Array(layer.groups)
    eachRun(first, (from, start, end, step) => {
      for (let index = start, group = from; index < end; index++, group += step) {
        if (seen[group] === 0) scores[group] = weights[index - first.tensor.offset] ?? 0
        seen[group] = 1
        if (step === 0) return
      }
    })
    return scores
  }
  for (const part of layer.ranked) {
    const means = groupMeans(part, weightsOf(part), mask, layer.groups)
    for (let group = 0; group < layer.groups; group++) {
      scores[group] = (scores[group] ?? 0) + (means[group] ?? 0) / layer.ranked.length
    }
  }
  return scores
}

const groupMeans = (part: Part, weights: Floats, mask: Uint8Array, groups: number): Float64Array => {
  const sums = new Float64Array(groups)
  const counts = new Uint32Array(groups)
  const { offset } = part.tensor
  eachRun(part, (group, start, end, step) => {
    if (step === 1) {
      for (let index = start, own = group; index < end; index++, own++) {
        if (mask[index] === 0) continue
        sums[own] = (sums[own] ?? 0) + (weights[index - offset] ?? 0)
        counts[own] = (counts[own] ?? 0) + 1
      }
      return
    }
    let sum = 0
    let count = 0
    for (let index = start; index < end; index++) {
      if (mask[index] === 0) continue
      sum += weights[index - offset] ?? 0
      count++
    }
    sums[group] = (sums[group] ?? 0) + sum
    counts[group] = (counts[group] ?? 0) + count
  })
  return sums.map((sum, group) => sum / Math.max(1, counts[group] ?? 0))
}
