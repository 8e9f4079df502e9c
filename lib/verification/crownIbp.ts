/** Interval bounds inside the network, one backward pass of linear bounds for the margins. (Zhang et al., 2020) */
import { z } from 'zod'
import { strict } from '../base/schemas.js'
import { boundShape, type VerifierKind } from './verifier.js'

const schema = strict({ kind: z.literal('crownIbp'), ...boundShape })

export const crownIbpKind: VerifierKind<typeof schema> = { schema, work: () => 11, batchSize: 128 }
