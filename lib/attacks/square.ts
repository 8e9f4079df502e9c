/**
 * Square: a random search that asks for logits alone, so that no gradient can mislead it. (Andriushchenko et al., "Square
 * Attack: a query-efficient black-box adversarial attack via random search", 2020)
 */
import { z } from 'zod'
import { optionsOf } from '../base/arguments.js'
import { LIMITS } from '../base/limits.js'
import { integer, parse, strict } from '../base/schemas.js'
import { type AttackBase, type AttackKind, countsIn, countsOf, epsilonSchema } from './kind.js'

export interface Square extends AttackBase {
  readonly kind: 'square'
  /** Forward passes after the first. Default 5000. */
  readonly queries: number
  /** Default 1. */
  readonly restarts: number
}

const QUERIES = 5000

const schema = strict({
  kind: z.literal('square'),
  epsilon: epsilonSchema,
  queries: integer(1, LIMITS.attackSteps).default(QUERIES),
  restarts: integer(1, LIMITS.restarts).default(1),
})

export const squareKind: AttackKind<Square, typeof schema> = {
  schema,
  parse: (rest) => {
    const said = countsIn(rest)
    if (said === undefined) return undefined
    const { steps, ...others } = said
    return { ...others, ...(steps !== undefined && { queries: steps }) }
  },
  hint: 'square, or square1000 for 1000 queries',
  within: (epsilon) => ({ epsilon }),
  name: ({ queries, restarts }) => `square${countsOf(queries, restarts, QUERIES)}`,
  title: ({ queries, restarts }) => `Square${countsOf(queries, restarts, QUERIES)}`,
  native: (attack) => ({ ...attack }),
  work: ({ queries, restarts }) => restarts * (queries + 1),
}

/**
 * Square, on the margin. An image is let go as soon as it is broken.
 *
 * @throws CoppiceError for an unknown option, ε outside [0,1], fewer than one query or restart.
 */
export const square = (options: Partial<Square> = {}): Square =>
  Object.freeze(parse(schema, { ...optionsOf(options, 'square'), kind: 'square' }, 'square'))
