/** metrics.ndjson: one line per event, appended and flushed; cut back to a checkpoint when a run resumes from it. */
import { type FileHandle, open } from 'node:fs/promises'
import { fileError } from '../files/files.js'

/** An event of a run: what happened, when, and its figures. */
export interface RunEvent {
  event: string
  [key: string]: unknown
}

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

  /** Opens the log, cut back to its first `keep` bytes, and to whole lines. */
  static async open(path: string, keep = Number.POSITIVE_INFINITY): Promise<Metrics> {
    try {
      const file = await open(path, 'a+')
      const text = (await file.readFile()).subarray(0, Math.min(keep, Number.MAX_SAFE_INTEGER))
      const { events, length } = wholeEvents(text)
      await file.truncate(length)
      return new Metrics(path, file, events, length)
    } catch (error) {
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

/** The events of the complete lines at the start of a log, and the length of those lines. */
export const wholeEvents = (log: Buffer): { events: RunEvent[]; length: number } => {
  const events: RunEvent[] = []
  let length = 0
  for (let end = log.indexOf(10); end >= 0; end = log.indexOf(10, length)) {
    try {
      events.push(JSON.parse(log.toString('utf8', length, end)) as RunEvent)
    } catch {
      break
    }
    length = end + 1
  }
  return { events, length }
}
