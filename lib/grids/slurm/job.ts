/** A task from inside its job: which it is, how many CPUs it was given, and how it queues again when its time is up. */
import { z } from 'zod'
import { CoppiceError } from '../../base/errors.js'
import { parse } from '../../base/schemas.js'
import type { RunResult } from '../../runs/result.js'
import { readAttempt, writeAttempt } from '../attempts.js'
import { carryOut, progressOf, type TaskOptions, taskNamed } from '../carryOut.js'
import type { GridFolder } from '../folder.js'
import { slurm } from './commands.js'
import { readPart } from './parts.js'

export interface JobOptions extends Omit<TaskOptions, 'threads' | 'checkpointSeconds'> {
  /** Aborts when the time limit is near. */
  timeUp: AbortSignal
}

/** The task that a job of this part of the grid is. */
export async function taskOfJob(grid: GridFolder, part: number, environment: NodeJS.ProcessEnv) {
  const job = thisJob(environment)
  const { tasks, ...settings } = await readPart(grid, part)
  const name = tasks[job.index]
  if (name === undefined) {
    throw new CoppiceError('ERR_FILE', `part ${part} of ${grid.folder} has no task ${job.index}`)
  }
  return { job, task: taskNamed(grid, name), settings }
}

/**
 * Carries out the task that this job is. When its time is up it stops at a checkpoint and queues again, unless it came no
 * further since it began: then more time is needed, and queueing again would never end.
 *
 * @throws as `carryOut` does; `ERR_ABORTED` for a task whose time limit is too short
 */
export async function carryOutJob(
  grid: GridFolder,
  { job, task, settings }: Awaited<ReturnType<typeof taskOfJob>>,
  { timeUp, signal, ...options }: JobOptions,
): Promise<RunResult> {
  const before = await progressOf(grid, task.name)
  const either = AbortSignal.any([timeUp, ...(signal === undefined ? [] : [signal])])
  try {
    return await carryOut(grid, task, { ...options, ...settings, threads: job.cpus, signal: either })
  } catch (error) {
    if (!timeUp.aborted || signal?.aborted || error !== timeUp.reason) throw error
    const attempt = await readAttempt(grid, task.name)
    if ((await progressOf(grid, task.name)) === before) {
      const reason = `${task.name} came no further before its time limit: give it more time, or fewer images to evaluate`
      if (attempt !== undefined) await writeAttempt(grid, task.name, { ...attempt, state: 'failed', reason })
      throw new CoppiceError('ERR_ABORTED', reason, { cause: error })
    }
    await requeue(job)
    throw error
  }
}

interface ArrayJob {
  /** As Slurm's commands name it. */
  readonly id: string
  readonly index: number
  /** CPUs that it may use; undefined where Slurm does not say. */
  readonly cpus?: number
}

const digits = z.string().regex(/^\d+$/, 'expected a number')
const environmentSchema = z.object({
  SLURM_ARRAY_JOB_ID: digits,
  SLURM_ARRAY_TASK_ID: digits,
  SLURM_CPUS_PER_TASK: digits.optional(),
  SLURM_CPUS_ON_NODE: digits.optional(),
})

/** The job that this process is. @throws CoppiceError where it is none of an array */
const thisJob = (environment: NodeJS.ProcessEnv): ArrayJob => {
  const {
    SLURM_ARRAY_JOB_ID: job,
    SLURM_ARRAY_TASK_ID: index,
    SLURM_CPUS_ON_NODE: all,
    SLURM_CPUS_PER_TASK: cpus = all,
  } = parse(environmentSchema, environment, 'the environment of a Slurm job')
  return { id: `${job}_${index}`, index: Number(index), ...(cpus !== undefined && { cpus: Number(cpus) }) }
}

/** Puts a running job back into the queue. @throws CoppiceError where the cluster does not let it */
const requeue = async ({ id }: ArrayJob): Promise<void> => {
  try {
    await slurm('scontrol', ['requeue', id])
  } catch (error) {
    const message = `the time limit came, and the job cannot be queued again: ${(error as Error).message}`
    throw new CoppiceError('ERR_DEVICE', `${message}; launch the grid again`, { cause: error })
  }
}
