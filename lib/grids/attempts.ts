/** What the latest attempt at a task came to, as its process wrote it: `states/NAME.json`. */
import { z } from 'zod'
import { writeJson } from '../files/json.js'
import { isMissing } from '../files/read.js'
import { readFileAs } from '../runs/parseFile.js'
import { stateFile } from './folder.js'
import type { Plan } from './plan.js'

export interface Attempt {
  /** `running` of a process that is gone: it ended without a word. */
  readonly state: 'running' | 'done' | 'failed' | 'stopped'
  /** When that was, in ISO 8601. */
  readonly time: string
  /** Fraction of the task's work that is done. */
  readonly fraction: number
  /** Where: `host, process 123`. */
  readonly where: string
  /** Why it failed or stopped, in one line. */
  readonly reason?: string
}

const attemptSchema: z.ZodType<Attempt> = z.looseObject({
  state: z.enum(['running', 'done', 'failed', 'stopped']),
  time: z.string(),
  fraction: z.number(),
  where: z.string(),
  reason: z.exactOptional(z.string()),
})

export const writeAttempt = (
  grid: Pick<Plan, 'folder'>,
  task: string,
  attempt: Omit<Attempt, 'time'>,
): Promise<void> => writeJson(stateFile(grid, task), { ...attempt, time: new Date().toISOString() })

/** The latest attempt at a task; undefined where there was none. */
export async function readAttempt(grid: Pick<Plan, 'folder'>, task: string): Promise<Attempt | undefined> {
  try {
    return await readFileAs(stateFile(grid, task), attemptSchema)
  } catch (error) {
    if (isMissing(error)) return undefined
    throw error
  }
}
