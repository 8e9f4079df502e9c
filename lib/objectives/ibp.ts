/**
 * IBP: clean loss and cross-entropy of the worst logits that interval bound propagation allows, on every image.
 * (Gowal et al., "On the Effectiveness of Interval Bound Propagation", 2018)
 */

import { z } from 'zod'
import { boundMethods } from '../../bindings/boundMethods.js'
import { formatPixels } from '../base/numbers.js'
import { strict } from '../base/schemas.js'
import { made, type ObjectiveKind } from './objective.js'
import { type KappaOptions, kappaShape, kappaWeights, onBounds } from './onBounds.js'

export interface Ibp extends KappaOptions {
  readonly kind: 'ibp'
}

const schema = strict({ kind: z.literal('ibp'), ...kappaShape })

export const ibpKind: ObjectiveKind<Ibp, typeof schema> = {
  schema,
  describe: ({ epsilon, kappa }) => `ibp eps ${formatPixels(epsilon)}, kappa ${kappa}`,
  native: ({ epsilon }) => ({ kind: 'verified', epsilon, bound: 'interval', images: 0, gradient: 'full' }),
  // A clean pass with its gradient, and the bounds with theirs: an interval pass costs two forward passes.
  work: () => 3 + boundMethods.interval.training,
  gentleStart: onBounds,
  weights: kappaWeights,
}

/**
 * Training on interval bounds. Defaults: ε 2/255, clean weight falling from 1 to κ = 0.5 over the ramp.
 *
 * @throws CoppiceError for an unknown option, ε or κ outside [0,1].
 */
export const ibp = (options: Partial<KappaOptions> = {}): Ibp => made(ibpKind, 'ibp', options)
