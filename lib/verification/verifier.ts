/** What every verifier on bounds must offer, and the options they share. */
import { z } from 'zod'
import { byteSize } from '../base/numbers.js'

/** Options of every verifier. */
export interface BoundOptions {
  /** Whether the box around the image is clipped to [0,1], as images are. Default true. */
  readonly clip: boolean
  /** Keep the tighter of the method's bounds and interval bounds at every node. Default false: the method alone. */
  readonly intersect: boolean
  /** Bytes that bounds may take at once; also written `'2GB'`. Default 512 MiB. Does not change what is proved. */
  readonly memory: number
}

/** One kind of verifier: how it is read, told, and what it costs. */
export interface VerifierKind<Schema extends z.ZodType> {
  schema: Schema
  /** Cost for one image in forward passes: an estimate, as it depends on how many neurons are unstable. */
  work: (options: { iterations?: number }) => number
  /** Images at once on the CPU: enough to keep the cores busy, few enough that results come every now and then. */
  batchSize: number
}

/** Schemas of `BoundOptions`. */
export const boundShape = {
  clip: z.boolean('expected true or false').default(true),
  intersect: z.boolean('expected true or false').default(false),
  memory: byteSize.default(512 * 2 ** 20),
}
