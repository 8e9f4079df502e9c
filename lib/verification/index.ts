/** Verifiers: how verified robust accuracy is proved. Plain descriptions that native/bounds carries out. */
import type { z } from 'zod'
import { boundMethodNames, factsOfMethod } from '../../bindings/boundMethods.js'
import type { Device } from '../../bindings/native.js'
import { printedAs } from '../base/printed.js'
import { parse, shorthand, variantsOf } from '../base/schemas.js'
import { type Cascade, cascadeSchema, cascadeSteps } from './cascade.js'
import { type BoundVerifier, isOptimised, methodSchemas, methodWork } from './methods.js'

export type { Cascade } from './cascade.js'
export {
  type BoundOptions,
  type BoundVerifier,
  methodLines,
  optimisedMethods,
  PAPERS_METHOD,
} from './methods.js'

/** How a network is verified: by one method of bounds, or by a cascade of them with attacks. */
export type Verifier = BoundVerifier | Cascade

/** Known verifiers, from cheap to dear, the cascade last. */
export const verifierNames: readonly Verifier['kind'][] = [...boundMethodNames, 'cascade']

/** Schema of a verifier: `symbolic`, or `{ kind: alphaCrown, iterations: 50 }`. */
export const verifierSchema: z.ZodType<Verifier> = shorthand(
  variantsOf('kind', { ...methodSchemas, cascade: cascadeSchema }),
).transform((value) => printedAs(value, describeVerifier))

/** Any options of any verifier, and its `kind`. */
export type VerifierOptions = { readonly kind: Verifier['kind'] } & Partial<
  Omit<BoundVerifier, 'kind' | 'memory'> & Omit<Cascade, 'kind' | 'memory'>
> & { readonly memory?: number | string }

/**
 * A verifier by name, or with options. Where it is given as an option elsewhere, both forms can be written directly.
 *
 * `interval`, `crownIbp`, `symbolic` (the paper's, which the column VRA means), `crown` and `alphaCrown` prove by bounds
 * of one method; `cascade` goes from cheap to dear, with attacks that answer the images they break.
 *
 * @throws CoppiceError for an unknown name or option, or a memory of 0.
 */
export const verifier = (choice: Verifier['kind'] | VerifierOptions): Verifier =>
  Object.freeze(parse(verifierSchema, choice, 'verifier'))

/** One line for people: `symbolic`, `alphaCrown with 20 iterations, box not clipped`. */
export const describeVerifier = (verifier: Verifier): string => {
  const chosen = parse(verifierSchema, verifier, 'verifier')
  return [
    chosen.kind === 'cascade' ? `cascade (${chosen.steps.join(' → ')})` : chosen.kind,
    ...(stepsOf(chosen).some(({ kind }) => isOptimised(kind)) ? [`${chosen.iterations} iterations`] : []),
    ...(chosen.intersect ? ['intersected with interval bounds'] : []),
    ...(chosen.clip ? [] : ['box not clipped to [0,1]']),
  ].join(', ')
}

/** The methods of bounds that a verifier tries, in order. */
export const stepsOf = (chosen: Verifier): BoundVerifier[] =>
  chosen.kind === 'cascade' ? cascadeSteps(chosen) : [chosen]

/** Estimated cost of verifying one image, in forward passes. */
export const verificationWork = (chosen: Verifier): number =>
  stepsOf(chosen).reduce((sum, step) => sum + methodWork(step), 0)

/** Images that are verified at once unless the user says otherwise; a GPU takes and needs more. */
export const defaultBatchSize = (chosen: Verifier, device: Device): number =>
  (device === 'cpu' ? 1 : 16) * Math.min(...stepsOf(chosen).map(({ kind }) => factsOfMethod(kind).batchSize))
