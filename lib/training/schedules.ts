/** What changes over a training phase as a pure function of progress: the learning rate, the ramp of ε, and what follows it. */
import { z } from 'zod'
import { LIMITS } from '../base/limits.js'
import { fractionBetween } from '../base/numbers.js'
import { listOf, positiveUpTo, shorthand, strict, variants } from '../base/schemas.js'

export type LearningRateSchedule =
  /** Times `factor` after each of these fractions of the epochs. */
  | { readonly kind: 'steps'; readonly at: readonly number[]; readonly factor: number }
  /** Half a cosine from the full rate to 0. */
  | { readonly kind: 'cosine' }
  | { readonly kind: 'constant' }

/** The paper's schedule: ×0.1 after 50, 75 and 90 % of the epochs. */
export const stepSchedule: LearningRateSchedule = Object.freeze({
  kind: 'steps',
  at: Object.freeze([0.5, 0.75, 0.9]),
  factor: 0.1,
})

/** Schema of a learning-rate schedule: `cosine`, or `{ kind: steps, at: [0.5, 0.75], factor: 0.1 }`. */
export const scheduleSchema = shorthand(
  variants('kind', [
    strict({
      kind: z.literal('steps'),
      at: listOf(fractionBetween(0, 1), 'expected a list of fractions of the epochs').default([
        0.5, 0.75, 0.9,
      ]),
      factor: positiveUpTo(LIMITS.learningRate).default(0.1),
    }),
    strict({ kind: z.literal('cosine') }),
    strict({ kind: z.literal('constant') }),
  ]),
)

/** Rounding in the progress must not shift a step of the schedule by one batch. */
const TOLERANCE = 1e-9

/**
 * Factor on the learning rate at one step of a phase.
 *
 * @param epoch counted from 0, of `epochs` in the phase.
 * @param stepInEpoch counted from 0, of `stepsPerEpoch`.
 */
export const learningRateFactor = (
  schedule: LearningRateSchedule,
  epoch: number,
  epochs: number,
  stepInEpoch: number,
  stepsPerEpoch: number,
): number => {
  const progress = (epoch + stepInEpoch / stepsPerEpoch) / epochs
  switch (schedule.kind) {
    case 'steps':
      return schedule.factor ** schedule.at.filter((at) => progress >= at - TOLERANCE).length
    case 'cosine':
      return 0.5 * (1 + Math.cos(Math.PI * progress))
    case 'constant':
      return 1
  }
}

/**
 * Fraction of an objective's ε and step size that is in force at one step: from 0, linear per step, to 1 after
 * `rampEpochs` epochs (which need not be whole); 1 throughout if `rampEpochs` is 0.
 */
export const rampFactor = (
  rampEpochs: number,
  epoch: number,
  stepInEpoch: number,
  stepsPerEpoch: number,
): number => (rampEpochs === 0 ? 1 : Math.min(1, (epoch + stepInEpoch / stepsPerEpoch) / rampEpochs))

/** How much of the part of a phase that follows the ramp is done, from 0 up to but not including 1. */
export const afterRampFactor = (
  rampEpochs: number,
  epoch: number,
  epochs: number,
  stepInEpoch: number,
  stepsPerEpoch: number,
): number => {
  const done = epoch + stepInEpoch / stepsPerEpoch - rampEpochs
  return done <= 0 ? 0 : done / (epochs - rampEpochs)
}
