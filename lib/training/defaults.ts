/** How a network is trained unless the user says otherwise. */
import { networkSpec } from '../networks/index.js'
import { requireSpec } from '../networks/shapes.js'
import type { NetworkSpec } from '../networks/spec.js'
import { adam, type OptimiserChoice, sgd } from './optimiser.js'
import { stepSchedule } from './schedules.js'

/**
 * With batch norm (`vgg16`, `wideResNet-…`): the paper's
 * SGD at 0.1, momentum 0.9, weight decay 1e-4, ×0.1 after 50, 75 and 90 % of the epochs. Without (`cifarLarge`,
 * `allCnn`): Adam at 0.001 with the same steps, since SGD at 0.1 stays at chance or diverges there.
 */
export const defaultOptimiser = (network: string | NetworkSpec): OptimiserChoice => {
  const spec = typeof network === 'string' ? networkSpec(network) : requireSpec(network, 'defaultOptimiser')
  return spec.nodes.some((node) => node.op === 'batchNorm2d')
    ? { optimiser: sgd(), learningRate: 0.1, schedule: stepSchedule }
    : { optimiser: adam(), learningRate: 0.001, schedule: stepSchedule }
}
