/**
 * Projected gradient ascent in the L∞ box around an image: steps along the sign of the gradient, with restarts. Robust
 * objectives share its options. (Madry et al., "Towards Deep Learning Models Resistant to Adversarial Attacks", 2018)
 */

import { z } from 'zod'
import type { NativeAttack } from '../../bindings/native.js'
import { optionsOf } from '../base/arguments.js'
import { LIMITS } from '../base/limits.js'
import { formatPixels, fractionBetween } from '../base/numbers.js'
import { printedAs } from '../base/printed.js'
import { choice, integer, parse, strict } from '../base/schemas.js'
import { type AttackBase, type AttackKind, countsIn } from './kind.js'

/** Where an attack starts: `uniform` in the ε-box, `gaussian` 0.001·N(0,1), or `none`: at the image. */
export type Start = 'uniform' | 'gaussian' | 'none'

/** Options of projected gradient ascent in the L∞ box around an image. */
export interface AttackOptions extends AttackBase {
  /** Half the side of the box, in [0,1] pixels. Default 8/255. */
  readonly epsilon: number
  /** Length of a step per pixel, in [0,1] pixels. Default 2/255. */
  readonly stepSize: number
  /** Default 10. */
  readonly steps: number
  readonly start: Start
}

export interface Pgd extends AttackOptions {
  /** An attack without a kind is this one, and it is stored without: as it was before there were others. */
  readonly kind?: undefined
  /** Attempts from different random starts; a sample is broken if one of them breaks it. */
  readonly restarts: number
}

/** Schemas of `AttackOptions`. */
export const attackShape = (start: Start) => ({
  epsilon: fractionBetween(0, 1).default(8 / 255),
  stepSize: fractionBetween(0, 1)
    .refine((step) => step > 0, {
      error: 'must be greater than 0: an attack that stands still measures nothing',
    })
    .default(2 / 255),
  steps: integer(1, LIMITS.attackSteps).default(10),
  start: choice(['uniform', 'gaussian', 'none']).default(start),
})

const schema = strict({
  kind: z.literal('pgd'),
  ...attackShape('uniform'),
  restarts: integer(1, LIMITS.restarts).default(1),
}).transform(({ kind: _, ...attack }) => attack)

const title = ({ steps, restarts = 1 }: { steps: number; restarts?: number }): string =>
  `PGD-${steps}${restarts > 1 ? `x${restarts}` : ''}`

export const pgdKind: AttackKind<Pgd, typeof schema> = {
  schema,
  parse: countsIn,
  hint: 'pgd10 for 10 steps, or pgd50x10 for 50 steps and 10 restarts',
  // Ten steps reach every corner of the box.
  within: (epsilon) => ({ epsilon, ...(epsilon > 0 && { stepSize: epsilon / 4 }) }),
  name: ({ steps, restarts }) => `pgd${steps}${restarts > 1 ? `x${restarts}` : ''}`,
  title,
  native: (attack) => ({ ...attack, kind: 'pgd' }),
  work: ({ steps, restarts }) => restarts * (2 * steps + 1),
}

/**
 * Projected gradient ascent on the cross-entropy. Defaults are the paper's: ε 8/255, 10 steps of 2/255, one restart,
 * from a uniform start in the ε-box.
 *
 * @throws CoppiceError for an unknown option, ε or step size outside [0,1], a step size of 0, fewer than one step or restart.
 */
export const pgd = (options: Partial<Pgd> = {}): Pgd =>
  Object.freeze(
    printedAs(parse(schema, { ...optionsOf(options, 'pgd'), kind: 'pgd' }, 'pgd'), describeAscent),
  )

/** `PGD-10, eps 8/255, step 2/255`. */
export const describeAscent = (options: AttackOptions): string =>
  `${title(options)}, eps ${formatPixels(options.epsilon)}, step ${formatPixels(options.stepSize)}`

/** The attack of a training step: one start per sample. */
export const nativeAscent = ({ epsilon, stepSize, steps, start }: AttackOptions): NativeAttack =>
  pgdKind.native({ epsilon, stepSize, steps, start, restarts: 1 })
