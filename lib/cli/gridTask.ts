/** What a pool or a scheduler begins: one task of a grid, in this process. Not for people. */
import { hostname } from 'node:os'
import type { Device } from '../../bindings/native.js'
import { carryOut, carryOutJob, readGrid, runFolder, taskNamed, taskOfJob } from '../grids/index.js'
import { resultTable } from '../report/tables.js'
import { Interrupted, note, reportError } from './output.js'
import { displayed } from './run.js'

export interface TaskFlags {
  task?: string
  part?: number
  device?: Device
  threads?: number
  checkpointSeconds?: number
}

/**
 * Carries out a task: of a pool the one that is named, of a scheduler's job array the one that its index is. It stops at a
 * checkpoint when it is told to (SIGTERM, SIGINT), when the pool is gone, and when its time is up (SIGUSR2).
 */
export async function workOn(folder: string, flags: TaskFlags): Promise<void> {
  try {
    await work(folder, flags)
  } catch (error) {
    process.exitCode = reportError(error)
    // The last line of the log is what people are shown.
    const [first, ...others] = (error instanceof Error ? error.message : String(error)).split('\n')
    if (others.length > 0) note(`coppice: ${first}`)
  }
}

const work = async (folder: string, { task, part, ...options }: TaskFlags): Promise<void> => {
  const stopped = new AbortController()
  const timeUp = new AbortController()
  const stop = (why: string) => () => stopped.abort(new Interrupted(why))
  process.on('SIGTERM', stop('stopped at a checkpoint'))
  process.on('SIGINT', stop('stopped at a checkpoint'))
  process.on('SIGUSR2', () => timeUp.abort(new Interrupted('its time is up: stopped at a checkpoint')))
  process.on('disconnect', stop('the process that launched the grid is gone: stopped at a checkpoint'))
  // Listening alone is no reason to go on.
  process.channel?.unref()
  const { signal } = stopped
  const grid = await readGrid(folder)
  const job = part === undefined ? undefined : await taskOfJob(grid, part, process.env)
  const mine = job?.task ?? taskNamed(grid, task ?? '')
  note(`${new Date().toISOString()}: ${mine.name} on ${hostname()}`)
  const result = await displayed(runFolder(grid, mine.name), (hooks) =>
    job === undefined
      ? carryOut(grid, mine, { ...options, ...hooks, signal })
      : carryOutJob(grid, job, { ...hooks, signal, timeUp: timeUp.signal }),
  )
  note(resultTable(result))
}
