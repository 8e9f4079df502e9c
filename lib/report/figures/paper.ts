/** Our figures against the paper's: what lies on the line is equal. */
import type { TopLevelSpec } from 'vega-lite'
import { comparedOf, type ReproductionRecord } from '../material/reproductions.js'
import { colour } from '../theme.js'
import { type Figure, VEGA_LITE } from './figure.js'
import { and, plural } from './words.js'

/** Verdicts, in the order of a sentence, and what they look like. */
export const VERDICTS: Readonly<Record<string, { mark: string; colour: string }>> = {
  agrees: { mark: '✓', colour: colour('grey') },
  better: { mark: '▲', colour: colour('blue') },
  worse: { mark: '▼', colour: colour('orange') },
  higher: { mark: '▲', colour: colour('green') },
  lower: { mark: '▼', colour: colour('purple') },
  'another order': { mark: '⇅', colour: colour('gold') },
}

/** `Of 24 figures of the paper 12 agree with ours …`; undefined where none was run. */
export const paperFinding = (reproductions: readonly ReproductionRecord[]): string | undefined => {
  const cells = reproductions.flatMap((each) => each.cells).filter((cell) => comparedOf(cell) !== undefined)
  if (cells.length === 0) return undefined
  const counts = Object.keys(VERDICTS).flatMap((verdict) => {
    const count = cells.filter((cell) => cell.verdict === verdict).length
    if (count === 0) return []
    return [
      verdict === 'agrees'
        ? `${count} agree with the paper's`
        : `${count} ${count === 1 ? 'is' : 'are'} ${wordsOf(verdict)}`,
    ]
  })
  return counts.length === 0 ? undefined : `Of ${plural(cells.length, 'figure')} of ours ${and(counts)}.`
}

const wordsOf = (verdict: string): string => (verdict === 'another order' ? 'in another order' : verdict)

/** A dot for each cell that was run and that the paper has; undefined where there is none. */
export const paperFigure = (
  reproductions: readonly ReproductionRecord[],
  id = 'paper-overview',
): Figure | undefined => {
  const points = reproductions.flatMap(({ name, cells }) =>
    cells.flatMap((cell) => {
      const pair = comparedOf(cell)
      if (pair === undefined) return []
      const { low, high } = cell.compared === 'value' ? (cell.ours ?? {}) : {}
      return [
        {
          ...{ table: name, row: cell.row.join(', '), column: cell.column, verdict: cell.verdict },
          ...{
            compared: cell.compared,
            ours: pair.ours,
            paper: pair.paper,
            low: low ?? null,
            high: high ?? null,
          },
        },
      ]
    }),
  )
  if (points.length === 0) return undefined
  const least = Math.min(...points.flatMap(({ ours, paper }) => [ours, paper]))
  const most = Math.max(...points.flatMap(({ ours, paper }) => [ours, paper]))
  const verdicts = Object.keys(VERDICTS).filter((verdict) =>
    points.some((point) => point.verdict === verdict),
  )
  const others = [...new Set(points.map(({ verdict }) => verdict))].filter(
    (verdict) => !verdicts.includes(verdict),
  )
  const domain = [...verdicts, ...others]
  const range = domain.map((verdict) => VERDICTS[verdict]?.colour ?? colour('quiet'))
  const kept = points.some(({ compared }) => compared === 'kept')
  const axis = { tickCount: 5 }
  return {
    id,
    title: "Ours against the paper's",
    finding: paperFinding(reproductions) ?? '',
    note: `On the line both are equal; above it ours is more.${kept ? " Where network or data are smaller than the paper's, it is what is kept of the dense network's that is compared." : ''} Lines are 95 % intervals.`,
    data: points,
    spec: ({ width, narrow }) => {
      const key = {
        field: 'verdict',
        type: 'nominal',
        title: null,
        legend: { orient: 'top', columns: narrow ? 2 : 6 },
      }
      const side = Math.min(width, narrow ? width : 420)
      return {
        $schema: VEGA_LITE,
        data: { values: points },
        width: side,
        height: side * 0.8,
        layer: [
          {
            data: { values: [{ a: least }, { a: most }] },
            mark: { type: 'line', color: colour('muted'), strokeDash: [4, 3], strokeWidth: 1.5 },
            encoding: { x: { field: 'a', type: 'quantitative' }, y: { field: 'a', type: 'quantitative' } },
          },
          {
            transform: [{ filter: 'isValid(datum.low)' }],
            mark: { type: 'rule', strokeWidth: 1.5 },
            encoding: {
              x: { field: 'paper', type: 'quantitative' },
              y: { field: 'low', type: 'quantitative' },
              y2: { field: 'high' },
              color: { ...key, scale: { domain, range } },
            },
          },
          {
            mark: { type: 'point', filled: true, size: 80, opacity: 0.9 },
            encoding: {
              x: { field: 'paper', type: 'quantitative', title: "the paper's", scale: { zero: false }, axis },
              y: { field: 'ours', type: 'quantitative', title: 'ours', scale: { zero: false }, axis },
              color: { ...key, scale: { domain, range } },
              shape: key,
            },
          },
        ],
      } as unknown as TopLevelSpec
    },
  }
}
