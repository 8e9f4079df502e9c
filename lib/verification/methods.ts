/** Verifiers by bounds of one method: how they are read, made of the table of methods. */
import { z } from 'zod'
import { type BoundMethod, boundMethodNames, factsOfMethod } from '../../bindings/boundMethods.js'
import { LIMITS } from '../base/limits.js'
import { byteSize } from '../base/numbers.js'
import { integer, strict } from '../base/schemas.js'

/** Options of every verifier. */
export interface BoundOptions {
  /** Whether the box around the image is clipped to [0,1], as images are. Default true. */
  readonly clip: boolean
  /** Keep the tighter of the method's bounds and interval bounds at every node. Default false: the method alone. */
  readonly intersect: boolean
  /**
   * Bytes that bounds may take at once; also written `'2GB'`. Default 512 MiB on the CPU, a quarter of a CUDA device's
   * memory. Does not change what is proved.
   */
  readonly memory?: number
}

/** A way of proving that no image in a box is misclassified: sound bounds of the margins. */
export interface BoundVerifier extends BoundOptions {
  readonly kind: BoundMethod
  /** Of methods that optimise their bounds, such as `alphaCrown`: gradient steps for each image. */
  readonly iterations?: number
}

/** The paper's method: what a verifier is unless another is named, and what the column VRA means. */
export const PAPERS_METHOD = 'symbolic' satisfies BoundMethod

/** Schemas of `BoundOptions`. */
export const boundShape = {
  clip: z.boolean('expected true or false').default(true),
  intersect: z.boolean('expected true or false').default(false),
  memory: byteSize.exactOptional(),
}

/** Whether a method takes gradient steps for each image. */
export const isOptimised = (method: BoundMethod): boolean => factsOfMethod(method).iterations !== undefined

/** The methods that do. */
export const optimisedMethods = boundMethodNames.filter(isOptimised)

/** Schema of the number of gradient steps. */
export const iterationsSchema = (steps: number) => integer(1, LIMITS.iterations).default(steps)

/** Schemas of the verifiers by bounds, by name. */
export const methodSchemas = Object.fromEntries(
  boundMethodNames.map((name) => {
    const { iterations } = factsOfMethod(name)
    const own = iterations === undefined ? {} : { iterations: iterationsSchema(iterations.default) }
    return [name, strict({ kind: z.literal(name), ...boundShape, ...own })]
  }),
) as unknown as Readonly<Record<BoundMethod, z.ZodType<BoundVerifier> & z.core.$ZodTypeDiscriminable>>

/** Estimated cost of verifying one image, in forward passes. */
export const methodWork = ({ kind, iterations: steps = 0 }: BoundVerifier): number => {
  const { work, iterations } = factsOfMethod(kind)
  return work + steps * (iterations?.work ?? 0)
}

/** The methods and what they are, a line each, for help texts. */
export const methodLines: readonly string[] = boundMethodNames.map(
  (name) => `  ${name.padEnd(12)}${factsOfMethod(name).about}`,
)
