/** CROWN whose lower slopes, in the margins' pass, are optimised by gradient for each image. (Xu et al., 2021) */
import { z } from 'zod'
import { LIMITS } from '../base/limits.js'
import { integer, strict } from '../base/schemas.js'
import { boundShape, type VerifierKind } from './verifier.js'

export const iterationsSchema = integer(1, LIMITS.iterations).default(20)

const schema = strict({ kind: z.literal('alphaCrown'), ...boundShape, iterations: iterationsSchema })

export const alphaCrownKind: VerifierKind<typeof schema> = {
  schema,
  work: ({ iterations = 0 }) => 930 + 30 * iterations,
  batchSize: 8,
}
