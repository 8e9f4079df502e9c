/**
 * A bounded pool on this machine: as many tasks at a time as it has places, each in a process of its own. A child that
 * loses its parent stops at a checkpoint.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { EventEmitter, once } from 'node:events'
import { type FileHandle, open } from 'node:fs/promises'
import { cpus } from 'node:os'
import type { Device } from '../../bindings/native.js'
import { fileError } from '../files/files.js'
import { readAttempt, writeAttempt } from './attempts.js'
import { taskCommand } from './command.js'
import { type GridFolder, logFile } from './folder.js'
import type { Launched, Launcher } from './launcher.js'
import type { Task } from './plan.js'

export interface LocalOptions {
  /** Tasks at a time; default: one for each device, else one. */
  jobs?: number | undefined
  /** One a place, in turns; default: that of each recipe. */
  devices?: readonly Device[] | undefined
  /** CPU threads of a task whose recipe names none; default: the cores, divided among the tasks at a time. */
  threads?: number | undefined
  /** Seconds between checkpoints. */
  checkpointSeconds?: number | undefined
}

/** A pool on this machine. */
export const local = ({ devices = [], ...options }: LocalOptions = {}): Launcher => {
  const jobs = options.jobs ?? Math.max(1, devices.length)
  const threads = options.threads ?? Math.max(1, Math.floor(cpus().length / jobs))
  return {
    kind: 'local',
    start: async (grid, tasks, signal): Promise<Launched> => {
      await forgetFailures(grid, tasks)
      const pool = new Pool(grid, tasks, signal)
      const place = (index: number) => {
        const device = devices[index % devices.length]
        return pool.work([
          ...(device === undefined ? [] : ['--device', device]),
          ...['--threads', `${threads}`],
          ...(options.checkpointSeconds === undefined
            ? []
            : ['--checkpoint-seconds', `${options.checkpointSeconds}`]),
        ])
      }
      return { released: pool.all(Array.from({ length: jobs }, (_, index) => place(index))) }
    },
  }
}

/** What failed before waits like all others. */
const forgetFailures = async (grid: GridFolder, tasks: readonly Task[]): Promise<void> => {
  for (const { name } of tasks) {
    const attempt = await readAttempt(grid, name)
    if (attempt !== undefined) await writeAttempt(grid, name, { ...attempt, state: 'stopped' })
  }
}

class Pool {
  private readonly waiting: Task[]
  /** Tasks of this launch that are not done: what waits for one of them waits, or never begins. */
  private readonly open: Set<string>
  private readonly children = new Set<ChildProcess>()
  private busy = 0
  private readonly ends = new EventEmitter().setMaxListeners(0)

  constructor(
    private readonly grid: GridFolder,
    tasks: readonly Task[],
    private readonly signal: AbortSignal | undefined,
  ) {
    this.waiting = [...tasks]
    this.open = new Set(tasks.map(({ name }) => name))
    signal?.addEventListener('abort', () => {
      for (const child of this.children) child.kill('SIGTERM')
    })
  }

  /** One place: a task after the other, as they become ready. */
  async work(flags: readonly string[]): Promise<void> {
    while (!this.signal?.aborted) {
      const next = this.waiting.findIndex(({ pretrained }) => !this.open.has(pretrained ?? ''))
      const [task] = next < 0 ? [] : this.waiting.splice(next, 1)
      if (task !== undefined) {
        this.busy++
        await this.child(task, flags).finally(() => {
          this.busy--
          this.ends.emit('end')
        })
      } else if (this.busy > 0 && this.waiting.length > 0) await once(this.ends, 'end')
      else return
    }
  }

  async all(places: readonly Promise<void>[]): Promise<void> {
    await Promise.all(places)
    this.signal?.throwIfAborted()
  }

  private async child(task: Task, flags: readonly string[]): Promise<void> {
    const path = logFile(this.grid, task.name)
    let log: FileHandle | undefined
    try {
      log = await open(path, 'a')
      const { code, signal } = await this.ended(task, flags, log)
      if (code === 0) this.open.delete(task.name)
      if (signal !== null) {
        // A process that was killed, or crashed, could not say so itself.
        const reason = `its process was ended by ${signal}`
        await log.appendFile(`coppice: ${task.name}: ${reason}\n`)
        const { fraction = 0, where = '' } = (await readAttempt(this.grid, task.name)) ?? {}
        await writeAttempt(this.grid, task.name, { state: 'failed', fraction, where, reason })
      }
    } catch (error) {
      throw fileError('cannot write', path, error)
    } finally {
      await log?.close()
    }
  }

  private ended(
    { name }: Task,
    flags: readonly string[],
    log: FileHandle,
  ): Promise<{ code: number | null; signal: NodeJS.Signals | null }> {
    return new Promise((resolve, reject) => {
      const [program, ...args] = [...taskCommand(this.grid), '--task', name, ...flags]
      // In a session of its own, so that the terminal's Ctrl-C reaches the parent alone; the channel tells of its end.
      const child = spawn(program, args, { stdio: ['ignore', log.fd, log.fd, 'ipc'], detached: true })
      this.children.add(child)
      child.on('error', reject)
      child.on('exit', (code, signal) => {
        this.children.delete(child)
        resolve({ code, signal })
      })
    })
  }
}
