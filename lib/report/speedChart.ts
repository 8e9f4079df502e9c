/** The chart of the sparse benchmark: how many times faster than dense, over what was pruned, one line a structure. */
import type { TopLevelSpec } from 'vega-lite'
import type { ModelResult } from '../sparse/benchmark/sparse.js'

interface Point {
  structure: string
  panel: string
  /** Percent of the multiply-adds that are gone. */
  pruned: number
  ratio: number
  against: string
}

const SAME = 'same type'
const BEST = 'at its best'
const COLOR = {
  field: 'structure',
  type: 'nominal',
  title: 'structure',
  scale: { scheme: 'tableau10' },
  legend: { symbolType: 'circle' },
} as const

/** One panel for each batch, log scale; solid against libtorch in the same type, dashed against libtorch at its best. */
export const speedChart = (models: readonly ModelResult[], machine: string): TopLevelSpec => {
  const dtypes = new Set(models.flatMap(({ rows }) => rows.map(({ dtype }) => dtype)))
  const panel = (batch: number, dtype: string) => `batch ${batch}${dtypes.size > 1 ? `, ${dtype}` : ''}`
  const values: Point[] = models.flatMap(({ structure, macs, denseMacs, rows }) =>
    rows.flatMap(({ batch, dtype, sameType, best }) => {
      const place = { structure, panel: panel(batch, dtype), pruned: 100 * (1 - macs / denseMacs) }
      return [
        { ...place, ratio: sameType.ratios.warm, against: SAME },
        { ...place, ratio: best.ratios.warm, against: BEST },
      ]
    }),
  )
  const panels = [...new Set(values.map((value) => value.panel))]
  const x = {
    field: 'pruned',
    type: 'quantitative',
    title: 'multiply-adds pruned, %',
    scale: { zero: false, padding: 12 },
    axis: { tickCount: 5 },
  } as const
  const y = {
    field: 'ratio',
    type: 'quantitative',
    title: 'times as fast as dense',
    scale: { type: 'log' },
    axis: { format: '~g', tickCount: 6 },
  } as const
  return {
    $schema: 'https://vega.github.io/schema/vega-lite/v6.json',
    title: {
      text: `${[...new Set(models.map(({ network }) => network))].join(', ')}: speed of the pruned network`,
      subtitle: `${machine}; ${[...dtypes].join(', ')}; medians, layout conversion included; below 1 it loses`,
    },
    data: { values },
    facet: { field: 'panel', type: 'nominal', title: null, sort: panels },
    columns: 3,
    spec: {
      width: 230,
      height: 200,
      layer: [
        {
          mark: { type: 'rule', color: '#888' },
          encoding: { y: { datum: 1 } },
        },
        {
          mark: { type: 'line', strokeWidth: 2 },
          encoding: {
            x,
            y,
            color: COLOR,
            strokeDash: {
              field: 'against',
              type: 'nominal',
              title: 'against libtorch',
              scale: {
                domain: [SAME, BEST],
                range: [
                  [1, 0],
                  [5, 4],
                ],
              },
              legend: { symbolType: 'stroke', symbolSize: 400, symbolStrokeColor: '#333' },
            },
          },
        },
        {
          mark: { type: 'point', filled: true, size: 45, opacity: 1 },
          encoding: { x, y, color: COLOR, detail: { field: 'against' } },
        },
      ],
    },
  } as TopLevelSpec
}
