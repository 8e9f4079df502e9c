/**
 * What objectives on bounds share: ε, and of those that bound every image the loss κ·clean + (1−κ)·robust, where κ
 * falls from 1 to its final value as ε grows. (Gowal et al., 2018; Zhang et al., 2020)
 */
import { fractionBetween } from '../base/numbers.js'
import type { GentleStart, LossWeights, PhaseStep } from './objective.js'

export interface KappaOptions {
  /** Half the side of the box around an image, clipped to [0,1], in [0,1] pixels. Default 2/255. */
  readonly epsilon: number
  /** Weight of the clean loss once ε is full; default 0.5. */
  readonly kappa: number
}

/** Half the side of the box that is bounded: the paper's verified setting. */
export const boundedEpsilon = fractionBetween(0, 1).default(2 / 255)

/**
 * Bounds of a network that was not trained for them grow many million times wider from pixels to logits: even a
 * thousandth of ε drowns the images, and training forgets them. So it starts naturally, and ε grows as the fourth power
 * of the time, which multiplies it by little at each step, beginning far below what would be felt. (The start of the
 * smoothed schedule of Xu et al., "Automatic Perturbation Analysis for Scalable Certified Robustness and Beyond", 2020)
 * What the weights need to follow is steps: a ramp of a hundred ends at chance where one of two hundred does not.
 */
export const onBounds: GentleStart = {
  natural: { part: 1 / 10, steps: 50, most: 1 / 8 },
  ramp: { part: 2 / 5, steps: 250, most: 5 / 8 },
  power: 4,
  withBatchNorm: true,
}

/** Schemas of `KappaOptions`. */
export const kappaShape = { epsilon: boundedEpsilon, kappa: fractionBetween(0, 1).default(0.5) }

/** The two weights sum to 1; with ε still 0 the robust loss would be the clean one, and is left out. */
export const kappaWeights = ({ kappa }: KappaOptions, { ramp }: PhaseStep): LossWeights => {
  const robust = (1 - kappa) * ramp
  return { clean: 1 - robust, robust }
}
