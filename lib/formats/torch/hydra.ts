/**
 * What checkpoints of HYDRA (github.com/inspire-group/hydra) hold besides a network: a score for every weight, of which
 * the largest in each layer are kept, and in wide residual networks a block that is never used.
 */
import { TorchFileError } from './error.js'
import type { NamedTensor } from './file.js'

const SCORES = '.popup_scores'
const UNUSED = 'sub_block1.'

export interface HydraParts {
  /** The tensors of the network. */
  network: NamedTensor[]
  /** Scores, by the name of the weight that they are for. */
  scores: Map<string, NamedTensor>
}

export const hydraParts = (tensors: readonly NamedTensor[]): HydraParts => {
  const scores = tensors.filter(({ name }) => name.endsWith(SCORES))
  const used = tensors.some(({ name }) => name.startsWith('block1.'))
    ? tensors.filter(({ name }) => !name.startsWith(UNUSED))
    : tensors
  return {
    network: used.filter(({ name }) => !name.endsWith(SCORES)),
    scores: new Map(scores.map((each) => [`${each.name.slice(0, -SCORES.length)}.weight`, each])),
  }
}

/** The share of weights that its training kept, which a checkpoint does not say. */
export const requireKept = (kept: number | undefined): number => {
  if (kept !== undefined) return kept
  throw new TorchFileError(
    "it has HYDRA's scores, and does not say how many weights they keep: give the k of its training with --keep, " +
      'such as 0.1, or 1 for a dense network',
  )
}

/** 1 for the weights whose scores are the largest in magnitude, ⌊(1 − kept) n⌋ are 0. Of equal ones the first go. */
export const keptByScore = (scores: ArrayLike<number>, kept: number): Uint8Array => {
  const magnitudes = Float64Array.from(scores, Math.abs)
  const gone = Math.trunc((1 - kept) * magnitudes.length)
  const threshold = magnitudes.slice().sort()[gone] ?? Number.POSITIVE_INFINITY
  const below = magnitudes.reduce((count, value) => count + (value < threshold ? 1 : 0), 0)
  let ties = gone - below
  return Uint8Array.from(magnitudes, (value) =>
    value < threshold || (value === threshold && ties-- > 0) ? 0 : 1,
  )
}
