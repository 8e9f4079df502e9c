/** Figure 1: pruning without fine-tuning; and the ratio at which each metric has lost 5 % of its value, as the text says. */
import { figure1 as text } from '../papers/sehwag2019.js'
import { percent } from './curves.js'
import { type Cell, type Experiment, titles } from './experiment.js'
import { accuracyOf, lostAt, type Metric, metricTitles } from './measures.js'
import { pruned, trained } from './sources.js'

const panels = [
  { training: { network: 'vgg16', with: 'adversarial' }, metrics: ['accuracy', 'era'] },
  { training: { network: 'cifarLarge', with: 'mixTrain' }, metrics: ['accuracy', 'vra'] },
] as const satisfies readonly { training: object; metrics: readonly Metric[] }[]

const structures = ['unstructured', 'filter'] as const

export const figure1: Experiment = {
  name: 'figure1',
  title: 'Pruning without fine-tuning, and where 5 % of a metric is lost',
  where: text.where,
  head: ['network', 'structure', 'pruned'],
  cells: (setting) =>
    panels.flatMap(({ training, metrics }) => {
      const before = trained(setting, training)
      const points = setting.scale.finePoints
      return structures.flatMap((structure) => {
        const name = [titles[training.network], structure]
        const curve = [
          { sparsity: 0, source: before },
          ...points.map((at) => ({
            sparsity: at,
            source: pruned(setting, training, { structure, tuning: 'none', at, points }),
          })),
        ]
        return metrics.flatMap((metric): Cell[] => [
          ...curve.map(({ sparsity, source }) => ({
            row: [...name, percent(sparsity)],
            column: metricTitles[metric],
            measure: accuracyOf(source, metric),
          })),
          {
            row: [...name, 'has lost 5 % at'],
            column: metricTitles[metric],
            measure: lostAt(curve, metric, 0.05),
            paper: text.lostAt[training.network][structure][metric === 'accuracy' ? 'accuracy' : 'robust'],
          },
        ])
      })
    }),
}
