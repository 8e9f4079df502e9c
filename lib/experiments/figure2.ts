/** Figure 2: fine-tuning with another objective than the network was trained with. */
import { curveCells, curveHead } from './curves.js'
import type { Experiment } from './experiment.js'

const large = { network: 'cifarLarge', with: 'mixTrain' } as const

export const figure2: Experiment = {
  name: 'figure2',
  title: 'Mismatched fine-tuning: adversarial → natural, MixTrain → natural, MixTrain → adversarial',
  where: 'Figure 2, section 5.2',
  head: curveHead,
  cells: (setting) =>
    curveCells(setting, [
      {
        name: '(a) VGG16 adversarial → natural',
        training: { network: 'vgg16', with: 'adversarial' },
        ...{ structure: 'unstructured', tuning: 'natural', metrics: ['era', 'accuracy'] },
      },
      {
        name: '(b) CIFAR-large MixTrain → natural',
        training: large,
        ...{ structure: 'unstructured', tuning: 'natural', metrics: ['vra', 'accuracy'] },
      },
      {
        name: '(c) CIFAR-large MixTrain → adversarial',
        training: large,
        ...{ structure: 'unstructured', tuning: 'adversarial', metrics: ['vra', 'era', 'accuracy'] },
      },
    ]),
}
