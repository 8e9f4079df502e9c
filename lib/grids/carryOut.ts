/** One task, carried out in this process: begins its run or goes on with it, and writes down what came of it. */
import { existsSync, statSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Device } from '../../bindings/native.js'
import { invalid } from '../base/errors.js'
import { didYouMean } from '../base/numbers.js'
import { resumeRun, runRecipe } from '../compression/pipeline.js'
import type { RunHooks } from '../compression/session.js'
import { isLocked } from '../files/lock.js'
import type { RunResult } from '../runs/result.js'
import { isRun } from '../runs/run.js'
import { readAttempt, writeAttempt } from './attempts.js'
import { type GridFolder, runFolder } from './folder.js'
import type { Task } from './plan.js'

export interface TaskOptions extends Omit<RunHooks, 'pretrained'> {
  /** Default: that of the recipe. */
  device?: Device | undefined
  /** CPU threads where neither the recipe nor a run that has begun says how many. */
  threads?: number | undefined
}

/** The task of a grid that has this name. */
export const taskNamed = ({ tasks, folder }: GridFolder, name: string): Task => {
  const task = tasks.find((each) => each.name === name)
  if (task !== undefined) return task
  const names = tasks.map((each) => each.name)
  throw invalid(`${folder} has no task ${name}${didYouMean(name, names)}`)
}

/**
 * Carries out a task, from where an earlier attempt left it.
 *
 * @throws CoppiceError as `runRecipe` and `resumeRun` do; the signal's reason. Either is written down first
 */
export async function carryOut(grid: GridFolder, task: Task, options: TaskOptions): Promise<RunResult> {
  const { device, threads, signal, onProgress, ...hooks } = options
  const { name, recipe, pretrained } = task
  const path = runFolder(grid, name)
  let { fraction } = (await readAttempt(grid, name)) ?? { fraction: 0 }
  const where = placeOfThisProcess()
  await writeAttempt(grid, name, { state: 'running', fraction, where })
  let written = performance.now()
  let writing = Promise.resolve()
  const all: RunHooks = {
    ...hooks,
    signal,
    ...(pretrained !== undefined && { pretrained: runFolder(grid, pretrained) }),
    onProgress: (progress) => {
      fraction = progress.fraction
      onProgress?.(progress)
      if (performance.now() - written < WRITTEN_EVERY_MS) return
      written = performance.now()
      // What cannot be written here is no reason to stop; what matters is in the run directory.
      writing = writing
        .then(() => writeAttempt(grid, name, { state: 'running', fraction, where }))
        .catch(() => undefined)
    },
  }
  const own = {
    ...recipe,
    ...(device !== undefined && { device }),
    ...(recipe.threads === undefined && threads !== undefined && { threads }),
  }
  try {
    const result = await patiently(signal, () =>
      isRun(path) ? resumeRun(path, { ...all, device }) : runRecipe(own, path, all),
    )
    await writing
    await writeAttempt(grid, name, { state: 'done', fraction: 1, where })
    return result
  } catch (error) {
    await writing
    const state = signal?.aborted ? 'stopped' : 'failed'
    const reason = (error instanceof Error ? error.message : String(error)).split('\n')[0] ?? ''
    // A full disk must not hide why.
    await writeAttempt(grid, name, { state, fraction, where, reason }).catch(() => undefined)
    throw error
  }
}

const WRITTEN_EVERY_MS = 10_000

/** How long the process of an earlier attempt may take to be gone, or to be taken for dead. */
const PATIENCE_MS = 180_000

/** An attempt that was killed with its machine holds its run until its silence tells; one that is stopping, a moment. */
const patiently = async <Result>(
  signal: AbortSignal | undefined,
  work: () => Promise<Result>,
): Promise<Result> => {
  const until = performance.now() + PATIENCE_MS
  for (;;) {
    try {
      return await work()
    } catch (error) {
      if (!isLocked(error) || performance.now() > until) throw error
    }
    await delay(1000)
    signal?.throwIfAborted()
  }
}

const placeOfThisProcess = (): string => {
  const { SLURM_JOB_ID: job } = process.env
  return `${hostname()}, ${job === undefined ? `process ${process.pid}` : `Slurm job ${job}`}`
}

/** What of a task's work is safe on the disk, as a text that changes when there is more of it. */
export async function progressOf(grid: GridFolder, task: string): Promise<string> {
  const run = runFolder(grid, task)
  const names = await Promise.all(
    ['checkpoints', 'outcomes'].map((inner) => readdir(join(run, inner)).catch(() => [])),
  )
  const latest = join(run, 'checkpoints', 'latest.safetensors')
  const time = existsSync(latest) ? statSync(latest).mtimeMs : 0
  return [
    time,
    ...names
      .flat()
      .filter((name) => !name.endsWith('.tmp'))
      .sort(),
  ].join()
}
