/** What every objective must offer. */
import type { z } from 'zod'
import type { NativeObjective } from '../../bindings/native.js'

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
