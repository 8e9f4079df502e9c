/** Natural training: the mean cross-entropy on the images as they are. */
import { z } from 'zod'
import { strict } from '../base/schemas.js'
import { made, type ObjectiveKind } from './objective.js'

export interface Natural {
  readonly kind: 'natural'
}

const schema = strict({ kind: z.literal('natural') })

export const naturalKind: ObjectiveKind<Natural, typeof schema> = {
  schema,
  describe: () => 'natural',
  native: () => ({ kind: 'natural' }),
  work: () => 3,
}

/** Mean cross-entropy on the images as they are. */
export const natural = (): Natural => made(naturalKind, 'natural', {})
