/** A grid's tasks in Slurm's queue. `squeue` is all that is asked: accounting need not be there. */
import { userInfo } from 'node:os'
import { CoppiceError } from '../../base/errors.js'
import type { GridFolder } from '../folder.js'
import { slurm } from './commands.js'
import { partNumbers, partOfJob, readPart } from './parts.js'

/** A task that the scheduler has. */
export interface Queued {
  readonly state: 'running' | 'waiting'
  /** As Slurm's commands name it: `123_4`. */
  readonly job: string
  /** Why it waits, where that is not just its turn. */
  readonly reason?: string
}

export interface Queue {
  readonly queued: ReadonlyMap<string, Queued>
  /** Why the scheduler could not be asked. */
  readonly note?: string
}

/** States of Slurm in which a task is under way, and what they are here; in all others it is over. */
const STATES: Readonly<Record<string, Queued['state']>> = {
  PENDING: 'waiting',
  REQUEUED: 'waiting',
  REQUEUE_FED: 'waiting',
  REQUEUE_HOLD: 'waiting',
  RESV_DEL_HOLD: 'waiting',
  SPECIAL_EXIT: 'waiting',
  CONFIGURING: 'running',
  RUNNING: 'running',
  COMPLETING: 'running',
  RESIZING: 'running',
  SIGNALING: 'running',
  STAGE_OUT: 'running',
  STOPPED: 'running',
  SUSPENDED: 'running',
}

/** Reasons that need not be told. */
const ORDINARY = new Set(['None', 'Priority', 'Resources', 'Dependency', 'JobArrayTaskLimit', 'BeginTime'])

/** The tasks of a grid that are in the queue; a scheduler that does not answer is a note, no error. */
export async function queuedTasks(grid: GridFolder): Promise<Queue> {
  try {
    return { queued: await readQueue(grid) }
  } catch (error) {
    if (!(error instanceof CoppiceError && error.code === 'ERR_DEVICE')) throw error
    return { queued: new Map(), note: error.message }
  }
}

/** Cancels whatever of a grid is in the queue. @throws CoppiceError where the scheduler refuses */
export async function cancelJobs(grid: GridFolder): Promise<void> {
  const arrays = new Set((await jobsOf(grid)).map(({ job }) => job.split('_')[0] ?? job))
  await cancelArrays([...arrays])
}

/** Arguments that a command line has room for, many times over. */
const MANY = 500

export async function cancelArrays(ids: readonly string[]): Promise<void> {
  for (let start = 0; start < ids.length; start += MANY) {
    await slurm('scancel', ids.slice(start, start + MANY))
  }
}

const readQueue = async (grid: GridFolder): Promise<Map<string, Queued>> => {
  const queued = new Map<string, Queued>()
  const parts = new Map<number, readonly string[]>()
  for (const { part, index, job, state, reason } of await jobsOf(grid)) {
    const known = STATES[state]
    if (known === undefined) continue
    const tasks = parts.get(part) ?? (await readPart(grid, part)).tasks
    parts.set(part, tasks)
    const name = tasks[index]
    if (name === undefined) continue
    const told = known === 'waiting' && !ORDINARY.has(reason)
    queued.set(name, { state: known, job, ...(told && { reason }) })
  }
  return queued
}

interface Job {
  part: number
  index: number
  job: string
  state: string
  reason: string
}

/** One line of the queue for each task of an array; a grid that was never submitted asks nobody. */
const jobsOf = async (grid: GridFolder): Promise<Job[]> => {
  if ((await partNumbers(grid)).length === 0) return []
  const lines = await slurm('squeue', [
    ...['--noheader', '--array', `--user=${userInfo().uid}`],
    '--format=%j|%i|%T|%r',
  ])
  return lines.split('\n').flatMap((line) => {
    const [name = '', job = '', state = '', reason = ''] = line.trim().split('|')
    const part = partOfJob(grid, name)
    const index = /_(\d+)$/.exec(job)?.[1]
    return part === undefined || index === undefined
      ? []
      : [{ part, index: Number(index), job, state, reason }]
  })
}
