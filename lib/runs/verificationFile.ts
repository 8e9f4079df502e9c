/**
 * A verification on disk: a first line that says what is verified and how, then one line per image, appended as they
 * come. The same verification goes on with the file where it stopped, whatever stopped it.
 */
import { dirname } from 'node:path'
import { z } from 'zod'
import { type Attack, attackSchema } from '../attacks/attack.js'
import { CoppiceError } from '../base/errors.js'
import { canonicalJson, sameData } from '../base/json.js'
import { formatPixels, show } from '../base/numbers.js'
import { version } from '../base/version.js'
import { fileError, makeFolder } from '../files/files.js'
import { type Lock, takeLock } from '../files/lock.js'
import { isMissing, readBytes } from '../files/read.js'
import { type Verifier, verifierSchema } from '../verification/index.js'
import { type ImageVerdict, verdictNames } from '../verification/verdict.js'
import { eventOf, type RunEvent } from './events.js'
import { Metrics } from './metrics.js'

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

const named = z.looseObject({ name: z.string(), fingerprint: z.string() })
const headerSchema: z.ZodType<VerificationHeader> = z.looseObject({
  network: named,
  data: named,
  // Its memory, which is not written, counts for nothing here.
  verifier: verifierSchema.transform(({ memory: _, ...verifier }) => verifier),
  epsilon: z.number(),
  attack: attackSchema.nullable(),
  seed: z.int(),
})

const HEADER = 'verification'
/** Bytes that the first line may have. */
const LONGEST_HEADER = 65_536
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
  const contents = await readBytes(path).catch((error: unknown) => {
    if (isMissing(error)) return Buffer.alloc(0)
    throw error
  })
  const first = headerIn(contents)
  if (first !== undefined) {
    const difference = differenceOf(first, header)
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

/** The header on the first line of a file, where it has one. */
const headerIn = (contents: Buffer): VerificationHeader | undefined => {
  const end = contents.indexOf(10)
  try {
    const line: unknown = JSON.parse(contents.toString('utf8', 0, Math.min(end, LONGEST_HEADER)))
    return eventOf(line)?.event === HEADER ? headerSchema.safeParse(line).data : undefined
  } catch {
    return undefined
  }
}

/** What differs between two verifications, in words. */
const differenceOf = (there: VerificationHeader, here: VerificationHeader): string | undefined => {
  const differs = (key: keyof VerificationHeader) => !sameData(there[key], here[key])
  if (there.network.fingerprint !== here.network.fingerprint) {
    return `of a network with other weights (${show(there.network.name)})`
  }
  if (there.data.fingerprint !== here.data.fingerprint) return `of other images (${show(there.data.name)})`
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
