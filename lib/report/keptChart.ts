/** The chart of a run's finding: accuracy and robustness of the dense network and of each way of fine-tuning it. */
import type { TopLevelSpec } from 'vega-lite'
import type { Proportion } from '../base/wilson.js'
import type { ResultRow, RunResult } from '../runs/result.js'

interface Bar extends Pick<Proportion, 'value' | 'low' | 'high'> {
  network: string
  metric: string
  label: string
}

/** Two colours that colour-blind eyes tell apart (Okabe and Ito, 2008). */
const COLOURS = ['#c9ced6', '#0072b2']

/** Bars with their values and 95 % intervals: a pair for each network, the dense one first; `title` says it in a sentence. */
export const keptChart = ({ rows }: RunResult, title: string, subtitle: string): TopLevelSpec => {
  const robust = rows.some(({ verifications }) => verifications !== undefined) ? 'VRA' : 'ERA'
  const robustness = (row: ResultRow): Proportion => row.verifications?.[0]?.vra ?? row.era
  const values: Bar[] = rows.flatMap((row) =>
    [
      ['benign', row.accuracy],
      [robust, robustness(row)],
    ].map(([metric, proportion]) => {
      const { value, low, high } = proportion as Proportion
      return {
        network: nameOf(row),
        metric: metric as string,
        value,
        low,
        high,
        label: `${metric} ${value.toFixed(1)}`,
      }
    }),
  )
  const networks = [...new Set(values.map(({ network }) => network))]
  return {
    $schema: 'https://vega.github.io/schema/vega-lite/v6.json',
    title: { text: title, subtitle },
    data: { values },
    width: 560,
    height: { step: 26, for: 'offset' },
    encoding: {
      y: {
        field: 'network',
        type: 'nominal',
        title: null,
        sort: networks,
        scale: { paddingInner: 0.25 },
        axis: { ticks: false, domain: false, labelLimit: 0, labelFontSize: 13, labelPadding: 8 },
      },
      yOffset: { field: 'metric', type: 'nominal', sort: ['benign', robust] },
    },
    layer: [
      {
        mark: { type: 'bar', height: { band: 0.9 } },
        encoding: {
          x: {
            field: 'value',
            type: 'quantitative',
            title: 'accuracy, %',
            scale: { domain: [0, 100] },
            axis: { tickCount: 5 },
          },
          color: {
            field: 'metric',
            type: 'nominal',
            legend: null,
            scale: { domain: ['benign', robust], range: COLOURS },
          },
        },
      },
      {
        mark: { type: 'rule', strokeWidth: 1.5, color: '#222' },
        encoding: { x: { field: 'low', type: 'quantitative' }, x2: { field: 'high' } },
      },
      {
        mark: { type: 'text', align: 'left', dx: 6, fontSize: 13 },
        encoding: { x: { field: 'high', type: 'quantitative' }, text: { field: 'label' } },
      },
    ],
  } as TopLevelSpec
}

const nameOf = ({ branch, objective, matched }: ResultRow): string => {
  if (branch === 'dense') return 'dense'
  if (objective === null) return 'pruned, not fine-tuned'
  return matched === false ? `pruned, ${branch} fine-tuning` : 'pruned, matched fine-tuning'
}
