/**
 * CROWN-IBP: interval bounds inside the network, one backward pass of linear bounds for the margins, on every image.
 * The bound stays this one to the end: the paper's β, which goes over to interval bounds, is left out.
 * (Zhang et al., "Towards Stable and Efficient Training of Verifiably Robust Neural Networks", 2020)
 */

import { z } from 'zod'
import { boundMethods } from '../../bindings/boundMethods.js'
import { formatPixels } from '../base/numbers.js'
import { strict } from '../base/schemas.js'
import { made, type ObjectiveKind } from './objective.js'
import { type KappaOptions, kappaShape, kappaWeights, onBounds } from './onBounds.js'

export interface CrownIbp extends KappaOptions {
  readonly kind: 'crownIbp'
}

const schema = strict({ kind: z.literal('crownIbp'), ...kappaShape })

export const crownIbpKind: ObjectiveKind<CrownIbp, typeof schema> = {
  schema,
  describe: ({ epsilon, kappa }) => `crownIbp eps ${formatPixels(epsilon)}, kappa ${kappa}`,
  native: ({ epsilon }) => ({ kind: 'verified', epsilon, bound: 'crownIbp', images: 0, gradient: 'full' }),
  // A clean pass with its gradient, and the bounds with theirs: an interval pass costs two forward passes, the backward
  // pass one for each of nine margins.
  work: () => 3 + boundMethods.crownIbp.training,
  gentleStart: onBounds,
  weights: kappaWeights,
}

/**
 * Training on CROWN-IBP bounds: tighter than `ibp` early on, several times its cost. Defaults: ε 2/255, clean weight falling from 1 to κ = 0.5 over the ramp.
 *
 * @throws CoppiceError for an unknown option, ε or κ outside [0,1].
 */
export const crownIbp = (options: Partial<KappaOptions> = {}): CrownIbp =>
  made(crownIbpKind, 'crownIbp', options)
