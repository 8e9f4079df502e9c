/** Events of a run: what each kind holds, so that a line of metrics.ndjson is one or is damaged. */
import { z } from 'zod'
import { rowSchema } from './result.js'

/** An event of a run: what happened, when, and its figures. */
export interface RunEvent {
  event: string
  [key: string]: unknown
}

const eventSchema = z.looseObject({ event: z.string() })

const number = z.number()
const text = z.string()

/** The kinds that Coppice writes; of others, of a later version, nothing is asked. */
const kinds: Readonly<Record<string, z.ZodType>> = {
  start: z.looseObject({ identity: text, network: text }),
  pretrained: z.looseObject({ from: text }),
  epoch: z.looseObject({ epoch: z.int(), loss: number, accuracy: number, learningRate: number }),
  step: z.looseObject({
    branch: text,
    step: z.int(),
    steps: z.int(),
    sparsity: number,
    loss: number.optional(),
    accuracy: number.optional(),
  }),
  evaluation: rowSchema,
  mismatch: z.looseObject({ branch: text, trained: text, fineTuned: text }),
  warning: z.looseObject({ message: text }),
  resume: z.looseObject({ changes: z.array(text) }),
  finish: z.looseObject({ seconds: number }),
}

/** The event that a value is; undefined where it is none. */
export const eventOf = (value: unknown): RunEvent | undefined => {
  const event = eventSchema.safeParse(value)
  if (!event.success) return undefined
  const kind = Object.hasOwn(kinds, event.data.event) ? kinds[event.data.event] : undefined
  return kind === undefined || kind.safeParse(value).success ? event.data : undefined
}
