/** What every objective must offer, and the attack options that the robust ones share. */
import type { z } from 'zod'
import type { NativeAttack, NativeObjective } from '../../bindings/native.js'
import { formatPixels, fractionBetween } from '../numbers.js'
import { choice, integer } from '../schemas.js'

/** Where an attack starts: `uniform` in the ε-box, `gaussian` 0.001·N(0,1), or `none`: at the image. */
export type Start = NativeAttack['start']

/** One kind of objective: how it is read, told and handed to the native loop. */
export interface ObjectiveKind<Kind extends { readonly kind: string }, Schema extends z.ZodType> {
  /** Reads it from a recipe or options, with defaults and limits. */
  schema: Schema
  /** One line for people. */
  describe: (objective: Kind) => string
  native: (objective: Kind) => NativeObjective
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
