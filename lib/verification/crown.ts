/** Linear bounds at every layer with the lower slope 0 or 1, whichever is tighter. (Zhang et al., 2018) */
import { z } from 'zod'
import { strict } from '../base/schemas.js'
import { boundShape, type VerifierKind } from './verifier.js'

const schema = strict({ kind: z.literal('crown'), ...boundShape })

export const crownKind: VerifierKind<typeof schema> = { schema, work: () => 930, batchSize: 16 }
