/** What is known of one image, and the one rule about it: verified ⇒ not broken by any attack ⇒ correct. */
import { CoppiceError } from '../errors.js'
import { formatPixels } from '../numbers.js'

/**
 * `verified`: proved right in the whole box. `broken`: right, but an attack found an image in the box that is not.
 * `misclassified`: wrong as it is. `unknown`: right, neither proved nor broken; never counted as verified.
 */
export type Verdict = 'verified' | 'broken' | 'misclassified' | 'unknown'

/** The outcome of one image. */
export interface ImageVerdict {
  /** Index in the whole data set. */
  index: number
  label: number
  prediction: number
  verdict: Verdict
  /** What settled it: a method of bounds or an attack. Of unknown images the method with the best margin. */
  method: string | null
  /**
   * Best sound lower bound of (logit of the label − any other logit) in the box; NaN where no bounds were needed,
   * because the image is misclassified or, in a cascade, was broken before.
   */
  margin: number
  /** Fraction of unstable neurons under the first method, meaned over the images it was computed with; NaN likewise. */
  unstable: number
  /** Its share of the time that its batches took. */
  seconds: number
}

/** What has been found out about an image. */
export interface Findings {
  index: number
  label: number
  prediction: number
  /** The class that an attack within the box turned it into, and the attack. */
  broken?: { into: number; by: string }
  /** The best margin and the method that gave it. */
  bound?: { margin: number; method: string }
}

/** The verdict on an image. @throws CoppiceError `ERR_UNSOUND` where findings contradict each other */
export const judge = (findings: Findings, epsilon: number): Pick<ImageVerdict, 'verdict' | 'method'> => {
  const { prediction, label, broken, bound } = findings
  const proved = bound !== undefined && bound.margin > 0
  if (proved) requireSound(findings, bound, epsilon)
  if (prediction !== label) return { verdict: 'misclassified', method: null }
  if (proved) return { verdict: 'verified', method: bound.method }
  if (broken !== undefined) return { verdict: 'broken', method: broken.by }
  return { verdict: 'unknown', method: bound?.method ?? null }
}

/** Refuses a proof about an image that is misclassified, or broken by an attack within the same box. */
const requireSound = (
  { index, label, prediction, broken }: Findings,
  { margin, method }: { margin: number; method: string },
  epsilon: number,
): void => {
  if (prediction === label && broken === undefined) return
  const contradiction =
    prediction === label
      ? `${broken?.by} found an image within it that is taken for class ${broken?.into}`
      : `the image itself is taken for class ${prediction}`
  throw new CoppiceError(
    'ERR_UNSOUND',
    `image ${index}: ${method} proves class ${label} with a margin of ${margin.toPrecision(3)} at eps ` +
      `${formatPixels(epsilon)}, but ${contradiction}; this is a defect of Coppice, and none of its proofs here ` +
      'can be trusted',
  )
}

/** An evaluation of the same network on the same images, as `evaluate` gives it and a run records it. */
export interface Measured {
  indices: ArrayLike<number>
  predictions: ArrayLike<number>
  adversarialPredictions?: ArrayLike<number> | undefined
  /** ε of the attack, and how it is called. */
  attack?: { epsilon: number; name: string } | undefined
}

/**
 * Holds verdicts at `epsilon` against an evaluation: what is verified must be right, and unbroken by an attack of the
 * same ε or a smaller one. (An attack stays in [0,1]; a box that is not clipped contains its box too.)
 *
 * @throws CoppiceError `ERR_UNSOUND` that names the first image for which that is not so
 */
export const requireAgreement = (
  verdicts: Iterable<ImageVerdict>,
  epsilon: number,
  measured: Measured,
): void => {
  const places = placesOf(measured.indices)
  for (const verdict of verdicts) {
    const place = places.get(verdict.index)
    if (place === undefined || verdict.verdict !== 'verified') continue
    const found = findingsAt(measured, place, verdict, epsilon)
    judge({ ...found, bound: { margin: verdict.margin, method: verdict.method ?? 'a verifier' } }, epsilon)
  }
}

/** What an evaluation says of an image. */
export const findingsAt = (
  { predictions, adversarialPredictions, attack }: Measured,
  place: number,
  { index, label }: { index: number; label: number },
  epsilon: number,
): Findings => {
  const prediction = predictions[place] ?? -1
  const into = adversarialPredictions?.[place]
  const within = attack !== undefined && attack.epsilon <= epsilon
  const broken = within && into !== undefined && prediction === label && into !== label
  return { index, label, prediction, ...(broken && { broken: { into, by: attack.name } }) }
}

/** Where each image lies in a list of indices. */
export const placesOf = (indices: ArrayLike<number>): Map<number, number> =>
  new Map(Array.from(indices, (index, place) => [index, place]))
