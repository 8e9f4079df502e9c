/** Figure 3: VRA over epochs of natural fine-tuning, nothing pruned. */
import { figure9, figure3 as text } from '../papers/sehwag2019.js'
import type { Cell, Experiment, Source } from './experiment.js'
import { accuracyOf, metricTitles } from './measures.js'
import { trained, trainedOn } from './sources.js'

const training = { network: 'cifarLarge', with: 'mixTrain' } as const

export const figure3: Experiment = {
  name: 'figure3',
  title: 'CIFAR-large trained with MixTrain, then naturally, without pruning',
  where: text.where,
  head: ['natural epochs'],
  cells: (setting) => {
    const before = trained(setting, training)
    const whole = { measure: accuracyOf(before, 'vra'), paper: text.before }
    const rows = (source: Source, epochs: number): Cell[] => [
      {
        row: [`${epochs}`],
        column: metricTitles.vra,
        measure: accuracyOf(source, 'vra'),
        ...(epochs === 0 && { paper: text.before }),
        ...(epochs === text.epochs && { paper: text.after, dense: whole }),
      },
      {
        row: [`${epochs}`],
        column: metricTitles.accuracy,
        measure: accuracyOf(source, 'accuracy'),
        ...(epochs === 0 && { paper: figure9.mixTrain.accuracy }),
      },
    ]
    // Each is the beginning of the next: the same seed, epoch by epoch, at a constant rate.
    const after = Array.from({ length: text.epochs }, (_, index) =>
      rows(trainedOn(setting, training, 'natural', index + 1), index + 1),
    )
    return [...rows(before, 0), ...after.flat()]
  },
}
