/** Figure 6: the same with natural fine-tuning. */
import { curveCells, curveHead, vgg16Panels } from './curves.js'
import type { Experiment } from './experiment.js'

export const figure6: Experiment = {
  name: 'figure6',
  title: 'VGG16 pruned with natural fine-tuning',
  where: 'Figure 6, appendix A.2',
  head: curveHead,
  cells: (setting) => curveCells(setting, vgg16Panels('natural')),
}
