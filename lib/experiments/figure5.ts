/** Figure 5: VGG16, trained naturally and adversarially, pruned without fine-tuning. */
import { curveCells, curveHead, vgg16Panels } from './curves.js'
import type { Experiment } from './experiment.js'

export const figure5: Experiment = {
  name: 'figure5',
  title: 'VGG16 pruned without fine-tuning',
  where: 'Figure 5, appendix A.1',
  head: curveHead,
  cells: (setting) => curveCells(setting, vgg16Panels('none')),
}
