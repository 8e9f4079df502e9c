/** Figure 7: the same with adversarial fine-tuning. */
import { curveCells, curveHead, vgg16Panels } from './curves.js'
import type { Experiment } from './experiment.js'

export const figure7: Experiment = {
  name: 'figure7',
  title: 'VGG16 pruned with adversarial fine-tuning',
  where: 'Figure 7, appendix A.3',
  head: curveHead,
  cells: (setting) => curveCells(setting, vgg16Panels('adversarial')),
}
