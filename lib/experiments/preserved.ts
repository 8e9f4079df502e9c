/** Tables 2 to 5: what a pruned network keeps without fine-tuning, with natural and with matched fine-tuning. */

import type { ReproducedCell } from '../papers/reproduction.js'
import { dense, type PaperNetwork, type PrunedTable } from '../papers/sehwag2019.js'
import { type Cell, type Experiment, type Setting, titles } from './experiment.js'
import { accuracyOf, type Metric, metricTitles } from './measures.js'
import type { TrainedWith } from './scale.js'
import { pruned, trained } from './sources.js'

/** Columns as the paper calls them. */
const tunings = { none: 'None', natural: 'Nat', matched: 'Robust' } as const

interface TableOf {
  readonly name: string
  readonly title: string
  readonly table: PrunedTable
  readonly structure: 'unstructured' | 'filter'
  /** The objective of pre-training, and the robust accuracy that it is about. */
  readonly with: TrainedWith
  readonly robust: Metric
}

export const preservedTable = ({ name, title, table, structure, robust, ...of }: TableOf): Experiment => ({
  name,
  title,
  where: table.where,
  head: ['network', 'pruned'],
  cells: (setting) => cellsOf(setting, table, structure, of.with, robust),
  findings: (cells) => [firstPlaces(cells, metricTitles[robust]), ...keptShares(cells, metricTitles[robust])],
})

const cellsOf = (
  setting: Setting,
  table: PrunedTable,
  structure: TableOf['structure'],
  objective: TrainedWith,
  robust: Metric,
): Cell[] => {
  const networks = [...new Set(table.rows.map(({ network }) => network))]
  return networks.flatMap((network) => {
    const training = { network, with: objective }
    const before = trained(setting, training)
    const whole = (metric: Metric) => ({
      measure: accuracyOf(before, metric),
      paper: dense[network][metric === 'accuracy' ? 'accuracy' : 'robust'],
    })
    const metrics = [robust, 'accuracy'] as const
    const denseCells = metrics.map(
      (metric): Cell => ({ row: [titles[network], 'dense'], column: metricTitles[metric], ...whole(metric) }),
    )
    const rows = table.rows.filter((row) => row.network === network)
    const prunedCells = rows.flatMap(({ sparsity, ...paper }) =>
      metrics.flatMap((metric) =>
        (Object.keys(tunings) as (keyof typeof tunings)[]).map((tuning): Cell => {
          const pruning = { structure, tuning: tuning === 'matched' ? objective : tuning, at: sparsity }
          return {
            row: rowOf(network, sparsity),
            column: `${metricTitles[metric]} ${tunings[tuning]}`,
            measure: accuracyOf(pruned(setting, training, pruning), metric),
            paper: paper[metric === 'accuracy' ? 'accuracy' : 'robust'][tuning],
            dense: whole(metric),
            rivals: metricTitles[metric],
          }
        }),
      ),
    )
    return [...denseCells, ...prunedCells]
  })
}

const rowOf = (network: PaperNetwork, sparsity: number) => [
  titles[network],
  `${Number((100 * sparsity).toFixed(2))} %`,
]

const firstPlaces = (cells: readonly ReproducedCell[], metric: string): string => {
  const values = (tuning: string) =>
    new Map(
      cells.flatMap(({ row, column, ours }) =>
        column === `${metric} ${tuning}` && ours ? [[row.join(', '), ours.value] as const] : [],
      ),
    )
  const [none, natural, matched] = Object.values(tunings).map(values)
  const rows = [...(matched ?? [])].filter(([row]) => none?.has(row) && natural?.has(row))
  const lost = rows.filter(([row, value]) => value <= Math.max(none?.get(row) ?? 0, natural?.get(row) ?? 0))
  return (
    `Robust has the highest ${metric} in ${rows.length - lost.length} of ${rows.length} rows` +
    (lost.length === 0 ? '.' : `; not at ${lost.map(([row]) => row).join('; ')}.`)
  )
}

/** How much of the dense network's robust accuracy matched fine-tuning keeps, ours and the paper's. */
const keptShares = (cells: readonly ReproducedCell[], metric: string): string[] => {
  const rows = cells.filter(({ column, row }) => column === `${metric} Robust` && row[1] === '90 %')
  return rows.flatMap(({ row, kept, paper, ours }) => {
    if (kept !== undefined)
      return [
        `${row[0]} at 90 % keeps ${kept.ours.toFixed(0)} % of its ${metric} (the paper: ${kept.paper.toFixed(0)} %).`,
      ]
    return ours && paper !== undefined
      ? [`${row[0]} at 90 % has ${ours.value.toFixed(1)} % ${metric} (the paper: ${paper.toFixed(1)} %).`]
      : []
  })
}
