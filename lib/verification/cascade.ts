/**
 * From cheap to dear: a short attack answers the images it breaks, each step of bounds those it proves, an attack with
 * restarts what it can of the rest. What is left is unknown.
 */
import { z } from 'zod'
import { parseAttack } from '../attacks/attack.js'
import { show } from '../base/numbers.js'
import { choice, strict } from '../base/schemas.js'
import { iterationsSchema } from './alphaCrown.js'
import { type BoundMethod, type BoundVerifier, methodNames } from './methods.js'
import { type BoundOptions, boundShape } from './verifier.js'

export interface Cascade extends BoundOptions {
  readonly kind: 'cascade'
  /** Methods from cheap to dear. Default symbolic, crown, alphaCrown. */
  readonly steps: readonly BoundMethod[]
  /** Gradient steps of `alphaCrown` for each image. Default 20. */
  readonly iterations: number
  /** Attack before the bounds; its steps are ε/4 long. Default `pgd10`; `none` for none. */
  readonly quickAttack: string
  /** Attack on what is not proved. Default `pgd50x5`; `none` for none. */
  readonly attack: string
}

const attackName = z.unknown().transform((value, context): string => {
  try {
    if (typeof value === 'string' && (value === 'none' || parseAttack(value) !== undefined)) return value
  } catch (error) {
    context.addIssue({ code: 'custom', message: (error as Error).message })
    return z.NEVER
  }
  context.addIssue({ code: 'custom', message: `expected an attack such as pgd50x5, received ${show(value)}` })
  return z.NEVER
})

export const cascadeSchema = strict({
  kind: z.literal('cascade'),
  ...boundShape,
  steps: z
    .array(choice(methodNames), 'expected a list of verifiers')
    .min(1, 'needs at least one verifier')
    .default(['symbolic', 'crown', 'alphaCrown']),
  iterations: iterationsSchema,
  quickAttack: attackName.default('pgd10'),
  attack: attackName.default('pgd50x5'),
})

/** The steps of a cascade as verifiers of their own. */
export const cascadeSteps = ({ steps, clip, intersect, memory, iterations }: Cascade): BoundVerifier[] =>
  steps.map((kind) => ({
    kind,
    clip,
    intersect,
    memory,
    ...(kind === 'alphaCrown' && { iterations }),
  }))
