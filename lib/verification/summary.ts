/** The figures of a verification: verified robust accuracy (VRA) and what goes with it, with intervals. */
import { formatPixels } from '../base/numbers.js'
import { printedAs } from '../base/printed.js'
import { formatProportion, type Proportion, proportion } from '../base/wilson.js'
import { describeVerifier, type Verifier } from './index.js'
import { type ImageVerdict, NO_CLASS, type Verdict, type VerifiedOutcomes } from './verdict.js'

export interface Verification {
  verifier: Verifier
  /** Half the side of the box, in [0,1] pixels. */
  epsilon: number
  /** Images that were judged. */
  n: number
  /** Verified robust accuracy: proved right in the whole box. */
  vra: Proportion
  /** Where an attack within the box ran: right, and not broken by it. Images that were proved first are not attacked. */
  era?: Proportion
  /** Benign accuracy. */
  accuracy: Proportion
  /** Images that are right, neither proved nor broken. */
  unknown: number
  /** Images that are proved, but broken by rounding errors of the network as it runs; not there if there are none. */
  brokenByRounding?: number
  /** Images with a logit that is NaN or infinite, which are wrong; not there if there are none. */
  notFinite?: number
  /** Attacks that ran, by name: `pgd10`, `pgd50x5`. */
  attacks: string[]
  /**
   * Fraction of the neurons before a ReLU that are neither always on nor always off under the (first) method, meaned
   * over the images that were bounded.
   */
  unstable?: number
  /** Time that the native side took for these images. */
  seconds: number
  /** Whether it was stopped before its end: the figures are those of the images so far. */
  stopped?: true
  /** What became of each image. */
  perSample: VerifiedOutcomes
}

/** Counts verdicts. */
export const summarise = (
  verdicts: readonly ImageVerdict[],
  { verifier, epsilon, attacks }: Pick<Verification, 'verifier' | 'epsilon' | 'attacks'>,
): Verification => {
  const n = verdicts.length
  const count = (...wanted: Verdict[]): number =>
    verdicts.filter(({ verdict }) => wanted.includes(verdict)).length
  const rounded = count('brokenByRounding')
  const notFinite = verdicts.filter(({ prediction }) => prediction === NO_CLASS).length
  const bounded = verdicts.map(({ unstable }) => unstable).filter((share) => !Number.isNaN(share))
  const verification: Verification = {
    verifier,
    epsilon,
    n,
    vra: proportion(count('verified'), n),
    ...(attacks.length > 0 && { era: proportion(count('verified', 'unknown'), n) }),
    accuracy: proportion(verdicts.filter(({ prediction, label }) => prediction === label).length, n),
    unknown: count('unknown'),
    ...(rounded > 0 && { brokenByRounding: rounded }),
    ...(notFinite > 0 && { notFinite }),
    attacks,
    ...(bounded.length > 0 && { unstable: sum(bounded) / bounded.length }),
    seconds: sum(verdicts.map(({ seconds }) => seconds)),
    perSample: brief({
      indices: Uint32Array.from(verdicts, ({ index }) => index),
      labels: Uint8Array.from(verdicts, ({ label }) => label),
      predictions: Int32Array.from(verdicts, ({ prediction }) => prediction),
      verdicts: verdicts.map(({ verdict }) => verdict),
      methods: verdicts.map(({ method }) => method),
      margins: Float64Array.from(verdicts, ({ margin }) => margin),
      unstable: Float64Array.from(verdicts, ({ unstable }) => unstable),
      seconds: Float64Array.from(verdicts, ({ seconds }) => seconds),
    }),
  }
  return printedAs(verification, describeVerification)
}

/** Prints outcomes as a few words; at a prompt nobody wants thousands of numbers. */
const brief = (outcomes: VerifiedOutcomes): VerifiedOutcomes =>
  printedAs(outcomes, ({ indices }) => `{ ${Object.keys(outcomes).join(', ')} of ${indices.length} images }`)

/** `Verification { vra 61.0 [57.9, 64.0], … }`. */
const describeVerification = (verification: Verification): string => {
  const { vra, era, accuracy, unknown, n, verifier, epsilon, brokenByRounding, stopped } = verification
  const facts = [
    `vra ${formatProportion(vra)}`,
    ...(era === undefined ? [] : [`era ${formatProportion(era)}`]),
    `accuracy ${formatProportion(accuracy)}`,
    `${unknown} unknown`,
    ...(brokenByRounding === undefined ? [] : [`${brokenByRounding} broken by rounding`]),
    `n ${n}`,
    `${describeVerifier(verifier)}, eps ${formatPixels(epsilon)}`,
    ...(stopped ? ['stopped'] : []),
  ]
  return `Verification { ${facts.join(', ')} }`
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0)
