/** What becomes of images in an evaluation: one entry an image, or one list a property. */
import { inspect } from 'node:util'
import type { EvaluateResult } from '../../bindings/native.js'
import { type Attack, attackName, attackParts } from '../attacks/attack.js'

/** The outcome of one image. */
export interface ImageOutcome {
  /** Index in the whole data set. */
  index: number
  label: number
  /** −1 where a logit is NaN or infinite, which is wrong whatever the label. */
  prediction: number
  /** Cross-entropy. */
  loss: number
  /** With an attack, on the strongest example. */
  adversarialPrediction?: number
  adversarialLoss?: number
  /** With an attack: the name of the one that broke the image; null where none did, or it is wrong as it is. */
  brokenBy?: string | null
}

/** What happened to each image, in the order of `indices`. */
export interface Outcomes {
  /** Index in the whole data set. */
  indices: Uint32Array
  labels: Uint8Array
  /** −1 where a logit is NaN or infinite, which is wrong whatever the label. */
  predictions: Int32Array
  /** Cross-entropy. */
  losses: Float32Array
  adversarialPredictions?: Int32Array
  adversarialLosses?: Float32Array
  /** With an attack: the name of the one that broke the image; null where none did, or it is wrong as it is. */
  brokenBy?: (string | null)[]
  /** With a verifier: 1 where the image is proved right in the whole box. */
  verified?: Uint8Array
  /** Sound lower bounds of the margin; NaN where no bounds were needed. */
  margins?: Float64Array
}

/** What the native side found, image by image. */
export const outcomesIn = (
  indices: Uint32Array,
  labels: ArrayLike<number>,
  { predictions, losses, adversarialPredictions, adversarialLosses, brokenBy }: EvaluateResult,
  attack: Attack | undefined,
): ImageOutcome[] => {
  const names = attack && attackParts(attack).map(attackName)
  return Array.from(indices, (index, place) => {
    const [label, prediction] = [labels[place] ?? 0, predictions[place] ?? 0]
    const by = prediction === label ? (brokenBy?.[place] ?? -1) : -1
    return {
      ...{ index, label, prediction, loss: losses[place] ?? Number.NaN },
      ...(names && {
        adversarialPrediction: adversarialPredictions?.[place] ?? 0,
        adversarialLoss: adversarialLosses?.[place] ?? Number.NaN,
        brokenBy: names[by] ?? null,
      }),
    }
  })
}

/** The same as lists. */
export const listsOf = (outcomes: readonly ImageOutcome[], attack: Attack | undefined): Outcomes => ({
  indices: Uint32Array.from(outcomes, ({ index }) => index),
  labels: Uint8Array.from(outcomes, ({ label }) => label),
  predictions: Int32Array.from(outcomes, ({ prediction }) => prediction),
  losses: Float32Array.from(outcomes, ({ loss }) => loss),
  ...(attack && {
    adversarialPredictions: Int32Array.from(outcomes, (outcome) => outcome.adversarialPrediction ?? 0),
    adversarialLosses: Float32Array.from(outcomes, (outcome) => outcome.adversarialLoss ?? Number.NaN),
    brokenBy: outcomes.map((outcome) => outcome.brokenBy ?? null),
  }),
})

/** Prints outcomes as a few words; at a prompt nobody wants thousands of numbers. */
export const brief = (outcomes: Outcomes): Outcomes =>
  Object.defineProperty(outcomes, inspect.custom, {
    value: () => `{ ${Object.keys(outcomes).join(', ')} of ${outcomes.indices.length} images }`,
  })
