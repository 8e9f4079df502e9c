/** Runs in a terminal: a few lines each, with the running figures drawn in characters. */
import { formatSeconds } from '../../base/numbers.js'
import { one } from '../figures/words.js'
import type { RunRecord } from '../material/record.js'
import { formatProportion } from '../tables.js'
import { progressOf } from './progress.js'

const BLOCKS = '▁▂▃▄▅▆▇█'
const WIDTH = 48
const BAR = 24

/** A line of characters as high as the values; of more values than there is room for, the mean of neighbours. */
export const sparkline = (values: readonly number[], width = WIDTH): string => {
  const drawn = Math.min(width, values.length)
  const shown = Array.from({ length: drawn }, (_, index) => {
    const part = values.slice(
      Math.floor((index * values.length) / drawn),
      Math.floor(((index + 1) * values.length) / drawn),
    )
    return part.reduce((sum, value) => sum + value, 0) / part.length
  })
  const [low, high] = [Math.min(...shown), Math.max(...shown)]
  const level = (value: number) =>
    high > low ? Math.round(((value - low) / (high - low)) * (BLOCKS.length - 1)) : 0
  return shown.map((value) => BLOCKS[level(value)]).join('')
}

/** A few lines for each run. */
export const plainText = (runs: readonly RunRecord[]): string =>
  runs.length === 0 ? 'No run has begun yet.' : runs.map(runText).join('\n\n')

const runText = (run: RunRecord): string => {
  const { name, state, history, rows } = run
  const progress = progressOf(run)
  const filled = Math.round(BAR * (progress?.fraction ?? 0))
  const bar =
    progress && `[${'█'.repeat(filled)}${'░'.repeat(BAR - filled)}] ${(100 * progress.fraction).toFixed(0)} %`
  const left = progress?.left === undefined ? undefined : `${formatSeconds(progress.left)} left`
  const points = [...history.epochs, ...history.steps].flatMap(({ loss, accuracy }) =>
    loss === undefined || accuracy === undefined ? [] : [{ loss, accuracy }],
  )
  const last = points.at(-1)
  return [
    [safe(name), state, bar, left].filter((part) => part !== undefined).join('  '),
    ...(last === undefined
      ? []
      : [
          `  loss      ${sparkline(points.map(({ loss }) => loss))} ${last.loss.toFixed(3)}`,
          `  accuracy  ${sparkline(points.map(({ accuracy }) => accuracy))} ${one(last.accuracy)} %`,
        ]),
    ...rows.map(
      (row) =>
        `  ${safe(row.name)}: benign ${formatProportion(row.accuracy)}, ERA ${formatProportion(row.era)}`,
    ),
    ...[...history.warnings.slice(-2), ...run.faults].map((message) => `  ! ${safe(message)}`),
  ].join('\n')
}

/** Names and messages bring no control characters into a terminal. */
const safe = (text: string): string => text.replace(/[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]+/gu, ' ')
