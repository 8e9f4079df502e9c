/**
 * Keeps two processes out of one run directory. The lock names its holder, so that one left behind by a killed process
 * is recognised: on the same machine by process number and start time, elsewhere by a heartbeat that stopped.
 */
import { readFileSync, readlinkSync } from 'node:fs'
import { link, lstat, rename, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { z } from 'zod'
import { CoppiceError } from '../base/errors.js'
import { fileError } from './files.js'
import { isMissing, readText } from './read.js'

const holderSchema = z.object({
  pid: z.int(),
  /** Ticks since boot at which the process started: a reused process number has another. */
  started: z.string(),
  /** Boot and process namespace; process numbers mean nothing elsewhere. */
  place: z.string(),
  host: z.string(),
})
type Holder = z.output<typeof holderSchema>

/** Bytes that a lock may have. */
const LONGEST = 65_536

export interface Lock {
  release(): Promise<void>
}

const HEARTBEAT_MS = 10_000
/** A holder elsewhere that has not been heard of for so long is taken for dead. */
const SILENCE_MS = 60_000

/** Takes the lock file at `path`. @throws CoppiceError `ERR_FILE` if another process has it */
export async function takeLock(path: string, run: string): Promise<Lock> {
  const mine = `${path}.${process.pid}`
  const text = JSON.stringify(thisProcess())
  try {
    // A link appears with its content, all at once, and fails where a lock is.
    await writeFile(mine, text)
    while (!(await tryLink(mine, path))) await removeStale(path, run, mine)
  } catch (error) {
    throw fileError('cannot lock', path, error)
  } finally {
    await rm(mine, { force: true })
  }
  const heartbeat = setInterval(() => {
    const now = new Date()
    utimes(path, now, now).catch(() => undefined)
  }, HEARTBEAT_MS)
  heartbeat.unref()
  return {
    release: async () => {
      clearInterval(heartbeat)
      await rm(path, { force: true })
    },
  }
}

/** The cause of the error of a lock that another process has. */
class Locked extends Error {}

/** Whether `error` says that another process has a lock. */
export const isLocked = (error: unknown): boolean =>
  error instanceof CoppiceError && error.cause instanceof Locked

/** Who has a lock, as far as can be told without taking it. */
export interface LockHolder {
  pid: number
  host: string
  /** Whether it runs on this machine, where it can be sent signals. */
  here: boolean
}

/** The living process that has the lock at `path`; undefined where there is none. */
export async function lockHolder(path: string): Promise<LockHolder | undefined> {
  const holder = await readHolder(path)
  if (holder === 'gone' || holder === 'damaged') return undefined
  const { pid, host, place, started } = holder
  const here = place === thisProcess().place
  const heard = here ? undefined : (await stat(path).catch(() => undefined))?.mtimeMs
  const alive = here ? startOf(pid) === started : heard !== undefined && Date.now() - heard <= SILENCE_MS
  return alive ? { pid, host, here } : undefined
}

const tryLink = async (from: string, to: string): Promise<boolean> => {
  try {
    await link(from, to)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
}

/** Removes a lock whose holder is dead; throws if it lives. */
const removeStale = async (path: string, run: string, mine: string): Promise<void> => {
  const holder = await readHolder(path)
  if (holder === 'gone') {
    // A link to nothing is there all the same, and would be for ever.
    const found = await lstat(path).catch(() => undefined)
    if (found?.isSymbolicLink()) await rm(path, { force: true })
    return
  }
  if (holder !== 'damaged' && !(await isDead(holder, path, mine))) {
    throw new CoppiceError(
      'ERR_FILE',
      `${run} is in use by process ${holder.pid} on ${holder.host}; wait for it, or stop it and resume`,
      { cause: new Locked() },
    )
  }
  // Whoever renames first has it; what was renamed must still be the stale one.
  const aside = `${mine}.stale`
  await rename(path, aside).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error
  })
  const moved = await readHolder(aside)
  if (moved !== 'gone' && JSON.stringify(moved) !== JSON.stringify(holder)) await tryLink(aside, path)
  await rm(aside, { force: true })
}

const readHolder = async (path: string): Promise<Holder | 'gone' | 'damaged'> => {
  let text: string
  try {
    text = await readText(path, LONGEST)
  } catch (error) {
    if (isMissing(error)) return 'gone'
    throw error
  }
  try {
    return holderSchema.parse(JSON.parse(text))
  } catch {
    return 'damaged'
  }
}

const isDead = async (holder: Holder, path: string, mine: string): Promise<boolean> => {
  if (holder.place === thisProcess().place) return startOf(holder.pid) !== holder.started
  // Both times are the file system's own, so clocks of different machines do not matter.
  const now = new Date()
  await utimes(mine, now, now)
  const silence = (await stat(mine)).mtimeMs - (await stat(path)).mtimeMs
  return silence > SILENCE_MS
}

const thisProcess = (): Holder => ({
  pid: process.pid,
  started: startOf(process.pid) ?? '',
  place: `${read('/proc/sys/kernel/random/boot_id')} ${namespace()}`,
  host: hostname(),
})

/** Start time of a running process (field 22 of its stat; the name in field 2 may hold spaces). */
const startOf = (pid: number): string | undefined => {
  const text = read(`/proc/${pid}/stat`)
  const state = text.slice(text.lastIndexOf(')') + 2).split(' ')
  return state[0] === undefined || state[0] === 'Z' ? undefined : state[19]
}

const read = (path: string): string => {
  try {
    return readFileSync(path, 'utf8').trim()
  } catch {
    return ''
  }
}

const namespace = (): string => {
  try {
    return readlinkSync('/proc/self/ns/pid')
  } catch {
    return ''
  }
}
