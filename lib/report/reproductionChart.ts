/** A reproduced figure as a chart: each figure with its interval over the pruning ratio (or the epochs), panel by panel. */
import type { TopLevelSpec } from 'vega-lite'
import type { Reproduction } from '../papers/reproduction.js'

interface Point {
  readonly panel: string
  readonly x: number
  readonly figure: string
  readonly value: number
  readonly low: number
  readonly high: number
}

/** The chart of an experiment whose rows end in a number; nothing where they do not, or fewer than two have figures. */
export const reproductionChart = ({ title, where, head, cells }: Reproduction): TopLevelSpec | undefined => {
  const points = cells.flatMap(({ row, column, ours }): Point[] => {
    const x = Number(row.at(-1)?.replace(' %', ''))
    if (!Number.isFinite(x) || ours === undefined) return []
    const { value, low = value, high = value } = ours
    return [{ panel: row.slice(0, -1).join(', '), x, figure: column, value, low, high }]
  })
  if (new Set(points.map(({ x }) => x)).size < 2) return undefined
  const of = head.at(-1) ?? ''
  const axis = { field: 'x', type: 'quantitative', title: of === 'pruned' ? 'pruned, %' : of } as const
  const color = { field: 'figure', type: 'nominal', title: null } as const
  return {
    title: { text: title, subtitle: `${where}; ours, with 95 % intervals` },
    data: { values: points },
    facet: { field: 'panel', type: 'nominal', title: null, sort: null },
    columns: 2,
    spec: {
      width: 300,
      height: 180,
      layer: [
        {
          mark: { type: 'area', opacity: 0.15 },
          encoding: {
            x: axis,
            y: { field: 'low', type: 'quantitative', title: '%', scale: { zero: true } },
            y2: { field: 'high' },
            color,
          },
        },
        {
          mark: { type: 'line', point: true },
          encoding: { x: axis, y: { field: 'value', type: 'quantitative' }, color },
        },
      ],
    },
  }
}
