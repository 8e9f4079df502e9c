/** What evaluations of networks and of engines share: the batches, and how what is right is counted. */
import { invalid } from '../base/errors.js'
import { type Proportion, proportion } from '../base/wilson.js'
import type { Dataset } from '../data/dataset.js'

export interface Accuracies {
  /** Right on the image as it is. */
  accuracy: Proportion
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
  let [benign, robust] = [0, 0]
  for (let image = 0; image < n; image++) {
    if (predictions[image] !== labels[image]) continue
    benign++
    if (adversarialPredictions?.[image] === labels[image]) robust++
  }
  return {
    accuracy: proportion(benign, n),
    ...(adversarialPredictions != null && { era: proportion(robust, n) }),
  }
}

/** How many images are evaluated: those asked for, by default all. @throws CoppiceError where there are fewer */
export const countOf = (what: string, images: number | undefined, dataset: Dataset): number => {
  const n = images ?? dataset.length
  if (n <= dataset.length) return n
  throw invalid(`${what}.images: ${n} images are asked for, but ${dataset.name} has ${dataset.length}`)
}
