/**
 * From cheap to dear: a short attack answers the images it breaks, each step of bounds those it proves, an attack with
 * restarts what it can of the rest. What is left is unknown.
 */
import { z } from 'zod'
import { type BoundMethod, boundMethodNames } from '../../bindings/boundMethods.js'
import { parseAttack } from '../attacks/attack.js'
import { show } from '../base/numbers.js'
import { choice, strict } from '../base/schemas.js'
import {
  type BoundOptions,
  type BoundVerifier,
  boundShape,
  isOptimised,
  iterationsSchema,
} from './methods.js'

export interface Cascade extends BoundOptions {
  readonly kind: 'cascade'
  /** Methods from cheap to dear. Default symbolic, crown, alphaCrown. */
  readonly steps: readonly BoundMethod[]
  /** Gradient steps for each image, of methods that optimise their bounds. Default 20. */
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
    .array(choice(boundMethodNames), 'expected a list of verifiers')
    .min(1, 'needs at least one verifier')
    .default(['symbolic', 'crown', 'alphaCrown']),
  iterations: iterationsSchema(20),
  quickAttack: attackName.default('pgd10'),
  attack: attackName.default('pgd50x5'),
})

/** The steps of a cascade as verifiers of their own. */
export const cascadeSteps = ({ steps, clip, intersect, memory, iterations }: Cascade): BoundVerifier[] =>
  steps.map((kind) => ({
    kind,
    clip,
    intersect,
    ...(memory !== undefined && { memory }),
    ...(isOptimised(kind) && { iterations }),
  }))
