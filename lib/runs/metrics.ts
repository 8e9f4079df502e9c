/** metrics.ndjson: one line per event, appended and flushed; cut back to a checkpoint when a run resumes from it. */
import { constants } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { CoppiceError } from '../base/errors.js'
import { fileError } from '../files/files.js'
import { LONGEST_FILE, readBytes, regularSize } from '../files/read.js'
import { eventOf, type RunEvent } from './events.js'

/** The event log of one run, open for appending. */
export class Metrics {
  private queue: Promise<void> = Promise.resolve()
  private failure: unknown
  /** Events written so far, in order. */
  readonly events: RunEvent[]

  private constructor(
    private readonly path: string,
    private readonly file: FileHandle,
    events: RunEvent[],
    private length: number,
  ) {
    this.events = events
  }

  /**
   * Opens the log, cut back to its first `keep` bytes, and to whole lines.
   *
   * @throws CoppiceError `ERR_FILE` where it cannot be opened, or a line is no event: then it is left as it is
   */
  static async open(path: string, keep = Number.POSITIVE_INFINITY): Promise<Metrics> {
    let file: FileHandle | undefined
    try {
      file = await open(path, APPEND)
      await regularSize(file, LONGEST_FILE)
      const text = (await file.readFile()).subarray(0, Math.min(keep, Number.MAX_SAFE_INTEGER))
      const { events, length } = eventsIn(path, text)
      await file.truncate(length)
      return new Metrics(path, file, events, length)
    } catch (error) {
      await file?.close()
      throw fileError('cannot open', path, error)
    }
  }

  /** Appends an event; failures surface at the next `flush`. */
  append(event: RunEvent): void {
    const stamped = { time: new Date().toISOString(), ...event }
    this.events.push(stamped)
    const line = Buffer.from(`${JSON.stringify(stamped)}\n`)
    this.queue = this.queue.then(async () => {
      if (this.failure !== undefined) return
      try {
        await this.file.appendFile(line)
        this.length += line.length
      } catch (error) {
        this.failure = error
      }
    })
  }

  /** Waits until everything is on disk. Resolves with the length of the log in bytes. */
  async flush(): Promise<number> {
    await this.queue
    if (this.failure !== undefined) throw fileError('cannot write', this.path, this.failure)
    await this.file.datasync()
    return this.length
  }

  async close(): Promise<void> {
    await this.queue
    await this.file.close()
  }
}

/** As 'a+', but a pipe does not wait for its other end. */
const APPEND = constants.O_RDWR | constants.O_APPEND | constants.O_CREAT | constants.O_NONBLOCK

/**
 * The events of a log as they are now, also of a run in progress; a last line that is being written is left out. Never
 * writes.
 *
 * @throws CoppiceError `ERR_FILE` where the log is missing, or a line is no event
 */
export const readEvents = async (path: string): Promise<RunEvent[]> =>
  eventsIn(path, await readBytes(path)).events

/** The events of the complete lines of a log, and the length of those lines. */
export const eventsIn = (path: string, log: Buffer): { events: RunEvent[]; length: number } => {
  const events: RunEvent[] = []
  let length = 0
  for (let end = log.indexOf(10); end >= 0; end = log.indexOf(10, length)) {
    const event = eventOf(lineOf(log.subarray(length, end)))
    if (event === undefined) {
      throw new CoppiceError('ERR_FILE', `${path} is damaged: line ${events.length + 1} is no event`)
    }
    events.push(event)
    length = end + 1
  }
  return { events, length }
}

const lineOf = (line: Buffer): unknown => {
  try {
    return JSON.parse(line.toString('utf8')) as unknown
  } catch {
    return undefined
  }
}
