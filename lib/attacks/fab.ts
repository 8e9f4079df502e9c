/**
 * Targeted FAB: walks along the boundary to the nearest image that the network takes for another class. (Croce and Hein,
 * "Minimally distorted adversarial examples with a fast adaptive boundary attack", 2020)
 */
import { z } from 'zod'
import { optionsOf } from '../base/arguments.js'
import { LIMITS } from '../base/limits.js'
import { integer, parse, strict } from '../base/schemas.js'
import { type AttackBase, type AttackKind, countsIn, countsOf, epsilonSchema, targetsSchema } from './kind.js'

export interface Fab extends AttackBase {
  readonly kind: 'fab'
  /** Default 100. */
  readonly steps: number
  /** Attempts for each class; all but the first start at random in half of the box. Default 1. */
  readonly restarts: number
  /** How many classes are aimed at, the likeliest first. Default 9, or all the others there are. */
  readonly targets: number
}

const STEPS = 100

const schema = strict({
  kind: z.literal('fab'),
  epsilon: epsilonSchema,
  steps: integer(1, LIMITS.attackSteps).default(STEPS),
  restarts: integer(1, LIMITS.restarts).default(1),
  targets: targetsSchema,
})

export const fabKind: AttackKind<Fab, typeof schema> = {
  schema,
  parse: (rest) => countsIn(rest.replace(/^-?t/, '')),
  hint: 'fab-t',
  within: (epsilon) => ({ epsilon }),
  name: ({ steps, restarts }) => `fab-t${countsOf(steps, restarts, STEPS)}`,
  title: ({ steps, restarts }) => `FAB-T${countsOf(steps, restarts, STEPS)}`,
  native: (attack) => ({ ...attack }),
  work: ({ steps, restarts, targets }) => restarts * targets * (3 * steps + 1),
}

/**
 * Targeted FAB. It looks for the nearest image of another class, and is done with an image once that is within ε.
 *
 * @throws CoppiceError for an unknown option, ε outside [0,1], fewer than one step, restart or target.
 */
export const fab = (options: Partial<Fab> = {}): Fab =>
  Object.freeze(parse(schema, { ...optionsOf(options, 'fab'), kind: 'fab' }, 'fab'))
