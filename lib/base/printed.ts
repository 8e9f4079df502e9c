/** How values look at a prompt: in a few words or a small table, never as a screenful of numbers. */
import { type InspectOptions, inspect } from 'node:util'

/** The value, which from now on prints as `text` says; nothing else about it changes. Not for a frozen one. */
export const printedAs = <Value extends object>(value: Value, text: (value: Value) => string): Value =>
  Object.defineProperty(value, inspect.custom, {
    configurable: true,
    value(this: Value) {
      return text(this)
    },
  })

/** Whether what is printed lies within something else, where a line is all there is room for. */
export const isWithin = (depth: number | null, options: InspectOptions): boolean =>
  depth !== (options.depth ?? null)

/** Columns without rules between them, as plain as text allows; those in `numeric` are aligned to the right. */
export const columns = (
  head: readonly string[],
  rows: readonly (readonly string[])[],
  numeric: readonly number[] = [],
): string => {
  const lines = [head, ...rows]
  const widths = head.map((_, column) => Math.max(...lines.map((line) => [...(line[column] ?? '')].length)))
  const pad = (text: string, column: number): string => {
    const space = ' '.repeat((widths[column] ?? 0) - [...text].length)
    return numeric.includes(column) ? space + text : text + space
  }
  return lines.map((line) => line.map(pad).join('  ').trimEnd()).join('\n')
}

const EIGHTHS = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉']

/** A fraction as a bar of at most `width` characters, to an eighth of one. */
export const bar = (fraction: number, width = 20): string => {
  const eighths = Math.round(Math.min(1, Math.max(0, fraction)) * width * 8)
  return '█'.repeat(Math.floor(eighths / 8)) + (EIGHTHS[eighths % 8] ?? '')
}

/** `12,345`. */
export const count = (value: number): string => Math.round(value).toLocaleString('en-US')

/** `15.3 M`, `313 M`, `1.2 k`: three digits. */
export const roughly = (value: number): string => {
  for (const [unit, size] of [
    ['G', 1e9],
    ['M', 1e6],
    ['k', 1e3],
  ] as const) {
    if (value >= size) return `${Number((value / size).toPrecision(3))} ${unit}`
  }
  return `${value}`
}

/** `90 %`, `33.33 %`. */
export const percent = (fraction: number): string => `${Number((100 * fraction).toFixed(2))} %`
