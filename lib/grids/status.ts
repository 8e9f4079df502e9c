/**
 * What became of a grid's tasks, from its folder and, where it was submitted, from the scheduler's queue. Whoever asks
 * need not have launched it, and a scheduler that has forgotten a job takes nothing away.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { lockHolder } from '../files/lock.js'
import { readEnd } from '../files/read.js'
import { resultPath } from '../runs/run.js'
import { type Attempt, readAttempt } from './attempts.js'
import { type GridFolder, logFile, runFolder } from './folder.js'
import type { Task } from './plan.js'
import { type Queued, queuedTasks } from './slurm/queue.js'
import { type GridStatus, type TaskState, type TaskStatus, taskStates } from './states.js'

/** What the process that is the pool of a grid holds. */
export const poolLock = (grid: GridFolder): string => join(grid.folder, 'local.lock')

export interface StatusOptions {
  /** `false` leaves out what a pool on this machine is about to do: for the one that asks. Default true. */
  pool?: boolean
  /** The names of the tasks to tell of; default all. */
  only?: ReadonlySet<string> | undefined
}

export async function statusOf(
  grid: GridFolder,
  { pool = true, only }: StatusOptions = {},
): Promise<GridStatus> {
  const { queued, note } = await queuedTasks(grid)
  const pooled = pool && (await lockHolder(poolLock(grid))) !== undefined
  const seen = new Map<string, TaskStatus>()
  for (const task of grid.tasks)
    seen.set(task.name, await taskStatus(grid, task, queued.get(task.name), pooled))
  const tasks = grid.tasks.map((task) => {
    const own = seen.get(task.name) as TaskStatus
    const before = task.pretrained === undefined ? undefined : seen.get(task.pretrained)
    if (before?.state !== 'failed' || own.state === 'done' || own.state === 'failed') return own
    return { ...own, state: 'blocked', reason: `${before.name} failed` } as const
  })
  const told = tasks.filter((task) => only?.has(task.name) ?? true)
  const counts = Object.fromEntries(taskStates.map((state) => [state, 0])) as Record<TaskState, number>
  for (const { state } of told) counts[state]++
  const { name, folder } = grid
  return { name, folder, tasks: told, counts, notes: note === undefined ? [] : [note] }
}

const taskStatus = async (
  grid: GridFolder,
  { name }: Task,
  queued: Queued | undefined,
  pooled: boolean,
): Promise<TaskStatus> => {
  if (existsSync(resultPath(runFolder(grid, name)))) return { name, state: 'done', fraction: 1 }
  const attempt = await readAttempt(grid, name)
  const fraction = attempt?.fraction ?? 0
  const path = logFile(grid, name)
  const log = existsSync(path) ? { log: path } : {}
  if (queued !== undefined) return { name, ...queued, fraction, ...log }
  const state = stateOf(attempt, pooled)
  const silent = attempt?.state === 'running' && state === 'stopped'
  const why = silent ? `ended without a word (${attempt.where})` : attempt?.reason
  const reason = state === 'failed' || silent ? ((await lastLine(path)) ?? why) : why
  return { name, state, fraction, ...(reason !== undefined && { reason }), ...log }
}

const stateOf = (attempt: Attempt | undefined, pooled: boolean): TaskState => {
  if (attempt?.state === 'failed') return 'failed'
  if (!pooled) return 'stopped'
  return attempt?.state === 'running' ? 'running' : 'waiting'
}

/** Bytes at the end of a log among which its last line is looked for. */
const END = 4096

/** The last line of a log that says anything. */
const lastLine = async (path: string): Promise<string | undefined> => {
  const text = await readEnd(path, END).catch(() => '')
  const lines = text.split(/[\r\n]+/).map((line) => line.replace(/\p{Cc}+/gu, ' ').trim())
  return lines.findLast((line) => line !== '')
}
