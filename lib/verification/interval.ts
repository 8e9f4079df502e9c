/** Interval bound propagation: the cheapest verifier, for networks trained for it. (Gowal et al., 2018) */
import { z } from 'zod'
import { strict } from '../base/schemas.js'
import { boundShape, type VerifierKind } from './verifier.js'

const schema = strict({ kind: z.literal('interval'), ...boundShape })

export const intervalKind: VerifierKind<typeof schema> = { schema, work: () => 2, batchSize: 256 }
