/** What every objective must offer, and the attack options that the robust ones share. */
import type { z } from 'zod'
import type { NativeAttack, NativeObjective } from '../../bindings/native.js'
import { formatPixels, fractionBetween } from '../numbers.js'
import { choice, integer } from '../schemas.js'

/** Where an attack starts: `uniform` in the ε-box, `gaussian` 0.001·N(0,1), or `none`: at the image. */
export type Start = NativeAttack['start']

/** A step of a phase, as far as an objective's schedules depend on it. */
export interface PhaseStep {
  readonly seed: number
  /** Both counted from 0; the step within its epoch. */
  readonly epoch: number
  readonly step: number
  /** Fraction of ε in force. While fine-tuning 1 throughout. */
  readonly ramp: number
  /** How much of the phase after the ramp is done, from 0 to 1. While fine-tuning 1 throughout. */
  readonly afterRamp: number
}

/** Weights of the clean and of the robust loss in one step. */
export interface LossWeights {
  readonly clean: number
  readonly robust: number
}

/** One kind of objective: how it is read, told and handed to the native loop. */
export interface ObjectiveKind<Kind extends { readonly kind: string }, Schema extends z.ZodType> {
  /** Reads it from a recipe or options, with defaults and limits. */
  schema: Schema
  /** One line for people. */
  describe: (objective: Kind) => string
  native: (objective: Kind) => NativeObjective
  /** Cost of training on one image: forward passes 1, backward passes to the weights 2, to the pixels 1. */
  work: (objective: Kind) => number
  /** Pre-training's default ramp, as a fraction of its epochs. Default 0: none. */
  ramp?: number
  /** Of objectives on bounds: the weights of a step, from what is given and nothing else, so that it can be resumed. */
  weights?: (objective: Kind, step: PhaseStep) => LossWeights
}

/** Options of projected gradient ascent in the L∞ box around an image. */
export interface AttackOptions {
  /** Half the side of the box, in [0,1] pixels. Default 8/255. */
  readonly epsilon: number
  /** Length of a step per pixel, in [0,1] pixels. Default 2/255. */
  readonly stepSize: number
  /** Default 10. */
  readonly steps: number
  readonly start: Start
}

/** Schemas of `AttackOptions`. */
export const attackShape = (start: Start) => ({
  epsilon: fractionBetween(0, 1).default(8 / 255),
  stepSize: fractionBetween(0, 1)
    .refine((step) => step > 0, {
      error: 'must be greater than 0: an attack that stands still measures nothing',
    })
    .default(2 / 255),
  steps: integer(1).default(10),
  start: choice(['uniform', 'gaussian', 'none']).default(start),
})

/** `PGD-10, eps 8/255, step 2/255`. */
export const describeAttack = ({ epsilon, stepSize, steps }: AttackOptions): string =>
  `PGD-${steps}, eps ${formatPixels(epsilon)}, step ${formatPixels(stepSize)}`

/** The attack of a training step: one start per sample. */
export const nativeAttack = ({ epsilon, stepSize, steps, start }: AttackOptions): NativeAttack => ({
  epsilon,
  stepSize,
  steps,
  start,
  restarts: 1,
})
