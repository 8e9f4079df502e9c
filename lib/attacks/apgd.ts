/**
 * Auto-PGD: ascent with momentum that chooses its step sizes itself. (Croce and Hein, "Reliable evaluation of
 * adversarial robustness with an ensemble of diverse parameter-free attacks", 2020)
 */
import { z } from 'zod'
import { optionsOf } from '../base/arguments.js'
import { LIMITS } from '../base/limits.js'
import { choice, integer, parse, strict } from '../base/schemas.js'
import { type AttackBase, type AttackKind, countsIn, countsOf, epsilonSchema, targetsSchema } from './kind.js'

/**
 * What is maximised: the cross-entropy; the difference of logits ratio (DLR), which the scale of the logits does not
 * change; or its targeted form, once for each of the likeliest other classes.
 */
export type ApgdLoss = 'ce' | 'dlr' | 'targetedDlr'

export interface Apgd extends AttackBase {
  readonly kind: 'apgd'
  /** Default `ce`. */
  readonly loss: ApgdLoss
  /** Default 100. */
  readonly steps: number
  /** Attempts from different random starts, of the targeted loss for each class. Default 1. */
  readonly restarts: number
  /** Of the targeted loss: how many classes are aimed at, the likeliest first. Default 9, or all the others there are. */
  readonly targets: number
}

const STEPS = 100

const schema = strict({
  kind: z.literal('apgd'),
  epsilon: epsilonSchema,
  loss: choice(['ce', 'dlr', 'targetedDlr']).default('ce'),
  steps: integer(1, LIMITS.attackSteps).default(STEPS),
  restarts: integer(1, LIMITS.restarts).default(1),
  targets: targetsSchema,
})

const words: Readonly<Record<ApgdLoss, string>> = { ce: 'ce', dlr: 'dlr', targetedDlr: 't' }

const name = ({ loss, steps, restarts }: Apgd): string =>
  `apgd-${words[loss]}${countsOf(steps, restarts, STEPS)}`

export const apgdKind: AttackKind<Apgd, typeof schema> = {
  schema,
  parse: (rest) => {
    const [, word = 'ce', counts = ''] = /^(?:-?(ce|dlr|t))?(.*)$/.exec(rest) ?? []
    const loss = (Object.keys(words) as ApgdLoss[]).find((key) => words[key] === word)
    const said = countsIn(counts)
    return said && loss && { loss, ...said }
  },
  hint: 'apgd-ce, apgd-dlr or apgd-t (targeted), apgd-ce50x5 for 50 steps and 5 restarts',
  within: (epsilon) => ({ epsilon }),
  name,
  title: (attack) =>
    name(attack)
      .toUpperCase()
      .replace(/X(?=\d+$)/, 'x'),
  native: (attack) => ({ ...attack }),
  work: ({ loss, steps, restarts, targets }) =>
    restarts * (loss === 'targetedDlr' ? targets : 1) * (2 * steps + 3),
}

/**
 * Auto-PGD. An image is let go as soon as it is broken.
 *
 * @throws CoppiceError for an unknown option, ε outside [0,1], fewer than one step, restart or target.
 */
export const apgd = (options: Partial<Apgd> = {}): Apgd =>
  Object.freeze(parse(schema, { ...optionsOf(options, 'apgd'), kind: 'apgd' }, 'apgd'))
