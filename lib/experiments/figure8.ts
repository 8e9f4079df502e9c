/** Figure 8: an adversarially trained wide residual network, fine-tuned in three ways. */
import { curveCells, curveHead, panelsOf } from './curves.js'
import type { Experiment } from './experiment.js'

export const figure8: Experiment = {
  name: 'figure8',
  title: 'WRN pruned after adversarial training, fine-tuned in three ways',
  where: 'Figure 8, appendix A',
  head: curveHead,
  cells: (setting) =>
    curveCells(
      setting,
      panelsOf(
        [{ network: 'wideResNet', with: 'adversarial' }],
        ['none', 'natural', 'adversarial'],
        ['accuracy', 'era'],
      ),
    ),
}
