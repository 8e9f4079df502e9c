/**
 * MixTrain: cross-entropy on all images of a batch, and on the worst logits that sound bounds allow for k of them.
 * (Wang et al., "MixTrain: Scalable Training of Verifiably Robust Neural Networks", 2018)
 *
 * `coin` is what its authors' code does: with probability α a batch's loss is CE + w·RCE, else CE alone, and w grows
 * by 2.5 at a time from 0.1 to at most 50 once ε is full. `convex` is (1−α)·CE + α·RCE on every batch.
 */

import { z } from 'zod'
import { boundMethods, trainableMethods } from '../../bindings/boundMethods.js'
import type { NativeVerified } from '../../bindings/native.js'
import { hash32 } from '../base/hash.js'
import { LIMITS } from '../base/limits.js'
import { formatPixels, fractionBetween } from '../base/numbers.js'
import { choice, integer, positiveUpTo, strict } from '../base/schemas.js'
import { type LossWeights, made, type ObjectiveKind, type PhaseStep } from './objective.js'
import { boundedEpsilon, onBounds } from './onBounds.js'

export interface MixTrainOptions {
  /** Half the side of the box around an image, clipped to [0,1], in [0,1] pixels. Default 2/255. */
  readonly epsilon: number
  /** Images of a batch that are bounded, drawn with replacement. Default 10. */
  readonly k: number
  /** Probability that a batch is bounded (`coin`), or weight of the robust loss (`convex`). Default 0.7. */
  readonly alpha: number
  /** How the images are bounded. Default `symbolic`. */
  readonly bound: NativeVerified['bound']
  /** How clean and robust loss make one. Default `coin`. */
  readonly mix: 'coin' | 'convex'
  /** `detached` holds the denominator of the slope u/(u−l) constant, as the authors' code of 2019 did. Default `full`. */
  readonly gradient: NativeVerified['gradient']
  /** Of `coin`: the weight of the robust loss up to the end of the ramp. Default 0.1. */
  readonly weight: number
  /** Of `coin`: what the weight is multiplied by, again and again, after the ramp. Default 2.5. */
  readonly weightGrowth: number
  /** Of `coin`: into how many equal parts, each with its weight, the epochs after the ramp are divided. Default 10. */
  readonly weightSteps: number
  /** Of `coin`: the weight never exceeds this. Default 50. */
  readonly maxWeight: number
}

export interface MixTrain extends MixTrainOptions {
  readonly kind: 'mixTrain'
}

const schema = strict({
  kind: z.literal('mixTrain'),
  epsilon: boundedEpsilon,
  k: integer(1, LIMITS.boundedImages).default(10),
  alpha: fractionBetween(0, 1).default(0.7),
  bound: choice(trainableMethods).default('symbolic'),
  mix: choice(['coin', 'convex']).default('coin'),
  gradient: choice(['full', 'detached']).default('full'),
  weight: positiveUpTo(LIMITS.lossWeight).default(0.1),
  weightGrowth: fractionBetween(1, LIMITS.lossWeight).default(2.5),
  weightSteps: integer(1, LIMITS.steps).default(10),
  maxWeight: positiveUpTo(LIMITS.lossWeight).default(50),
})

/** w = min(max, weight · growth^⌊steps · part of the phase after the ramp⌋); the last part's weight is the final one. */
const dynamicWeight = (objective: MixTrain, afterRamp: number): number => {
  const { weight, weightGrowth, weightSteps, maxWeight } = objective
  // Rounding must not put off a step of the schedule by one batch.
  const part = Math.min(weightSteps - 1, Math.floor(afterRamp * weightSteps + 1e-9))
  return Math.min(maxWeight, weight * weightGrowth ** part)
}

/** Keeps the coin apart from whatever else is drawn for the same step. */
const COIN = 0x6d6978

/** Whether a batch is bounded too. */
const isHeads = (alpha: number, { seed, epoch, step }: PhaseStep): boolean =>
  hash32(seed, epoch, step, COIN) < alpha * 2 ** 32

const weights = (objective: MixTrain, step: PhaseStep): LossWeights => {
  const { mix, alpha } = objective
  if (mix === 'convex') return { clean: 1 - alpha, robust: alpha }
  return { clean: 1, robust: isHeads(alpha, step) ? dynamicWeight(objective, step.afterRamp) : 0 }
}

/** The work of an objective does not know the batch it is to be spread over; this is the default size. */
const BATCH = 128

export const mixTrainKind: ObjectiveKind<MixTrain, typeof schema> = {
  schema,
  describe: ({ bound, epsilon, k, alpha, mix, gradient }) =>
    `mixTrain ${bound}, eps ${formatPixels(epsilon)}, k ${k}, alpha ${alpha}` +
    `${mix === 'coin' ? '' : `, ${mix}`}${gradient === 'full' ? '' : `, ${gradient} slopes`}`,
  native: ({ epsilon, bound, k, gradient }) => ({ kind: 'verified', epsilon, bound, images: k, gradient }),
  work: ({ k, alpha, mix, bound }) =>
    3 + ((mix === 'coin' ? alpha : 1) * k * boundMethods[bound].training) / BATCH,
  gentleStart: onBounds,
  weights,
}

/**
 * MixTrain. Defaults are the paper's k = 10, α = 0.7 and ε 2/255 with symbolic bounds, mixed as its authors coded it.
 *
 * @throws CoppiceError for an unknown option, ε or α outside [0,1], k or `weightSteps` not a whole number of at least
 * 1, a weight of 0 or above 1e6, a growth below 1.
 */
export const mixTrain = (options: Partial<MixTrainOptions> = {}): MixTrain =>
  made(mixTrainKind, 'mixTrain', options)
