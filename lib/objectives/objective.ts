/** What every objective must offer. */
import type { z } from 'zod'
import type { NativeObjective } from '../../bindings/native.js'
import { optionsOf } from '../base/arguments.js'
import { printedAs } from '../base/printed.js'
import { parse } from '../base/schemas.js'

/** A step of a phase, as far as an objective's schedules depend on it. */
export interface PhaseStep {
  readonly seed: number
  /** Both counted from 0; the step within its epoch. */
  readonly epoch: number
  readonly step: number
  /** How much of the ramp is done, from 0 to 1. While fine-tuning 1 throughout. */
  readonly ramp: number
  /** How much of the phase after the ramp is done, from 0 to 1. While fine-tuning 1 throughout. */
  readonly afterRamp: number
}

/** Weights of the clean and of the robust loss in one step. */
export interface LossWeights {
  readonly clean: number
  readonly robust: number
}

/** A part of pre-training that takes at least so many steps, though never more than the part `most`. */
export interface Stretch {
  readonly part: number
  readonly steps: number
  readonly most: number
}

/** How pre-training comes to the full ε unless it is told otherwise. */
export interface GentleStart {
  /** Trains with the clean loss alone. */
  readonly natural: Stretch
  /** Then lets ε grow, as the power `power` of what is done of it. */
  readonly ramp: Stretch
  readonly power: number
  /** Whether networks with batch norm need it too. */
  readonly withBatchNorm: boolean
}

/**
 * Of objectives with an attack. Without batch norm the full ε from the first step ends at chance, and one that grows
 * while nothing is learned yet does so for some seeds.
 */
export const underAttack: GentleStart = {
  natural: { part: 0, steps: 50, most: 1 / 4 },
  ramp: { part: 1 / 4, steps: 100, most: 1 / 2 },
  power: 1,
  withBatchNorm: false,
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
  /** Default: ε is full from the first step. */
  gentleStart?: GentleStart
  /** Of objectives on bounds: the weights of a step, from what is given and nothing else, so that it can be resumed. */
  weights?: (objective: Kind, step: PhaseStep) => LossWeights
}

/**
 * An immutable objective of a kind, which prints as one line.
 *
 * @throws CoppiceError whose message starts with the kind's name
 */
export const made = <Kind extends { readonly kind: string }, Schema extends z.ZodType<Kind>>(
  { schema, describe }: ObjectiveKind<Kind, Schema>,
  kind: Kind['kind'],
  options: object,
): Kind =>
  Object.freeze(
    printedAs(parse(schema, { ...optionsOf(options, kind), kind }, kind) as Kind, (value) => describe(value)),
  )
