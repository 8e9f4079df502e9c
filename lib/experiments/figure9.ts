/** Figure 9: CIFAR-large fine-tuned with MixTrain, after natural, adversarial and MixTrain pre-training. */
import { figure9 as captions } from '../papers/sehwag2019.js'
import { curveCells, curveHead, panelsOf } from './curves.js'
import type { Experiment } from './experiment.js'
import type { TrainedWith } from './scale.js'

const training = (objective: TrainedWith) => ({ network: 'cifarLarge', with: objective }) as const
const metrics = ['vra', 'era', 'accuracy'] as const

export const figure9: Experiment = {
  name: 'figure9',
  title: 'CIFAR-large fine-tuned with MixTrain after other and after the same pre-training',
  where: captions.where,
  head: curveHead,
  cells: (setting) =>
    curveCells(setting, [
      ...panelsOf([training('natural'), training('adversarial'), training('mixTrain')], [{ k: 1 }], metrics),
      ...panelsOf([training('mixTrain')], ['mixTrain'], metrics),
    ]),
}
