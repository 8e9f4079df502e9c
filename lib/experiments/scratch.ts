/**
 * Tables 6 and 7: networks pruned by filters and fine-tuned, against networks from scratch that lack the same share of
 * filters in each layer. Fresh filters are alike, so which are removed at random makes no difference: it is the network
 * of that width.
 */
import { planSteps } from '../compression/plan.js'
import { describeNetwork } from '../networks/describe.js'
import { networkSpec } from '../networks/index.js'
import type { ReproducedCell } from '../papers/reproduction.js'
import { dense, type ScratchRow } from '../papers/sehwag2019.js'
import { percent } from './curves.js'
import type { Cell, Experiment, Setting } from './experiment.js'
import { accuracyOf, type Metric, metricTitles } from './measures.js'
import type { TrainedWith } from './scale.js'
import { pruned, trained } from './sources.js'

interface TableOf {
  readonly name: string
  readonly title: string
  readonly table: { readonly where: string; readonly rows: readonly ScratchRow[] }
  readonly with: TrainedWith
}

const columns = { epochs: 'scratch', compute: 'scratch, same compute', tuned: 'fine-tuned' } as const

export const scratchTable = ({ name, title, table, with: objective }: TableOf): Experiment => ({
  name,
  title,
  where: table.where,
  head: ['pruned'],
  cells: (setting) => table.rows.flatMap((row) => cellsOf(setting, row, objective)),
  findings: (cells) => [
    comparison(cells, 'ACC'),
    ...(objective === 'natural' ? [] : [comparison(cells, 'ERA')]),
  ],
})

const cellsOf = (setting: Setting, row: ScratchRow, objective: TrainedWith): Cell[] => {
  const training = { network: 'vgg16', with: objective } as const
  const { epochs, compute } = lengths(setting, objective, row.sparsity)
  const filters = 1 - row.sparsity
  const before = trained(setting, training)
  const sources = {
    epochs: trained(setting, { ...training, filters, epochs }),
    compute: trained(setting, { ...training, filters, epochs: compute }),
    tuned: pruned(setting, training, { structure: 'filter', tuning: objective, at: row.sparsity }),
  }
  return (['accuracy', 'era'] as const).flatMap((metric: Metric) => {
    const paper = metric === 'accuracy' ? row.accuracy : row.era
    if (paper === undefined) return []
    // Of naturally trained networks before pruning the paper prints nothing.
    const whole =
      objective === 'adversarial' ? dense.vgg16[metric === 'accuracy' ? 'accuracy' : 'robust'] : undefined
    return (Object.keys(columns) as (keyof typeof columns)[]).map((key): Cell => {
      const printed = key === 'compute' ? undefined : paper[key === 'tuned' ? 'tuned' : 'scratch']
      return {
        row: [percent(row.sparsity)],
        column: `${metricTitles[metric]} ${columns[key]}`,
        measure: accuracyOf(sources[key], metric),
        ...(printed !== undefined && { paper: printed, rivals: metricTitles[metric] }),
        ...(whole !== undefined && { dense: { measure: accuracyOf(before, metric), paper: whole } }),
      }
    })
  })
}

/**
 * Epochs from scratch. The same epochs: those of pre-training, and of fine-tuning until the ratio is reached. The same
 * compute: as many as cost what these cost the whole network, which a mask does not make cheaper; but no more than the
 * scale's multiple of the same epochs.
 */
const lengths = (setting: Setting, objective: TrainedWith, sparsity: number) => {
  const { scale, readings } = setting
  const { width, pretrain, prune } = scale.networks.vgg16
  const { step = prune.steps } =
    readings.points === 'runs'
      ? {}
      : (planSteps(readings.schedule, Math.max(...scale.points), prune.steps, scale.points).milestones.find(
          (milestone) => milestone.sparsity === sparsity,
        ) ?? {})
  const before = readings.epochs ?? pretrain[objective].epochs ?? 0
  const epochs = readings.scratch === 'pretraining' ? before : before + step * prune.epochsPerStep
  const macs = (factor: number) => describeNetwork(networkSpec('vgg16', { scale: factor })).macs
  const times = macs(width) / macs(width * (1 - sparsity))
  return { epochs, compute: Math.round(epochs * Math.min(times, scale.mostCompute)) }
}

/** Who wins, and whether beyond the intervals. */
const comparison = (cells: readonly ReproducedCell[], metric: string): string => {
  const rows = [...new Set(cells.map(({ row }) => row[0] ?? ''))]
  const parts = rows.map((row) => {
    const of = (column: string) =>
      cells.find((cell) => cell.row[0] === row && cell.column === `${metric} ${column}`)?.ours
    const [scratch, tuned] = [of(columns.epochs), of(columns.tuned)]
    if (scratch?.low === undefined || tuned?.low === undefined) return `${row}: unknown`
    const apart = (tuned.high ?? 0) < scratch.low || tuned.low > (scratch.high ?? 0)
    const difference = tuned.value - scratch.value
    return `${row}: ${difference < 0 ? '−' : '+'}${Math.abs(difference).toFixed(1)}${apart ? '' : ' (intervals overlap)'}`
  })
  return `${metric} of fine-tuned less that of scratch with the same epochs: ${parts.join(', ')}.`
}
