/**
 * Fast adversarial training: the mean cross-entropy on images that a single step has moved from a random start. Three
 * times as fast as ten steps, for pre-training. (Wong, Rice and Kolter, "Fast is better than free", 2020)
 */

import { z } from 'zod'
import { nativeAscent } from '../attacks/pgd.js'
import { formatPixels, fractionBetween } from '../base/numbers.js'
import { strict } from '../base/schemas.js'
import { made, type ObjectiveKind, underAttack } from './objective.js'

export interface FgsmOptions {
  /** Half the side of the box around an image, in [0,1] pixels. Default 8/255. */
  readonly epsilon: number
  /** Length of the step per pixel, as a multiple of ε. Default 1.25. */
  readonly length: number
}

export interface Fgsm extends FgsmOptions {
  readonly kind: 'fgsm'
}

const schema = strict({
  kind: z.literal('fgsm'),
  epsilon: fractionBetween(0, 1).default(8 / 255),
  length: fractionBetween(0, 10).default(1.25),
})

/** A step that would leave the pixels' range whatever it starts from is as good as one of their whole range. */
const within = (pixels: number): number => Math.min(1, pixels)

export const fgsmKind: ObjectiveKind<Fgsm, typeof schema> = {
  schema,
  describe: ({ epsilon, length }) => `fgsm, eps ${formatPixels(epsilon)}, step ${length} eps`,
  native: ({ epsilon, length }) => ({
    kind: 'adversarial',
    attack: nativeAscent({ epsilon, stepSize: within(length * epsilon), steps: 1, start: 'uniform' }),
  }),
  work: () => 6,
  gentleStart: underAttack,
}

/**
 * Cross-entropy on images after one step of 1.25 ε from a uniform start, projected onto the ε-box. It can fail all at once
 * in long trainings ("catastrophic overfitting": robust to this step and to nothing else); `nFgsm` does so later.
 *
 * @throws CoppiceError for an unknown option, ε outside [0,1], a length outside [0,10].
 */
export const fgsm = (options: Partial<FgsmOptions> = {}): Fgsm => made(fgsmKind, 'fgsm', options)
