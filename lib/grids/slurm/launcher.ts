/**
 * Slurm: tasks become job arrays, whose indices are tasks. One array holds all tasks that wait for nothing, and one the
 * tasks that wait for the same pre-training, `afterok` of that one task. (`aftercorr` pairs equal indices of two arrays:
 * k fine-tunings of a pre-training would be k arrays, and the holes that a second launch leaves would shift them.)
 *
 * A task is requeued when its node fails, when it is preempted, and, by itself, shortly before its time is up; it goes on
 * from its last checkpoint each time. Nothing that a user wrote is ever read by a shell.
 */
import { existsSync } from 'node:fs'
import { lstat, rename, rm, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { CoppiceError, invalid } from '../../base/errors.js'
import { show } from '../../base/numbers.js'
import { replaceFile } from '../../files/replaceFile.js'
import { resultPath } from '../../runs/run.js'
import { taskCommand } from '../command.js'
import { type GridFolder, logFile, runFolder, slurmFolder } from '../folder.js'
import type { Launched, Launcher } from '../launcher.js'
import type { Task } from '../plan.js'
import { slurm } from './commands.js'
import { jobName, partNumbers, writePart } from './parts.js'
import { cancelArrays, queuedTasks } from './queue.js'

export interface SlurmOptions {
  /** Options of `sbatch` by their long names, `{ partition: 'gpu', exclusive: true }`. */
  options?: Readonly<Record<string, string | true>> | undefined
  /** Tasks of an array at a time; default: as many as the cluster lets. */
  jobs?: number | undefined
  /** Seconds before the time limit at which a task stops at a checkpoint and queues again; default 120. */
  stopBefore?: number | undefined
  /** Seconds between checkpoints. */
  checkpointSeconds?: number | undefined
}

/** Options of sbatch that a grid depends on. */
const OWN = new Set([
  ...[
    'array',
    'chdir',
    'clusters',
    'dependency',
    'error',
    'hold',
    'job-name',
    'kill-on-invalid-dep',
    'no-requeue',
  ],
  ...['open-mode', 'output', 'parsable', 'requeue', 'signal', 'test-only', 'wait', 'wrap'],
])

/** The scheduler of this host. @throws CoppiceError for options that are none, or that a grid needs itself */
export const slurmLauncher = (options: SlurmOptions = {}): Launcher => {
  const passed = Object.entries(options.options ?? {}).map(([key, value]) => optionOf(key, value))
  requireTime(options)
  return {
    kind: 'slurm',
    start: async (grid, tasks, signal): Promise<Launched> => {
      if (tasks.length > 0) await submitAll(grid, tasks, options, passed, signal)
      return { released: Promise.resolve() }
    },
  }
}

const optionOf = (key: string, value: string | true): string => {
  if (!/^[a-z][a-z0-9-]+$/.test(key)) {
    throw invalid(`--sbatch ${key}: expected a long option of sbatch, such as partition=gpu`)
  }
  if (OWN.has(key)) throw invalid(`--sbatch ${key}: the grid sets this option itself`)
  return value === true ? `--${key}` : `--${key}=${value}`
}

const STOP_BEFORE = 120
/** Slurm may signal so much earlier than it was told. */
const SLACK = 60

const requireTime = ({ options = {}, stopBefore = STOP_BEFORE }: SlurmOptions): void => {
  const { time } = options
  if (typeof time !== 'string') return
  const seconds = secondsOf(time)
  if (seconds === undefined || seconds > stopBefore + SLACK) return
  throw invalid(
    `--time ${time}: leaves no time to train before a task stops, ${stopBefore} s before its end (--stop-before)`,
  )
}

/** Seconds of a time as Slurm reads it: minutes, `mm:ss`, `hh:mm:ss`, `d-hh`, `d-hh:mm`, `d-hh:mm:ss`. */
const secondsOf = (time: string): number | undefined => {
  const match = /^(?:(\d+)-)?(\d+)(?::(\d+))?(?::(\d+))?$/.exec(time)
  if (match === null) return undefined
  const [days, first = 0, second, third] = match
    .slice(1)
    .map((text) => (text === undefined ? undefined : Number(text)))
  if (days !== undefined) return ((days * 24 + first) * 60 + (second ?? 0)) * 60 + (third ?? 0)
  if (second === undefined) return 60 * first
  return third === undefined ? 60 * first + second : (60 * first + second) * 60 + third
}

/** Submits all tasks or none: what was submitted before a refusal is cancelled. */
const submitAll = async (
  grid: GridFolder,
  tasks: readonly Task[],
  options: SlurmOptions,
  passed: readonly string[],
  signal: AbortSignal | undefined,
): Promise<void> => {
  const largest = await largestArray()
  const script = await writeScript(grid)
  const { queued } = await queuedTasks(grid)
  const jobs = new Map([...queued].map(([name, { job }]) => [name, job]))
  let part = Math.max(0, ...(await partNumbers(grid)))
  const submitted: string[] = []
  try {
    for (const array of arraysOf(grid, tasks, largest)) {
      signal?.throwIfAborted()
      part++
      const before = array.after === undefined ? undefined : jobs.get(array.after)
      const id = await submit(
        grid,
        part,
        array.tasks,
        [...dependency(array.after, before), ...passed],
        options,
        script,
      )
      submitted.push(id)
      for (const [index, { name }] of array.tasks.entries()) jobs.set(name, `${id}_${index}`)
    }
  } catch (error) {
    await cancelArrays(submitted).catch((failure: Error) => {
      const ids = submitted.join(', ')
      throw new CoppiceError(
        'ERR_DEVICE',
        `${(error as Error).message}; and jobs ${ids} could not be cancelled: ${failure.message}`,
      )
    })
    throw error
  }
}

interface JobArray {
  tasks: Task[]
  after?: string
}

/** The arrays in the order in which they are submitted: what others wait for first. None is longer than allowed. */
const arraysOf = (grid: GridFolder, tasks: readonly Task[], largest: number): JobArray[] => {
  const groups = new Map<string | undefined, Task[]>([[undefined, []]])
  for (const task of tasks) {
    const { pretrained } = task
    const ready = pretrained === undefined || existsSync(resultPath(runFolder(grid, pretrained)))
    const after = ready ? undefined : pretrained
    groups.set(after, [...(groups.get(after) ?? []), task])
  }
  return [...groups].flatMap(([after, group]) =>
    Array.from({ length: Math.ceil(group.length / largest) }, (_, index) => ({
      tasks: group.slice(index * largest, (index + 1) * largest),
      ...(after !== undefined && { after }),
    })),
  )
}

const dependency = (after: string | undefined, job: string | undefined): string[] => {
  if (after === undefined) return []
  if (job === undefined)
    throw new CoppiceError('ERR_DEVICE', `${after}, which others wait for, is not in the queue`)
  // A task whose pre-training failed leaves the queue; launched again, the grid queues both.
  return [`--dependency=afterok:${job}`, '--kill-on-invalid-dep=yes']
}

const submit = async (
  grid: GridFolder,
  part: number,
  tasks: readonly Task[],
  more: readonly string[],
  { jobs, stopBefore = STOP_BEFORE, checkpointSeconds }: SlurmOptions,
  script: string,
): Promise<string> => {
  const names = tasks.map(({ name }) => name)
  await writePart(grid, part, { tasks: names, ...(checkpointSeconds !== undefined && { checkpointSeconds }) })
  const printed = await slurm('sbatch', [
    ...['--parsable', '--requeue', '--open-mode=append', `--job-name=${jobName(grid, part)}`],
    `--array=0-${tasks.length - 1}${jobs === undefined ? '' : `%${jobs}`}`,
    // Slurm fills in what follows a %.
    `--output=${slurmFolder(grid).replaceAll('%', '%%')}/${part}.%a.log`,
    `--chdir=${grid.folder}`,
    `--signal=B:USR2@${stopBefore}`,
    ...more,
    script,
    `${part}`,
  ])
  const id = printed.trim().split(';')[0] ?? ''
  if (!/^\d+$/.test(id))
    throw new CoppiceError('ERR_DEVICE', `sbatch answered ${show(printed.trim())}, no job number`)
  for (const [index, name] of names.entries()) await linkLog(grid, name, `${part}.${index}.log`)
  return id
}

/** `logs/NAME.log` is the log that Slurm writes; one of a pool on this machine makes way. */
const linkLog = async (grid: GridFolder, task: string, target: string): Promise<void> => {
  const path = logFile(grid, task)
  const found = await lstat(path).catch(() => undefined)
  if (found?.isSymbolicLink()) await rm(path)
  else if (found !== undefined) await rename(path, `${path}.before`)
  await symlink(join('..', 'slurm', target), path)
}

/** The script of all arrays; its argument is the part. The process takes its place, so that signals reach it. */
const writeScript = async (grid: GridFolder): Promise<string> => {
  const path = join(slurmFolder(grid), 'task.sh')
  const command = taskCommand(grid).map(quoted).join(' ')
  await replaceFile(path, (file) => file.writeFile(`#!/bin/sh\nexec ${command} --part "$1"\n`))
  return path
}

/** A word that a shell takes as it is. */
const quoted = (word: string): string => `'${word.replaceAll("'", "'\\''")}'`

/** Slurm's default. */
const ARRAY_SIZE = 1001

/** Tasks that an array may have: indices stay below MaxArraySize. */
const largestArray = async (): Promise<number> => {
  // Tells first whether there is a scheduler at all.
  await slurm('sbatch', ['--version'])
  const config = await slurm('scontrol', ['show', 'config'])
  const found = /^MaxArraySize\s*=\s*(\d+)/m.exec(config)?.[1]
  return Math.max(1, Number(found ?? ARRAY_SIZE))
}
