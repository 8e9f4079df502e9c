/**
 * What was measured on this machine, kept between processes: one JSON file for each CPU and addon, in
 * `$XDG_CACHE_HOME/coppice` or `~/.cache/coppice`; `COPPICE_CACHE` names another folder, and `off` (or nothing) none.
 * No state of these files can make a job fail: what cannot be used is measured and written anew, with a warning.
 */
import { homedir } from 'node:os'
import { isAbsolute, join } from 'node:path'
import { z } from 'zod'
import { type OnWarning, warn } from '../base/warnings.js'
import { makeFolder } from '../files/files.js'
import { isMissing, readText } from '../files/read.js'
import { replaceFile } from '../files/replaceFile.js'
import { machine } from './cpu.js'

/** `tuning`: how layers are best computed; `calibration`: how long they take, for predictions. */
export type CacheKind = 'tuning' | 'calibration'

/** Longest file that is read, in bytes: some hundred thousand measurements. */
const LONGEST = 64 * 2 ** 20

/** The folder of the files; none where caching is switched off. */
export const cacheFolder = (env: NodeJS.ProcessEnv = process.env): string | undefined => {
  const { COPPICE_CACHE: own, XDG_CACHE_HOME: shared } = env
  if (own !== undefined) return own === '' || own === 'off' ? undefined : own
  if (shared !== undefined && isAbsolute(shared)) return join(shared, 'coppice')
  try {
    return join(homedir(), '.cache', 'coppice')
  } catch {
    // A user without a home folder.
    return undefined
  }
}

/** The file of this CPU and addon; none where caching is switched off. */
export const cachePath = (kind: CacheKind): string | undefined => {
  const folder = cacheFolder()
  if (folder === undefined) return undefined
  const { cpu, cpuHash, addon } = machine()
  const name = cpu.toLowerCase().replace(/[^a-z0-9]+/g, '-')
  return join(folder, `${kind}-${name}-${cpuHash}-${addon}.json`)
}

/** Everything in the cache; nothing where there is none, or none that can be used. */
export const readCache = async <Value>(
  kind: CacheKind,
  value: z.ZodType<Value>,
  onWarning: OnWarning | undefined,
): Promise<Record<string, Value>> => {
  const path = cachePath(kind)
  if (path === undefined) return {}
  try {
    return parse(kind, value, await readText(path, LONGEST))
  } catch (error) {
    if (!isMissing(error)) {
      tell(`${path} cannot be used (${reason(error)}); it is measured and written anew`, onWarning)
    }
    return {}
  }
}

/** Adds entries to what the file holds by now, and replaces it whole. */
export const addToCache = async <Value>(
  kind: CacheKind,
  value: z.ZodType<Value>,
  entries: Readonly<Record<string, Value>>,
  onWarning: OnWarning | undefined,
): Promise<void> => {
  const path = cachePath(kind)
  const folder = cacheFolder()
  if (path === undefined || folder === undefined || Object.keys(entries).length === 0) return
  try {
    await makeFolder(folder)
    // An unusable file was warned of when it was read.
    const before = await readText(path, LONGEST)
      .then((text) => parse(kind, value, text))
      .catch(() => ({}))
    const { cpu, cpuHash, addon } = machine()
    const file = { format: `coppice-${kind}`, cpu, cpuHash, addon, entries: { ...before, ...entries } }
    await replaceFile(path, (handle) => handle.writeFile(`${JSON.stringify(file, null, 1)}\n`))
  } catch (error) {
    tell(`${path} cannot be written (${reason(error)}); the next process measures again`, onWarning)
  }
}

const parse = <Value>(kind: CacheKind, value: z.ZodType<Value>, text: string): Record<string, Value> => {
  const { cpuHash, addon } = machine()
  const schema = z.object({
    format: z.literal(`coppice-${kind}`),
    cpuHash: z.literal(cpuHash),
    addon: z.literal(addon),
    entries: z.record(z.string(), value),
  })
  return schema.parse(JSON.parse(text)).entries
}

const reason = (error: unknown): string => {
  if (error instanceof SyntaxError) return 'it is not JSON'
  if (error instanceof z.ZodError) return 'it is not such a file, or of another machine'
  return (error as Error).message
}

const warned = new Set<string>()

/** Node's own warnings come once a process. */
const tell = (message: string, onWarning: OnWarning | undefined): void => {
  if (onWarning !== undefined || !warned.has(message)) warn(message, 'COPPICE_CACHE', onWarning)
  warned.add(message)
}
