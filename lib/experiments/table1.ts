/** Table 1: fine-tuning with MixTrain's k = 1 and k = 10 after pre-training with k = 10. */
import { table1 as cells, dense } from '../papers/sehwag2019.js'
import { percent } from './curves.js'
import type { Cell, Experiment } from './experiment.js'
import { accuracyOf } from './measures.js'
import { pruned, trained } from './sources.js'

const training = { network: 'cifarLarge', with: 'mixTrain' } as const

export const table1: Experiment = {
  name: 'table1',
  title: "CIFAR-large fine-tuned with MixTrain's k = 1 and k = 10, weights pruned",
  where: cells.where,
  head: ['fine-tuned with'],
  cells: (setting) => {
    const whole = { measure: accuracyOf(trained(setting, training), 'vra'), paper: dense.cifarLarge.robust }
    return ([1, 10] as const).flatMap((k): Cell[] => [
      { row: [`MixTrain k = ${k}`], column: 'dense', ...whole },
      ...cells.sparsities.map((at, index): Cell => {
        const tuning = k === 10 ? 'mixTrain' : { k }
        const points = cells.sparsities
        return {
          row: [`MixTrain k = ${k}`],
          column: percent(at),
          measure: accuracyOf(
            pruned(setting, training, { structure: 'unstructured', tuning, at, points }),
            'vra',
          ),
          paper: cells.vra[k][index] as number,
          dense: whole,
        }
      }),
    ])
  },
  findings: (found) => {
    const ours = (k: number) =>
      mean(
        found.flatMap((cell) =>
          cell.row[0] === `MixTrain k = ${k}` && cell.column !== 'dense' && cell.ours
            ? [cell.ours.value]
            : [],
        ),
      )
    return [
      `Mean VRA over the ratios: ${ours(10)} with k = 10, ${ours(1)} with k = 1 ` +
        `(the paper: ${mean(cells.vra[10])} and ${mean(cells.vra[1])}).`,
    ]
  },
}

const mean = (values: readonly number[]): string =>
  (values.reduce((sum, value) => sum + value, 0) / values.length).toFixed(1)
