/**
 * Reads the log of a run as it is now, piece by piece and without ever writing: it may be longer than the memory, grow,
 * be cut back by a resumed run, or be damaged. What is no event is named, and the rest is read all the same.
 */
import { withFile } from '../files/read.js'
import { eventOf, type RunEvent } from './events.js'

/** Bytes that are read at once. */
const CHUNK = 4 * 2 ** 20
/** Bytes of the longest line that may be an event. */
const LONGEST_LINE = 2 ** 20
/** Bytes at the beginning and at the end of what is new that are read of a log that is longer than both. */
const END = 32 * 2 ** 20

/** Bytes before the place where a reader stands by which it knows the log again. */
const KNOWN = 64

/** Where a reader of a log stands. */
export interface Tail {
  /** Bytes of complete lines that were read. */
  readonly bytes: number
  readonly lines: number
  /** The last of those bytes. */
  readonly last: Buffer
}

export const START: Tail = { bytes: 0, lines: 0, last: Buffer.alloc(0) }

/**
 * Reads what a log has after `from`. A last line that is being written is left for the next time.
 *
 * Of much that is new, the beginning and the end are read.
 *
 * @param onFault takes what is wrong with a line, in words that name it; lines are counted without those not read
 * @returns where the next call goes on; undefined if the log was cut back before `from`, as by a run that resumes:
 * then it is to be read anew
 * @throws CoppiceError `ERR_FILE` where the log is missing or no regular file
 */
export const readTail = (
  path: string,
  from: Tail,
  onEvent: (event: RunEvent) => void,
  onFault: (fault: string) => void,
): Promise<Tail | undefined> =>
  withFile(path, Number.POSITIVE_INFINITY, async ({ size, readInto }) => {
    const { last } = from
    if (size < from.bytes) return undefined
    const there = Buffer.alloc(last.length)
    await readInto(there, from.bytes - last.length)
    if (!there.equals(last)) return undefined
    let { bytes, lines } = from
    let rest = Buffer.alloc(0)
    /** Whether the beginning of the line under way was dropped. */
    let skipping = false
    const gap = { from: bytes + END, to: size - END }
    for (let position = bytes; position < size; ) {
      if (position >= gap.from && position < gap.to) {
        onFault(`${gap.to - position} bytes in its middle were not read`)
        position = gap.to
        // The gap ends within a line.
        skipping = true
        rest = Buffer.alloc(0)
      }
      const chunk = Buffer.allocUnsafe(Math.min(CHUNK, size - position))
      await readInto(chunk, position)
      position += chunk.length
      const text = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
      let begin = 0
      for (let end = text.indexOf(10); end >= 0; end = text.indexOf(10, begin)) {
        lines++
        const line = text.subarray(begin, end)
        if (!skipping && line.length > LONGEST_LINE) tooLong(onFault, lines)
        else if (!skipping) takeLine(line, lines, onEvent, onFault)
        skipping = false
        begin = end + 1
      }
      rest = text.subarray(begin)
      bytes = position - rest.length
      if (rest.length > LONGEST_LINE) {
        if (!skipping) tooLong(onFault, lines + 1)
        skipping = true
        rest = Buffer.alloc(0)
      }
    }
    const known = Buffer.alloc(Math.min(KNOWN, bytes))
    await readInto(known, bytes - known.length)
    return { bytes, lines, last: known }
  })

const tooLong = (onFault: (fault: string) => void, line: number): void =>
  onFault(`line ${line} is longer than ${LONGEST_LINE} bytes`)

const takeLine = (
  line: Buffer,
  number: number,
  onEvent: (event: RunEvent) => void,
  onFault: (fault: string) => void,
): void => {
  const text = line.toString('utf8')
  const value = parsed(text)
  const event = eventOf(value)
  if (event !== undefined) onEvent(event)
  else onFault(`line ${number} ${problemOf(text, value)}`)
}

const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text) as unknown
  } catch {
    return undefined
  }
}

/** Why a line is no event. JSON has no NaN: it is written as null, by other programs as the bare word. */
const problemOf = (text: string, value: unknown): string => {
  if (value === undefined) {
    return /\b(NaN|Infinity)\b/.test(text) ? 'holds NaN or Infinity, which are no numbers' : 'is no JSON'
  }
  if (typeof value !== 'object' || value === null || !('event' in value)) return 'is no event'
  const empty = Object.entries(value).find(([, each]) => each === null)
  return empty === undefined
    ? `is no event of the kind ${JSON.stringify(value.event).slice(0, 40)}`
    : `has no number as its ${JSON.stringify(empty[0].slice(0, 40))}, as where it was NaN or infinite`
}
