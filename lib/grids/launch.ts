/** Sets the tasks of a plan going, waits for them, and stops them. Launched again, a grid goes on with what is not done. */
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { CoppiceError } from '../base/errors.js'
import { lockHolder, takeLock } from '../files/lock.js'
import { type GridFolder, openGrid } from './folder.js'
import type { Launched, Launcher } from './launcher.js'
import type { Plan, Task } from './plan.js'
import { cancelJobs } from './slurm/queue.js'
import type { GridStatus } from './states.js'
import { poolLock, statusOf } from './status.js'

export interface Launch extends Launched {
  readonly grid: GridFolder
  /** Those that were set going: neither done nor under way before. */
  readonly tasks: readonly Task[]
}

export interface LaunchOptions {
  signal?: AbortSignal | undefined
  /** Adds the tasks of the plan to those of its folder, which are left as they are; default false. */
  add?: boolean
}

/**
 * Begins every task of the plan that is neither done nor under way, failed ones among them.
 *
 * @throws CoppiceError for a plan that is none, a folder that holds anything else, a launcher that refuses; then nothing
 * of what was to be launched is under way
 */
export async function launch(
  plan: Plan,
  launcher: Launcher,
  { signal, add = false }: LaunchOptions = {},
): Promise<Launch> {
  const grid = await openGrid(plan, { add })
  const local = launcher.kind === 'local'
  const lock = await takeLock(local ? poolLock(grid) : join(grid.folder, 'slurm.lock'), plan.folder)
  try {
    const { tasks, notes } = await statusOf(grid, { pool: !local })
    // Tasks may be in a queue that cannot be asked: none may run twice.
    const [unknown] = notes
    if (unknown !== undefined) throw new CoppiceError('ERR_DEVICE', unknown)
    const states = new Map(tasks.map(({ name, state }) => [name, state]))
    const wanted = new Set(plan.tasks.map(({ name }) => name))
    const idle = grid.tasks.filter(
      ({ name }) => wanted.has(name) && !UNDER_WAY_OR_DONE.has(states.get(name) ?? 'stopped'),
    )
    const { released } = await launcher.start(grid, idle, signal)
    return { grid, tasks: idle, released: released.finally(() => lock.release()) }
  } catch (error) {
    await lock.release()
    throw error
  }
}

const UNDER_WAY_OR_DONE: ReadonlySet<string> = new Set(['done', 'running', 'waiting'])

export interface FollowOptions {
  /** Stops following; the tasks go on. */
  signal?: AbortSignal | undefined
  /** Between two looks; default 2. */
  seconds?: number | undefined
  /** The names of the tasks to wait for; default all. */
  only?: ReadonlySet<string> | undefined
  onStatus?: ((status: GridStatus) => void) | undefined
}

/** Waits until no task is running or waiting any more. */
export async function follow(grid: GridFolder, options: FollowOptions = {}): Promise<GridStatus> {
  const { signal, seconds = 2, only, onStatus } = options
  // A task may leave the queue a moment before its result shows on another machine, so one look at rest is not enough.
  for (let atRest = 0; ; ) {
    signal?.throwIfAborted()
    const status = await statusOf(grid, { only })
    onStatus?.(status)
    const { running, waiting } = status.counts
    atRest = running + waiting === 0 && status.notes.length === 0 ? atRest + 1 : 0
    if (atRest === 2 || status.counts.done === status.tasks.length) return status
    await delay(1000 * seconds, undefined, { signal }).catch(() => signal?.throwIfAborted())
  }
}

/**
 * Stops every task of a grid that runs or waits: each at its next checkpoint, from which it goes on when the grid is
 * launched again. Resolves with how many were asked to.
 *
 * @throws CoppiceError where the pool runs on another machine, or the scheduler refuses
 */
export async function cancel(grid: GridFolder): Promise<number> {
  const holder = await lockHolder(poolLock(grid))
  const { counts } = await statusOf(grid)
  await cancelJobs(grid)
  if (holder !== undefined) {
    if (!holder.here) {
      throw new CoppiceError(
        'ERR_FILE',
        `${grid.folder} runs on ${holder.host}, as process ${holder.pid}: cancel it there`,
      )
    }
    process.kill(holder.pid, 'SIGTERM')
  }
  return counts.running + counts.waiting
}
