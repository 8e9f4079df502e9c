/** What evaluations of networks and of engines share: the batches, and how what is right is counted. */
import { invalid } from '../base/errors.js'
import { type Proportion, proportion } from '../base/wilson.js'
import type { Dataset } from '../data/dataset.js'
import { NO_CLASS } from '../verification/verdict.js'

export interface Accuracies {
  /** Right on the image as it is. */
  accuracy: Proportion
  /** Images with a logit that is NaN or infinite, which are wrong; not there if there are none. */
  notFinite?: number
  /** Right on the image and on the strongest adversarial example found, so that it never exceeds `accuracy`. */
  era?: Proportion
}

/** Counts what is right; `era` where there are adversarial predictions. */
export const tally = (
  labels: ArrayLike<number>,
  predictions: ArrayLike<number>,
  adversarialPredictions: ArrayLike<number> | null | undefined,
): Accuracies => {
  const n = labels.length
  let [benign, robust, notFinite] = [0, 0, 0]
  for (let image = 0; image < n; image++) {
    if (predictions[image] === NO_CLASS) notFinite++
    if (predictions[image] !== labels[image]) continue
    benign++
    if (adversarialPredictions?.[image] === labels[image]) robust++
  }
  return {
    accuracy: proportion(benign, n),
    ...(notFinite > 0 && { notFinite }),
    ...(adversarialPredictions != null && { era: proportion(robust, n) }),
  }
}

/** How many images are evaluated: those asked for, by default all. @throws CoppiceError where there are fewer */
export const countOf = (what: string, images: number | undefined, dataset: Dataset): number => {
  const n = images ?? dataset.length
  if (n <= dataset.length) return n
  throw invalid(`${what}.images: ${n} images are asked for, but ${dataset.name} has ${dataset.length}`)
}
