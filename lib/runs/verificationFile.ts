/**
 * A verification on disk: a first line that says what is verified and how, then one line per image, appended as they
 * come. The same verification goes on with the file where it stopped, whatever stopped it.
 */
import { readFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { z } from 'zod'
import type { Attack } from '../attacks/attack.js'
import { CoppiceError } from '../base/errors.js'
import { canonicalJson, sameData } from '../base/json.js'
import { formatPixels } from '../base/numbers.js'
import { version } from '../base/version.js'
import { fileError, makeFolder } from '../files/files.js'
import { type Lock, takeLock } from '../files/lock.js'
import type { Verifier } from '../verification/index.js'
import { type ImageVerdict, verdictNames } from '../verification/verdict.js'
import { Metrics, type RunEvent, wholeEvents } from './metrics.js'

/** Everything that verdicts depend on. Memory, batch size and device are no part of it. */
export interface VerificationHeader {
  network: { name: string; fingerprint: string }
  data: { name: string; fingerprint: string }
  verifier: Omit<Verifier, 'memory'>
  epsilon: number
  /** On every image, besides what a cascade does. */
  attack: Attack | null
  seed: number
}

const number = z.number().nullable()
const lineSchema = z.object({
  index: z.int(),
  label: z.int(),
  prediction: z.int(),
  verdict: z.enum(verdictNames),
  method: z.string().nullable(),
  // JSON has no NaN.
  margin: number.transform((value) => value ?? Number.NaN),
  unstable: number.transform((value) => value ?? Number.NaN),
  seconds: z.number(),
})

const HEADER = 'verification'
const IMAGE = 'image'

/** The file of one verification, open for appending; no other process may have it open. */
export class VerificationFile {
  private constructor(
    readonly path: string,
    /** Images that were verified before. */
    readonly done: readonly ImageVerdict[],
    private readonly log: Metrics,
    private readonly lock: Lock,
  ) {}

  /**
   * Opens the file of this verification, or begins one. A last line that was torn is dropped.
   *
   * @throws CoppiceError `ERR_FILE` where the file holds anything else: another network, images, settings, or no
   * verification at all; where another process has it open; where the file system refuses
   */
  static async open(path: string, header: VerificationHeader): Promise<VerificationFile> {
    await makeFolder(dirname(path)).catch((error) => {
      throw fileError('cannot make the folder of', path, error)
    })
    const lock = await takeLock(`${path}.lock`, path)
    let log: Metrics | undefined
    try {
      const begun = await requireSame(path, header)
      log = await Metrics.open(path)
      if (!begun) {
        log.append({ event: HEADER, coppice: version, ...header })
        await log.flush()
      }
      return new VerificationFile(path, verdictsIn(path, log.events), log, lock)
    } catch (error) {
      await log?.close()
      await lock.release()
      throw error
    }
  }

  /** Appends verdicts; resolves when they are on the disk. */
  async append(verdicts: readonly ImageVerdict[]): Promise<void> {
    for (const verdict of verdicts) this.log.append({ event: IMAGE, ...verdict })
    await this.log.flush()
  }

  async close(): Promise<void> {
    await this.log.close()
    await this.lock.release()
  }
}

/** Whether the file has begun, with this header; anything else in its place is left alone. */
const requireSame = async (path: string, header: VerificationHeader): Promise<boolean> => {
  const contents = await readFile(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return Buffer.alloc(0)
    throw fileError('cannot read', path, error)
  })
  const [first] = wholeEvents(contents).events
  if (first?.event === HEADER) {
    const difference = differenceOf(first as unknown as VerificationHeader, header)
    if (difference === undefined) return true
    throw new CoppiceError(
      'ERR_FILE',
      `${path} holds another verification: ${difference}; choose another file with -o, or remove this one`,
    )
  }
  // Killed while it wrote the first line.
  const torn =
    !contents.includes(10) && contents.toString('utf8').startsWith('{"time":"'.slice(0, contents.length))
  if (torn) return false
  throw new CoppiceError('ERR_FILE', `${path} is no verification; choose another file with -o`)
}

/** What differs between two verifications, in words. */
const differenceOf = (there: VerificationHeader, here: VerificationHeader): string | undefined => {
  const differs = (key: keyof VerificationHeader) => !sameData(there[key], here[key])
  if (there.network?.fingerprint !== here.network.fingerprint) {
    return `of a network with other weights ("${there.network?.name}")`
  }
  if (there.data?.fingerprint !== here.data.fingerprint) return `of other images ("${there.data?.name}")`
  if (differs('epsilon'))
    return `eps is ${formatPixels(there.epsilon)} there, ${formatPixels(here.epsilon)} here`
  for (const key of ['verifier', 'attack', 'seed'] as const) {
    if (differs(key)) return `${key} is ${canonicalJson(there[key])} there, ${canonicalJson(here[key])} here`
  }
  return undefined
}

const verdictsIn = (path: string, events: readonly RunEvent[]): ImageVerdict[] =>
  events
    .filter(({ event }) => event === IMAGE)
    .map((event) => {
      const line = lineSchema.safeParse(event)
      if (line.success) return line.data
      throw new CoppiceError('ERR_FILE', `${path} is damaged: image ${String(event.index)} cannot be read`, {
        cause: line.error,
      })
    })
