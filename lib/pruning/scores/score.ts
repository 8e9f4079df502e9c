/** What every score must offer. Scores are finite and at least 0; the lowest goes first. */
import type { Floats, TensorLayout } from '../../../bindings/native.js'
import { invalid } from '../../base/errors.js'

/** One tensor: its place in the parameter arena, and its values alone. */
export interface ScoredTensor {
  layout: TensorLayout
  values: Floats
}

export interface ScoreOptions {
  /** Key of whatever is random. */
  seed: number
  /** Importance scores learned by training, one per parameter of the network. */
  learned?: Floats | undefined
  /** The gradient of the objective's mean loss over the training images, one per parameter. */
  gradients?: Floats | undefined
}

export interface ScoreRule {
  /**
   * What it ranks by besides the weights, which has to be found out from data first: `learned` takes training with
   * frozen weights (`scoreEpochs`), `gradients` a pass over the training images.
   */
  needs?: 'learned' | 'gradients'
  weights(tensor: ScoredTensor, options: ScoreOptions): Floats
  /** A group's score: the mean over its weights that are left, or that of its first weight. */
  ofGroup: 'mean' | 'first'
}

/** The part of an array over all parameters that belongs to a tensor. @throws CoppiceError where there is no array */
export const partOf = (
  { offset, size }: TensorLayout,
  values: Floats | undefined,
  score: string,
  what: string,
): Floats => {
  if (values === undefined) throw invalid(`score "${score}" needs the ${what}`)
  return values.subarray(offset, offset + size)
}

/** |values|. @throws CoppiceError naming the tensor where one is NaN or infinite; `what` says what they are */
export const absolute = (values: Floats, { name, size }: TensorLayout, what: string): Floats => {
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
