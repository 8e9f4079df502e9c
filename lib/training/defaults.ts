/** How a network is trained unless the user says otherwise. */
import { networkSpec } from '../networks/index.js'
import { requireSpec } from '../networks/shapes.js'
import type { NetworkSpec } from '../networks/spec.js'
import { gentleStart, type Objective, type Stretch } from '../objectives/index.js'
import { adam, type OptimiserChoice, sgd } from './optimiser.js'
import { NO_RAMP, type Ramp } from './schedules.js'

/**
 * With batch norm (`vgg16`, `wideResNet-…`): the paper's SGD at 0.1, momentum 0.9, weight decay 1e-4. Without
 * (`cifarLarge`, `allCnn`): Adam at 0.001, since SGD at 0.1 stays at chance or diverges there.
 */
export const defaultOptimiser = (network: string | NetworkSpec): OptimiserChoice => {
  const spec = typeof network === 'string' ? networkSpec(network) : requireSpec(network, 'defaultOptimiser')
  return hasBatchNorm(spec)
    ? { optimiser: sgd(), learningRate: 0.1 }
    : { optimiser: adam(), learningRate: 0.001 }
}

/** The length of a training, which the defaults of its schedules follow. */
export interface Length {
  epochs: number
  /** Steps of an epoch. */
  steps: number
}

/** What of a ramp is not given follows from the objective, the network and the length of the training. */
export const resolveRamp = (
  given: { readonly [Key in keyof Ramp]?: Ramp[Key] | undefined },
  objective: Objective,
  spec: NetworkSpec,
  length: Length,
): Ramp => {
  const own = defaultRamp(objective, spec, length)
  const { rampEpochs = own.rampEpochs, rampPower = own.rampPower } = given
  // Who wants the full ε at once does not want to wait for it.
  const { naturalEpochs = rampEpochs === 0 ? 0 : own.naturalEpochs } = given
  return { naturalEpochs, rampEpochs, rampPower }
}

/**
 * Objectives on bounds: a tenth of the epochs naturally (at least 50 steps, at most an eighth), then a ramp of the fourth
 * power over two fifths (250 steps, five eighths). Objectives with an attack, on networks without batch norm: 50 steps
 * naturally (at most a quarter), then a linear ramp over a quarter (100 steps, half). Others: none.
 */
export const defaultRamp = (objective: Objective, spec: NetworkSpec, length: Length): Ramp => {
  const start = gentleStart(objective)
  if (start === undefined || (hasBatchNorm(spec) && !start.withBatchNorm)) return NO_RAMP
  return {
    naturalEpochs: epochsOf(start.natural, length),
    rampEpochs: epochsOf(start.ramp, length),
    rampPower: start.power,
  }
}

const epochsOf = ({ part, steps, most }: Stretch, length: Length): number =>
  Math.min(Math.max(part * length.epochs, steps / length.steps), most * length.epochs)

const hasBatchNorm = (spec: NetworkSpec): boolean => spec.nodes.some((node) => node.op === 'batchNorm2d')
