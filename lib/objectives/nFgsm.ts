/**
 * Fast adversarial training from stronger noise: one step of ε from a uniform start in a box of twice that, not projected
 * onto any smaller one. (de Jorge et al., "Make Some Noise: Reliable and Efficient Single-Step Adversarial Training", 2022)
 */

import { z } from 'zod'
import { nativeAscent } from '../attacks/pgd.js'
import { formatPixels, fractionBetween } from '../base/numbers.js'
import { strict } from '../base/schemas.js'
import { made, type ObjectiveKind, underAttack } from './objective.js'

export interface NFgsmOptions {
  /** Length of the step per pixel, and the ε that it trains for, in [0,1] pixels. Default 8/255. */
  readonly epsilon: number
  /** Half the side of the box that the start is drawn from, as a multiple of ε. Default 2. */
  readonly noise: number
}

export interface NFgsm extends NFgsmOptions {
  readonly kind: 'nFgsm'
}

const schema = strict({
  kind: z.literal('nFgsm'),
  epsilon: fractionBetween(0, 1).default(8 / 255),
  noise: fractionBetween(0, 10).default(2),
})

export const nFgsmKind: ObjectiveKind<NFgsm, typeof schema> = {
  schema,
  describe: ({ epsilon, noise }) => `n-fgsm, eps ${formatPixels(epsilon)}, noise ${noise} eps`,
  native: ({ epsilon, noise }) => ({
    kind: 'adversarial',
    attack: {
      ...nativeAscent({
        // What noise and step together reach: the projection onto it changes nothing.
        epsilon: Math.min(1, (1 + noise) * epsilon),
        stepSize: epsilon,
        steps: 1,
        start: 'uniform',
      }),
      noise: Math.min(1, noise * epsilon),
    },
  }),
  work: () => 6,
  gentleStart: underAttack,
}

/**
 * Cross-entropy on images after uniform noise of twice ε and one step of ε, clipped to [0,1] alone.
 *
 * @throws CoppiceError for an unknown option, ε outside [0,1], a noise outside [0,10].
 */
export const nFgsm = (options: Partial<NFgsmOptions> = {}): NFgsm => made(nFgsmKind, 'nFgsm', options)
