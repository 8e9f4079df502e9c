/** How weights and groups of weights are ranked: the lowest score goes first. Scores are finite and at least 0. */
import type { Floats, TensorLayout } from '../../bindings/native.js'
import { invalid } from '../base/errors.js'
import { hash32 } from '../base/hash.js'
import type { PruneLayer } from './layers.js'
import { eachRun, type Part, SINGLE } from './tiles.js'

export const scoreNames = ['magnitude', 'random', 'learned'] as const

/**
 * - `magnitude`: |w|; of a group the mean |w| (L1 norm by size, as Li et al., 2017, rank filters)
 * - `random`: a hash of the seed and the place, the baseline
 * - `learned`: |s| for importance scores s learned by training (HYDRA: Sehwag et al., 2020); of a group the mean
 */
export type Score = (typeof scoreNames)[number]

/** One tensor: its place in the parameter arena, and its values alone. */
export interface ScoredTensor {
  layout: TensorLayout
  values: Floats
}

export interface ScoreOptions {
  /** Key of `random`. */
  seed: number
  /** The importance scores of `learned`, one per parameter of the network. */
  learned?: Floats
}

interface ScoreRule {
  weights(tensor: ScoredTensor, options: ScoreOptions): Floats
  /** A group's score: the mean over its weights that are left, or that of its first weight. */
  ofGroup: 'mean' | 'first'
}

const rules: Readonly<Record<Score, ScoreRule>> = {
  magnitude: { weights: ({ values, layout }) => absolute(values, layout, 'weights'), ofGroup: 'mean' },
  random: { weights: ({ layout }, { seed }) => shuffled(layout, seed), ofGroup: 'first' },
  learned: {
    weights: ({ layout }, { learned }) => {
      if (learned === undefined) throw invalid('score "learned" needs the learned scores')
      return absolute(learned.subarray(layout.offset, layout.offset + layout.size), layout, 'learned scores')
    },
    ofGroup: 'mean',
  },
}

/**
 * Score of every weight of a tensor.
 *
 * @throws CoppiceError naming the tensor where a value is NaN or infinite, or where `learned` is missing.
 */
export const scoreWeights = (score: Score, tensor: ScoredTensor, options: ScoreOptions): Floats =>
  rules[score].weights(tensor, options)

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
  const rule = rules[score]
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

const absolute = (values: Floats, { name, size }: TensorLayout, what: string): Floats => {
  const scores = values instanceof Float32Array ? new Float32Array(size) : new Float64Array(size)
  for (let index = 0; index < size; index++) {
    const magnitude = Math.abs(values[index] ?? Number.NaN)
    // Written so that NaN fails it too.
    if (!(magnitude < Number.POSITIVE_INFINITY)) {
      throw invalid(`cannot prune "${name}": its ${what} contain ${values[index]} at position ${index}`)
    }
    scores[index] = magnitude
  }
  return scores
}

/** 30 random bits read as a float, which has more distinct values than multiples of 2⁻²⁴ would; only the order counts. */
const shuffled = ({ offset, size }: TensorLayout, seed: number): Floats => {
  const bits = new Uint32Array(size)
  for (let index = 0; index < size; index++) bits[index] = hash32(seed, offset + index) >>> 2
  return new Float32Array(bits.buffer)
}
