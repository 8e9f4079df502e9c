/**
 * The lowest scores of many, without sorting: a histogram of the leading 16 bits finds where the limit lies, one of the
 * next 16 bits narrows it, and so on. The bits of floats that are at least 0 order as the floats do.
 */
import type { Floats } from '../../bindings/native.js'
import { FREE, PRUNED } from './layers.js'

/** Groups of one layer. All rankings that compete have the same type of scores. */
export interface Ranking {
  /** Finite and at least 0. */
  scores: Floats
  /** What each group counts: one number for all, or one each. */
  sizes: number | Uint32Array
  /** Only groups with the flag `FREE` are candidates. */
  flags: Uint8Array
}

/**
 * Sets the flags of the lowest-scored candidates to `PRUNED`, up to `amount` in the measure of the sizes: exactly, where
 * all sizes are 1; else to the nearest that whole groups allow. Equal scores go in the order of the rankings. Gives
 * other work a turn between rankings.
 */
export const pruneLowest = async (rankings: readonly Ranking[], amount: number): Promise<void> => {
  const [first] = rankings
  if (first === undefined || amount <= 0) return
  const digits = first.scores.BYTES_PER_ELEMENT / 2
  const prefix = new Uint16Array(digits)
  let left = amount
  for (let digit = 0; digit < digits; digit++) {
    const histogram = new Float64Array(65536)
    for (const ranking of rankings) {
      addToHistogram(histogram, ranking, prefix.subarray(digits - digit), digits - 1 - digit)
      await breathe()
    }
    // Only the first digit's histogram holds all candidates.
    if (digit === 0 && histogram.reduce((total, size) => total + size, 0) <= amount) {
      for (const ranking of rankings) pruneAll(ranking)
      return
    }
    let value = 0
    for (let size = histogram[0] ?? 0; size <= left; size = histogram[++value] ?? 0) left -= size
    prefix[digits - 1 - digit] = value
  }
  const [limit = 0] = digits === 2 ? new Float32Array(prefix.buffer) : new Float64Array(prefix.buffer)
  let room = left
  for (const ranking of rankings) {
    room = pruneUpTo(ranking, limit, room)
    await breathe()
  }
}

/** Lets timers, signals and input have their turn. */
export const breathe = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** Adds the candidates whose leading digits are `leading` (in memory order) to the histogram of the digit `place`. */
const addToHistogram = (
  histogram: Float64Array,
  ranking: Ranking,
  leading: Uint16Array,
  place: number,
): void => {
  const { scores, sizes, flags } = ranking
  const digits = scores.BYTES_PER_ELEMENT / 2
  const halves = new Uint16Array(scores.buffer, scores.byteOffset, scores.length * digits)
  const known = leading.length
  const nearest = leading[0]
  const one = typeof sizes === 'number' ? sizes : 0
  for (let group = 0, at = place; group < flags.length; group++, at += digits) {
    if (flags[group] !== FREE) continue
    // Most candidates differ in the first digit that is compared, the one before `place`.
    if (known > 0 && (halves[at + 1] !== nearest || !matches(halves, at + 1, leading))) continue
    const digit = halves[at] ?? 0
    histogram[digit] = (histogram[digit] ?? 0) + (typeof sizes === 'number' ? one : (sizes[group] ?? 0))
  }
}

const matches = (halves: Uint16Array, at: number, leading: Uint16Array): boolean => {
  for (let index = 1; index < leading.length; index++) {
    if (halves[at + index] !== leading[index]) return false
  }
  return true
}

const pruneAll = ({ flags }: Ranking): void => {
  for (let group = 0; group < flags.length; group++) if (flags[group] === FREE) flags[group] = PRUNED
}

/** Prunes what is below the limit, and what is equal to it as long as there is room; returns the room left. */
const pruneUpTo = ({ scores, sizes, flags }: Ranking, limit: number, room: number): number => {
  let left = room
  for (let group = 0; group < flags.length; group++) {
    if (flags[group] !== FREE) continue
    const score = scores[group] ?? 0
    if (score > limit) continue
    if (score === limit) {
      const size = typeof sizes === 'number' ? sizes : (sizes[group] ?? 0)
      // Too much by less than it would be too little otherwise; after the first that stays, all stay.
      if (size >= 2 * left) {
        left = 0
        continue
      }
      left -= size
    }
    flags[group] = PRUNED
  }
  return left
}
