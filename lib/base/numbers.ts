/** What people type, read kindly: numbers that may be fractions (`8/255`), and the known word nearest to a typo. */
import { z } from 'zod'

const FRACTION = /^\s*([+-]?\d+(?:\.\d+)?(?:e[+-]?\d+)?)\s*(?:\/\s*(\d+(?:\.\d+)?))?\s*$/i

/** The number a text such as `0.03`, `1e-4` or `8/255` stands for; NaN where it stands for none. */
export const parseFraction = (text: string): number => {
  const match = FRACTION.exec(text)
  if (match === null) return Number.NaN
  return Number(match[1]) / Number(match[2] ?? '1')
}

/** Schema of a finite number, also written as a fraction: `0.03` or `"8/255"`. */
export const fraction = z.unknown().transform((value, context): number => {
  const number = typeof value === 'string' ? parseFraction(value) : value
  if (typeof number === 'number' && Number.isFinite(number)) return number
  context.addIssue({
    code: 'custom',
    message: `expected a number or a fraction such as "8/255", received ${show(value)}`,
  })
  return z.NEVER
})

/** Schema of a number in [low, high], fractions allowed. */
export const fractionBetween = (low: number, high: number) =>
  fraction.refine((value) => value >= low && value <= high, {
    error: (issue) => `must lie between ${low} and ${high}, received ${show(issue.input)}`,
  })

const BYTES = /^\s*(\d+(?:\.\d+)?)\s*(?:([kmgt])(i?)b?|b)?\s*$/i

/** The number of bytes a text such as `512MB`, `1.5 GiB` or `1000000` stands for; NaN where it stands for none. */
export const parseBytes = (text: string): number => {
  const match = BYTES.exec(text)
  if (match === null) return Number.NaN
  const [, number, prefix, binary] = match
  const power = prefix === undefined ? 0 : 1 + 'kmgt'.indexOf(prefix.toLowerCase())
  return Math.floor(Number(number) * (binary ? 1024 : 1000) ** power)
}

/** Schema of a number of bytes, at least 1, also written `512MB`. */
export const byteSize = z.unknown().transform((value, context): number => {
  const bytes = typeof value === 'string' ? parseBytes(value) : value
  if (typeof bytes === 'number' && Number.isSafeInteger(bytes) && bytes > 0) return bytes
  context.addIssue({
    code: 'custom',
    message: `expected a number of bytes greater than 0, such as "512MB", received ${show(value)}`,
  })
  return z.NEVER
})

/** A distance in [0,1] pixels as people write it: `8/255` where it is a multiple of ½/255, else the decimal. */
export const formatPixels = (value: number): string => {
  const halves = Math.round(value * 510)
  return value > 0 && Math.abs(value * 510 - halves) < 1e-9 ? `${halves / 2}/255` : `${value}`
}

/** `42 s`, `3 min 20 s`, `5 h 12 min`. */
export const formatSeconds = (seconds: number): string => {
  const whole = Math.round(seconds)
  if (whole < 60) return `${whole} s`
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`
}

/** A value as it is named in an error: short, on one line. */
export const show = (value: unknown): string => {
  const text = typeof value === 'string' ? JSON.stringify(value.slice(0, 61)) : describe(value)
  return text.length > 60 ? `${text.slice(0, 57)}...` : text
}

/** A shape or another list of numbers as it is named in an error: `[3, 32, 32]`, of a long one its beginning. */
export const showShape = (shape: readonly number[]): string =>
  shape.length <= SHOWN
    ? `[${shape.join(', ')}]`
    : `[${shape.slice(0, SHOWN).join(', ')}, … ${shape.length} in all]`

/** Names as they are listed in an error: the first few, and how many more there are. */
export const showNames = (names: readonly string[]): string => {
  const first = names.slice(0, SHOWN).map((name) => show(name).slice(1, -1))
  const more = names.length - SHOWN
  return `${first.join(', ')}${more > 0 ? ` and ${more} more` : ''}`
}

/** Numbers or names of a list that an error shows. */
const SHOWN = 8

const describe = (value: unknown): string => {
  if (typeof value === 'function') return 'a function'
  if (ArrayBuffer.isView(value)) return value.constructor.name
  if (typeof value !== 'object' || value === null) return String(value)
  if (value instanceof Promise) return 'a promise (is an await missing?)'
  if (Array.isArray(value) && value.length > SHOWN) return `a list of ${value.length}`
  try {
    return JSON.stringify(value) ?? 'an object'
  } catch {
    return 'an object'
  }
}

/** The candidate nearest to `word` by edit distance without regard to case, if it is near enough to be meant. */
export const nearest = (word: string, candidates: readonly string[]): string | undefined => {
  const limit = Math.max(1, Math.floor(word.length / 2.5))
  let best: string | undefined
  let bestDistance = limit + 1
  for (const candidate of candidates) {
    const distance = editDistance(word.toLowerCase(), candidate.toLowerCase(), bestDistance)
    if (distance < bestDistance) {
      best = candidate
      bestDistance = distance
    }
  }
  return best
}

/** `; did you mean "x"?` for the nearest candidate, or nothing: the end of an error message. */
export const didYouMean = (word: string, candidates: readonly string[]): string => {
  const candidate = nearest(word, candidates)
  return candidate === undefined ? '' : `; did you mean "${candidate}"?`
}

/** Insertions, deletions, substitutions and swaps of neighbours between two words (optimal string alignment). */
const editDistance = (a: string, b: string, enough: number): number => {
  if (Math.abs(a.length - b.length) >= enough) return enough
  let beforePrevious: number[] = []
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1]
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      row[j] = Math.min(
        (previous[j] ?? 0) + 1,
        (row[j - 1] ?? 0) + 1,
        (previous[j - 1] ?? 0) + (same ? 0 : 1),
        swapped ? (beforePrevious[j - 2] ?? 0) + 1 : Number.POSITIVE_INFINITY,
      )
    }
    beforePrevious = previous
    previous = row
  }
  return previous[b.length] ?? enough
}
