/** Projected gradient ascent in the L∞ box around an image: the options that attacks and robust objectives share. */
import type { NativeAttack } from '../../bindings/native.js'
import { LIMITS } from '../base/limits.js'
import { formatPixels, fractionBetween } from '../base/numbers.js'
import { choice, integer } from '../base/schemas.js'

/** Where an attack starts: `uniform` in the ε-box, `gaussian` 0.001·N(0,1), or `none`: at the image. */
export type Start = NativeAttack['start']

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
  steps: integer(1, LIMITS.attackSteps).default(10),
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
