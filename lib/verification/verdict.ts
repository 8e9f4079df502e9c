/** What is known of one image, and the one rule about it: verified ⇒ not broken by any attack ⇒ correct. */

import { type Attack, attackName } from '../attacks/attack.js'
import { optionsOf } from '../base/arguments.js'
import { CoppiceError, invalid } from '../base/errors.js'
import { formatPixels, show } from '../base/numbers.js'

/**
 * `verified`: proved right in the whole box. `broken`: right, but an attack found an image in the box that is not.
 * `misclassified`: wrong as it is. `unknown`: right, neither proved nor broken; never counted as verified.
 * `brokenByRounding`: proved right in the whole box, which is about real arithmetic, but the network as it runs takes
 * the image, or one in the box, for another class, and only its rounding errors do; never counted as verified.
 */
export type Verdict = (typeof verdictNames)[number]

export const verdictNames = ['verified', 'broken', 'misclassified', 'unknown', 'brokenByRounding'] as const

/** The prediction for an image with a logit that is NaN or infinite; it is no label. */
export const NO_CLASS = -1

/** The outcome of one image. */
export interface ImageVerdict {
  /** Index in the whole data set. */
  index: number
  label: number
  /** −1 where a logit is NaN or infinite. */
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

/** Verdicts image by image, of the images in the order of `indices`. */
export interface VerifiedOutcomes {
  indices: Uint32Array
  labels: Uint8Array
  predictions: Int32Array
  verdicts: Verdict[]
  methods: (string | null)[]
  /** NaN where no bounds were needed. */
  margins: Float64Array
  /** NaN likewise. */
  unstable: Float64Array
  seconds: Float64Array
}

/** The outcomes as one entry an image: what `verify` takes as `done`. */
export const verdictsOf = (outcomes: VerifiedOutcomes): ImageVerdict[] => {
  const { labels, predictions, verdicts, methods, margins, unstable, seconds } = optionsOf(
    outcomes,
    'verdictsOf',
  )
  const lists = [outcomes.indices, labels, predictions, verdicts, methods, margins, unstable, seconds]
  if (lists.some((list) => typeof list !== 'object' || list === null)) {
    throw invalid(`verdictsOf: expected the outcomes of a verification, received ${show(outcomes)}`)
  }
  return Array.from(outcomes.indices, (index, place) => ({
    index,
    label: labels[place] ?? 0,
    prediction: predictions[place] ?? 0,
    verdict: verdicts[place] ?? 'unknown',
    method: methods[place] ?? null,
    margin: margins[place] ?? Number.NaN,
    unstable: unstable[place] ?? Number.NaN,
    seconds: seconds[place] ?? 0,
  }))
}

/** What has been found out about an image. */
export interface Findings {
  index: number
  label: number
  prediction: number
  /** The attack within the box that broke it. */
  broken?: string | undefined
  /** The same in full, where that is known. */
  attack?: Attack | undefined
  /** The best margin and the method that gave it. */
  bound?: { margin: number; method: string }
  /** What contradicts the bound, judged in real arithmetic. */
  ruling?: Ruling | undefined
}

/**
 * What a contradiction of a proof turned out to be: the proof is false; fp32 alone says so; the point lies outside of
 * the box, and says nothing; or the point could not be found again, and the image counts as if nothing were proved.
 */
export type Ruling = 'real' | 'rounding' | 'outside' | 'lost'

/** The verdict on an image. @throws CoppiceError `ERR_UNSOUND` where findings contradict each other */
export const judge = (findings: Findings, epsilon: number): Pick<ImageVerdict, 'verdict' | 'method'> => {
  const { prediction, label, broken, bound } = findings
  const proved = bound !== undefined && bound.margin > 0 && findings.ruling !== 'lost'
  if (proved && isContradicted(findings)) {
    if (findings.ruling === 'rounding') return { verdict: 'brokenByRounding', method: broken ?? null }
    if (findings.ruling === 'outside') return { verdict: 'verified', method: bound.method }
    throw unsound(findings, bound, epsilon)
  }
  if (prediction !== label) return { verdict: 'misclassified', method: null }
  if (proved) return { verdict: 'verified', method: bound.method }
  if (broken !== undefined) return { verdict: 'broken', method: broken }
  return { verdict: 'unknown', method: bound?.method ?? null }
}

/** Whether an image that is proved is misclassified, or broken by an attack within the same box. */
export const isContradicted = ({ label, prediction, broken, bound }: Findings): boolean =>
  bound !== undefined && bound.margin > 0 && (prediction !== label || broken !== undefined)

const unsound = (
  { index, label, prediction, broken }: Findings,
  { margin, method }: { margin: number; method: string },
  epsilon: number,
): CoppiceError => {
  const contradiction =
    prediction === label
      ? `${broken} found one that is taken for another`
      : `the image itself is taken for ${prediction === NO_CLASS ? 'no class' : `class ${prediction}`}`
  return new CoppiceError(
    'ERR_UNSOUND',
    `image ${index}: ${method} proves class ${label} with a margin of ${margin.toPrecision(3)} for all images ` +
      `within eps ${formatPixels(epsilon)}, but ${contradiction}; this is a defect of Coppice, and none of ` +
      'its proofs of this network can be trusted',
  )
}

/** What was measured on the same network and images by other means. */
export interface Measured {
  /** ε of the attack, where there was one. */
  epsilon: number
  attack?: Attack | undefined
  images: ReadonlyMap<number, { prediction: number; broken?: string | undefined }>
}

/** An evaluation's outcomes, as `evaluate` gives them and a run records them. */
export interface RecordedOutcomes {
  indices: ArrayLike<number>
  labels: ArrayLike<number>
  predictions: ArrayLike<number>
  adversarialPredictions?: ArrayLike<number> | undefined
}

/** What an evaluation, with an attack or without, says of each image. */
export const measuredBy = (outcomes: RecordedOutcomes, attack: Attack | undefined): Measured => {
  const { indices, labels, predictions, adversarialPredictions } = outcomes
  const images = Array.from(indices, (index, place) => {
    const prediction = predictions[place] ?? -1
    const into = adversarialPredictions?.[place]
    const broken = attack && into !== undefined && prediction === labels[place] && into !== prediction
    return [index, { prediction, broken: broken ? attackName(attack) : undefined }] as const
  })
  return { epsilon: attack?.epsilon ?? 0, attack, images: new Map(images) }
}

/** What is known of an image in the box of `epsilon`. An attack in [0,1] stays in a box that isn't clipped, too. */
export const knownOf = (
  { epsilon: attacked, attack, images }: Measured,
  { index, label }: { index: number; label: number },
  epsilon: number,
): Findings | undefined => {
  const known = images.get(index)
  if (known === undefined) return undefined
  const { prediction, broken } = known
  return { index, label, prediction, broken: attacked <= epsilon ? broken : undefined, attack }
}
