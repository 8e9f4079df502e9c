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

/** How pre-training comes to the full ε of a robust objective. Epochs need not be whole. */
export interface Ramp {
  /** Epochs before the ramp, with the clean loss alone. */
  readonly naturalEpochs: number
  /** Epochs over which ε then grows from 0. */
  readonly rampEpochs: number
  /** ε grows as this power of the part of the ramp that is done. */
  readonly rampPower: number
}

/** ε is full from the first step. */
export const NO_RAMP: Ramp = Object.freeze({ naturalEpochs: 0, rampEpochs: 0, rampPower: 1 })

/** The shortest phase in which each stage of the step schedule lasts an epoch. */
const SHORTEST = 10

/**
 * The step schedule. A phase of fewer than ten epochs, which has no time to settle, keeps its rate, and so does one whose
 * ramp goes on when the rate would fall: with small steps the weights cannot follow ε.
 */
export const defaultSchedule = (
  epochs: number,
  { naturalEpochs, rampEpochs }: Ramp,
): LearningRateSchedule => {
  const settles = epochs >= SHORTEST && naturalEpochs + rampEpochs <= epochs / 2 + TOLERANCE
  return settles ? stepSchedule : { kind: 'constant' }
}

/** Where one step of a phase stands on the way to the full ε. */
export interface RampPlace {
  /** Whether the ramp has not begun. */
  readonly natural: boolean
  /** How much of the ramp is done, from 0, evenly per step, to 1. */
  readonly ramp: number
  /** Fraction of the objective's ε and step size that is in force. */
  readonly epsilon: number
  /** How much of the part of the phase that follows the ramp is done, from 0 up to but not including 1. */
  readonly afterRamp: number
}

/** The place of one step, counted as for the learning rate. */
export const rampPlace = (
  { naturalEpochs, rampEpochs, rampPower }: Ramp,
  epoch: number,
  epochs: number,
  stepInEpoch: number,
  stepsPerEpoch: number,
): RampPlace => {
  const begun = epoch + stepInEpoch / stepsPerEpoch - naturalEpochs
  const ended = begun - rampEpochs
  const ramp = begun < 0 ? 0 : rampEpochs === 0 ? 1 : Math.min(1, begun / rampEpochs)
  return {
    natural: begun < 0,
    ramp,
    epsilon: ramp ** rampPower,
    afterRamp: ended <= 0 ? 0 : ended / (epochs - naturalEpochs - rampEpochs),
  }
}
