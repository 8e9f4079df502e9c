/**
 * TRADES: cross-entropy on the images plus β times the Kullback–Leibler divergence between the predictions on them
 * and on adversarial examples, which maximise that divergence. (Zhang et al., 2019)
 */

import { z } from 'zod'
import { type AttackOptions, attackShape, describeAscent, nativeAscent } from '../attacks/pgd.js'
import { LIMITS } from '../base/limits.js'
import { fractionBetween } from '../base/numbers.js'
import { strict } from '../base/schemas.js'
import { made, type ObjectiveKind, underAttack } from './objective.js'

export interface TradesOptions extends AttackOptions {
  /** Weight of the divergence; default 6. */
  readonly beta: number
}

export interface Trades extends TradesOptions {
  readonly kind: 'trades'
}

const schema = strict({
  kind: z.literal('trades'),
  ...attackShape('gaussian'),
  beta: fractionBetween(0, LIMITS.lossWeight).default(6),
})

export const tradesKind: ObjectiveKind<Trades, typeof schema> = {
  schema,
  describe: (objective) => `trades ${describeAscent(objective)}, beta ${objective.beta}`,
  native: (objective) => ({ kind: 'trades', attack: nativeAscent(objective), beta: objective.beta }),
  work: ({ steps }) => 2 * steps + 7,
  gentleStart: underAttack,
}

/**
 * The TRADES loss. Defaults: ε 8/255, ten steps of 2/255 from a Gaussian start of 0.001, β 6.
 *
 * @throws CoppiceError for an unknown option, ε or step size outside [0,1], a step size of 0, fewer than one step, a negative β.
 */
export const trades = (options: Partial<TradesOptions> = {}): Trades => made(tradesKind, 'trades', options)
