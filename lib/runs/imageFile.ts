/**
 * What is found out about images one after another, on disk: a first line that says what is done and how, then one line
 * per image, appended as they come. The same work goes on with the file where it stopped, whatever stopped it.
 */
import { dirname } from 'node:path'
import type { z } from 'zod'
import { CoppiceError } from '../base/errors.js'
import { canonicalJson, sameData } from '../base/json.js'
import { formatPixels, show } from '../base/numbers.js'
import { version } from '../base/version.js'
import { fileError, makeFolder } from '../files/files.js'
import { type Lock, takeLock } from '../files/lock.js'
import { isMissing, readBytes } from '../files/read.js'
import { eventOf, type RunEvent } from './events.js'
import { Metrics } from './metrics.js'

/** What the lines depend on, first of all. Memory, batch size and device are no part of it. */
export interface ImageFileHeader {
  network: { name: string; fingerprint: string }
  data: { name: string; fingerprint: string }
}

/** A kind of such files. */
export interface ImageFileKind<Header extends ImageFileHeader, Line> {
  /** What a message calls the file. */
  name: string
  /** The event of the first line; none of a run's own. */
  event: string
  header: z.ZodType<Header>
  line: z.ZodType<Line>
}

/** Bytes that the first line may have. */
const LONGEST_HEADER = 65_536
const IMAGE = 'image'

/** A file with a line for each image, open for appending; no other process may have it open. */
export class ImageFile<Line> {
  private constructor(
    readonly path: string,
    /** What was there before. */
    readonly done: readonly Line[],
    private readonly log: Metrics,
    private readonly lock: Lock,
  ) {}

  /**
   * Opens the file of this work, or begins one. A last line that was torn is dropped.
   *
   * @throws CoppiceError `ERR_FILE` where the file holds anything else: another network, images, settings, or nothing of
   * the kind; where another process has it open; where the file system refuses
   */
  static async open<Header extends ImageFileHeader, Line>(
    kind: ImageFileKind<Header, Line>,
    path: string,
    header: Header,
  ): Promise<ImageFile<Line>> {
    await makeFolder(dirname(path)).catch((error) => {
      throw fileError('cannot make the folder of', path, error)
    })
    const lock = await takeLock(`${path}.lock`, path)
    let log: Metrics | undefined
    try {
      const begun = await requireSame(kind, path, header)
      log = await Metrics.open(path)
      if (!begun) {
        log.append({ event: kind.event, coppice: version, ...(header as object) })
        await log.flush()
      }
      return new ImageFile(path, linesIn(kind, path, log.events), log, lock)
    } catch (error) {
      await log?.close()
      await lock.release()
      throw error
    }
  }

  /** Appends lines; resolves when they are on the disk. */
  async append(lines: readonly Line[]): Promise<void> {
    for (const line of lines) this.log.append({ event: IMAGE, ...line })
    await this.log.flush()
  }

  async close(): Promise<void> {
    await this.log.close()
    await this.lock.release()
  }
}

/** Whether the file has begun, with this header; anything else in its place is left alone. */
const requireSame = async <Header extends ImageFileHeader, Line>(
  kind: ImageFileKind<Header, Line>,
  path: string,
  header: Header,
): Promise<boolean> => {
  const contents = await readBytes(path).catch((error: unknown) => {
    if (isMissing(error)) return Buffer.alloc(0)
    throw error
  })
  const first = headerIn(kind, contents)
  if (first !== undefined) {
    const difference = differenceOf(first, header)
    if (difference === undefined) return true
    throw new CoppiceError(
      'ERR_FILE',
      `${path} holds another ${kind.name}: ${difference}; choose another file with -o, or remove this one`,
    )
  }
  // Killed while it wrote the first line.
  const torn =
    !contents.includes(10) && contents.toString('utf8').startsWith('{"time":"'.slice(0, contents.length))
  if (torn) return false
  throw new CoppiceError('ERR_FILE', `${path} is no ${kind.name}; choose another file with -o`)
}

/** The header on the first line of a file, where it has one. */
const headerIn = <Header extends ImageFileHeader, Line>(
  { event, header }: ImageFileKind<Header, Line>,
  contents: Buffer,
): Header | undefined => {
  const end = contents.indexOf(10)
  try {
    const line: unknown = JSON.parse(contents.toString('utf8', 0, Math.min(end, LONGEST_HEADER)))
    return eventOf(line)?.event === event ? header.safeParse(line).data : undefined
  } catch {
    return undefined
  }
}

/** What differs between two works, in words: network and images first, then every other key of this one. */
const differenceOf = <Header extends ImageFileHeader>(there: Header, here: Header): string | undefined => {
  if (there.network.fingerprint !== here.network.fingerprint) {
    return `of a network with other weights (${show(there.network.name)})`
  }
  if (there.data.fingerprint !== here.data.fingerprint) return `of other images (${show(there.data.name)})`
  const others = (Object.keys(here) as (keyof Header & string)[]).filter(
    (key) => key !== 'network' && key !== 'data',
  )
  const key = others.find((name) => !sameData(there[name], here[name]))
  if (key === undefined) return undefined
  const told = (value: unknown) =>
    key === 'epsilon' && typeof value === 'number' ? formatPixels(value) : canonicalJson(value)
  return `${key === 'epsilon' ? 'eps' : key} is ${told(there[key])} there, ${told(here[key])} here`
}

const linesIn = <Header extends ImageFileHeader, Line>(
  kind: ImageFileKind<Header, Line>,
  path: string,
  events: readonly RunEvent[],
): Line[] =>
  events
    .filter(({ event }) => event === IMAGE)
    .map((event) => {
      const line = kind.line.safeParse(event)
      if (line.success) return line.data
      throw new CoppiceError('ERR_FILE', `${path} is damaged: image ${String(event.index)} cannot be read`, {
        cause: line.error,
      })
    })
