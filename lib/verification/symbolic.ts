/**
 * Symbolic intervals, the paper's verifier: linear bounds with both slopes u/(u−l) at every layer. (Wang et al., 2018;
 * equal to Fast-Lin, DeepZ and the dual of Wong and Kolter)
 */
import { z } from 'zod'
import { strict } from '../base/schemas.js'
import { boundShape, type VerifierKind } from './verifier.js'

const schema = strict({ kind: z.literal('symbolic'), ...boundShape })

export const symbolicKind: VerifierKind<typeof schema> = { schema, work: () => 470, batchSize: 16 }
