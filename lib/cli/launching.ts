/** What `coppice grid` and `coppice reproduce` share: where tasks run, and how people see them run. */
import { type Command, InvalidArgumentError, Option } from 'commander'
import type { Device } from '../../bindings/native.js'
import { invalid } from '../base/errors.js'
import { LIMITS } from '../base/limits.js'
import {
  follow,
  type GridFolder,
  type GridStatus,
  type Launcher,
  local,
  slurmLauncher,
  type TaskStatus,
} from '../grids/index.js'
import { changeLine, countsLine, fractionOf } from '../report/gridStatus.js'
import { collect, deviceFlag, integerFlag } from './flags.js'
import { progressDisplay } from './progress.js'

export interface LaunchFlags {
  launch: 'local' | 'slurm'
  jobs?: number
  devices?: Device[]
  threads?: number
  checkpointSeconds?: number
  sbatch: string[]
  stopBefore?: number
  follow: boolean
}

/** Options of sbatch that have flags of their own. */
const SBATCH = {
  partition: 'partition',
  time: 'time limit of a task, such as 4:00:00; it queues again when the time is up',
  gres: 'such as gpu:1',
  account: 'account to charge',
  'cpus-per-task': 'CPUs of a task, and its threads unless the recipe says',
} as const

/** Adds the flags that say where tasks run. */
export const withLaunchFlags = (command: Command): Command => {
  command
    .addOption(new Option('--launch <where>', 'where tasks run').choices(['local', 'slurm']).default('local'))
    .option('--jobs <n>', 'tasks at a time', integerFlag(1, LIMITS.threads))
    .option('--devices <list>', 'local: devices by turns, such as cuda:0,cuda:1', devicesByTurns)
    .option(
      '--threads <n>',
      'local: CPU threads of a task whose recipe names none (default: cores / jobs)',
      integerFlag(1, LIMITS.threads),
    )
    .option(
      '--checkpoint-seconds <n>',
      'time between checkpoints (default: 60)',
      integerFlag(0, LIMITS.seconds),
    )
  for (const [name, meaning] of Object.entries(SBATCH))
    command.option(`--${name} <value>`, `slurm: ${meaning}`)
  return command
    .option('--sbatch <key=value>', 'slurm: any other option of sbatch; repeatable', collect, [])
    .option(
      '--stop-before <seconds>',
      'slurm: stop at a checkpoint so long before the time limit (default: 120)',
      integerFlag(1, 65_535),
    )
    .option('--no-follow', 'slurm: submit, and do not wait')
}

const devicesByTurns = (text: string): Device[] => {
  const devices = text.split(',').map(deviceFlag)
  if (new Set(devices).size === devices.length) return devices
  throw new InvalidArgumentError('Expected each device once.')
}

/** @throws CoppiceError for flags of the other launcher */
export const launcherOf = (flags: LaunchFlags): Launcher => {
  const { launch: where, jobs, devices, threads, checkpointSeconds, stopBefore } = flags
  const options = sbatchOptions(flags)
  const foreign =
    where === 'local'
      ? [
          ...Object.keys(options)
            .slice(0, 1)
            .map((key) => `--${key}`),
          ...(stopBefore ? ['--stop-before'] : []),
        ]
      : [...(devices ? ['--devices'] : []), ...(threads ? ['--threads'] : [])]
  const [first] = foreign
  if (first !== undefined) throw invalid(`${first} has no meaning with --launch ${where}`)
  return where === 'local'
    ? local({ jobs, devices, threads, checkpointSeconds })
    : slurmLauncher({ options, jobs, stopBefore, checkpointSeconds })
}

const sbatchOptions = (flags: LaunchFlags): Record<string, string | true> => {
  const given = flags as unknown as Record<string, string | undefined>
  const own = Object.keys(SBATCH).flatMap((name) => {
    const value = given[name.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase())]
    return value === undefined ? [] : [[name, value] as const]
  })
  const others = flags.sbatch.map((text): [string, string | true] => {
    const equals = text.indexOf('=')
    return equals < 0 ? [text, true] : [text.slice(0, equals), text.slice(equals + 1)]
  })
  return Object.fromEntries([...own, ...others])
}

/** Waits for a grid, or some tasks of it, with a bar of all their work and a line for each that ends. */
export const followed = async (
  grid: GridFolder,
  signal: AbortSignal,
  seconds: number,
  only?: ReadonlySet<string>,
): Promise<GridStatus> => {
  const display = progressDisplay('tasks')
  const before = new Map<string, TaskStatus>()
  let told = new Set<string>()
  try {
    return await follow(grid, {
      signal,
      seconds,
      only,
      onStatus: (status) => {
        for (const task of status.tasks) {
          const line = changeLine(before.get(task.name), task)
          if (line !== undefined) display.log(line)
          before.set(task.name, task)
        }
        for (const message of status.notes) if (!told.has(message)) display.log(`note: ${message}`)
        told = new Set(status.notes)
        const { counts, tasks } = status
        const progress = { done: counts.done, total: tasks.length, fraction: fractionOf(status) }
        display.update({ label: countsLine(status), ...progress })
      },
    })
  } finally {
    display.stop()
  }
}
