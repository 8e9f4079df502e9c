/** Curves over the pruning ratio: figures 2 and 5 to 9. A panel is one pre-training, structure and way of fine-tuning. */
import { figure9, dense as papersDense, table2, table3, table4, table5 } from '../papers/sehwag2019.js'
import { type Cell, type Setting, titles } from './experiment.js'
import { accuracyOf, type Metric, metricTitles } from './measures.js'
import { type Pruning, pruned, type Training, type Tuning, trained } from './sources.js'

export interface Panel {
  /** What the panel is called: `(a)`. */
  readonly name: string
  readonly training: Training
  readonly structure: Pruning['structure']
  readonly tuning: Tuning
  readonly metrics: readonly Metric[]
}

export const curveHead = ['panel', 'pruned'] as const

/** A cell for every metric of every panel: before pruning, and at each point of the scale. */
export const curveCells = (setting: Setting, panels: readonly Panel[]): Cell[] =>
  panels.flatMap(({ name, training, structure, tuning, metrics }) => {
    const before = trained(setting, training)
    const cells = metrics.map((metric): Cell => {
      const paper = paperDense(training, metric)
      const measure = accuracyOf(before, metric)
      return {
        row: [name, '0 %'],
        column: metricTitles[metric],
        measure,
        ...(paper !== undefined && { paper }),
      }
    })
    const points = setting.scale.points.flatMap((at) =>
      metrics.map((metric): Cell => {
        const source = pruned(setting, training, { structure, tuning, at })
        const [paper, whole] = [
          paperPruned(training, structure, tuning, metric, at),
          paperDense(training, metric),
        ]
        return {
          row: [name, percent(at)],
          column: metricTitles[metric],
          measure: accuracyOf(source, metric),
          ...(paper !== undefined && { paper }),
          ...(whole !== undefined && { dense: { measure: accuracyOf(before, metric), paper: whole } }),
        }
      }),
    )
    return [...cells, ...points]
  })

export const percent = (sparsity: number): string => `${Number((100 * sparsity).toFixed(2))} %`

/** The panels of several trainings, structures and tunings, with names that say which. */
export const panelsOf = (
  trainings: readonly Training[],
  tunings: readonly Tuning[],
  metrics: readonly Metric[],
): Panel[] =>
  trainings.flatMap((training) =>
    tunings.flatMap((tuning) =>
      (['unstructured', 'filter'] as const).map((structure) => ({
        name: `${titles[training.network]} ${training.with} → ${wordOf(tuning)}, ${structure}`,
        ...{ training, structure, tuning, metrics },
      })),
    ),
  )

/** The panels of VGG16 trained naturally and adversarially, pruned with one way of fine-tuning. */
export const vgg16Panels = (tuning: Tuning): Panel[] =>
  panelsOf(
    [
      { network: 'vgg16', with: 'natural' },
      { network: 'vgg16', with: 'adversarial' },
    ],
    [tuning],
    ['accuracy', 'era'],
  )

const wordOf = (tuning: Tuning): string => (typeof tuning === 'object' ? `MixTrain k ${tuning.k}` : tuning)

/** What the paper prints of a network before pruning. */
const paperDense = ({ network, with: objective }: Training, metric: Metric): number | undefined => {
  if (network === 'cifarLarge') return figure9[objective][metric]
  const robust = network === 'allCnn' ? 'mixTrain' : 'adversarial'
  if (objective !== robust) return undefined
  if (metric === 'accuracy') return papersDense[network].accuracy
  return metric === (robust === 'mixTrain' ? 'vra' : 'era') ? papersDense[network].robust : undefined
}

/** What its tables print of a pruned one. */
const paperPruned = (
  { network, with: objective }: Training,
  structure: Pruning['structure'],
  tuning: Tuning,
  metric: Metric,
  at: number,
): number | undefined => {
  const verified = network === 'cifarLarge' || network === 'allCnn'
  if (objective !== (verified ? 'mixTrain' : 'adversarial')) return undefined
  const key = tuning === objective ? 'matched' : tuning
  if (key !== 'none' && key !== 'natural' && key !== 'matched') return undefined
  const tables = verified ? [table4, table5] : [table2, table3]
  const table = tables[structure === 'unstructured' ? 0 : 1]
  const row = table?.rows.find((each) => each.network === network && each.sparsity === at)
  if (metric === 'accuracy') return row?.accuracy[key]
  return metric === (verified ? 'vra' : 'era') ? row?.robust[key] : undefined
}
