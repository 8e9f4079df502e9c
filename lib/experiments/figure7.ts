/** Figure 7: the same with adversarial fine-tuning. */
import { curveCells, curveHead, panelsOf } from './curves.js'
import type { Experiment } from './experiment.js'

export const figure7: Experiment = {
  name: 'figure7',
  title: 'VGG16 pruned with adversarial fine-tuning',
  where: 'Figure 7, appendix A.3',
  head: curveHead,
  cells: (setting) =>
    curveCells(
      setting,
      panelsOf(
        [
          { network: 'vgg16', with: 'natural' },
          { network: 'vgg16', with: 'adversarial' },
        ],
        ['adversarial'],
        ['accuracy', 'era'],
      ),
    ),
}
