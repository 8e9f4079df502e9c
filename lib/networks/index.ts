/** Networks by name. A new one is a file with a function that returns its spec, and a line here. */
import { invalid } from '../errors.js'
import { didYouMean } from '../numbers.js'
import { adam, type OptimiserChoice, sgd } from '../training/optimiser.js'
import { stepSchedule } from '../training/schedules.js'
import { allCnnSpec } from './allCnn.js'
import { cifarLargeSpec } from './cifarLarge.js'
import type { NetworkOptions } from './options.js'
import type { NetworkSpec } from './spec.js'
import { vgg16Spec } from './vgg16.js'
import { wideResNetSpec } from './wideResNet.js'

const networks: Readonly<Record<string, (options: NetworkOptions) => NetworkSpec>> = {
  vgg16: vgg16Spec,
  'wideResNet-28-5': (options) => wideResNetSpec({ ...options, depth: 28, widen: 5 }),
  'wideResNet-28-10': (options) => wideResNetSpec({ ...options, depth: 28, widen: 10 }),
  cifarLarge: cifarLargeSpec,
  allCnn: allCnnSpec,
}

/** Names of the networks. Besides these, `wideResNet-<depth>-<widen>` names any wide residual network. */
export const networkNames: readonly string[] = Object.keys(networks)

const WIDE_RESNET = /^wideResNet-(\d+)-(\d+)$/

/**
 * Spec of the network called `name`.
 *
 * @throws CoppiceError for an unknown name (with the nearest known one) or option.
 */
export const networkSpec = (name: string, options: NetworkOptions = {}): NetworkSpec => {
  const define = Object.hasOwn(networks, name) ? networks[name] : undefined
  if (define !== undefined) return define(options)
  const wide = WIDE_RESNET.exec(name)
  if (wide !== null) return wideResNetSpec({ ...options, depth: Number(wide[1]), widen: Number(wide[2]) })
  throw invalid(
    `unknown network "${name}"; known are ${networkNames.join(', ')}${didYouMean(name, networkNames)}`,
  )
}

/**
 * How a network is trained unless the user says otherwise. With batch norm (`vgg16`, `wideResNet-…`): the paper's
 * SGD at 0.1, momentum 0.9, weight decay 1e-4, ×0.1 after 50, 75 and 90 % of the epochs. Without (`cifarLarge`,
 * `allCnn`): Adam at 0.001 with the same steps, since SGD at 0.1 stays at chance or diverges there.
 */
export const defaultOptimiser = (network: string | NetworkSpec): OptimiserChoice => {
  const spec = typeof network === 'string' ? networkSpec(network) : network
  return spec.nodes.some((node) => node.op === 'batchNorm2d')
    ? { optimiser: sgd(), learningRate: 0.1, schedule: stepSchedule }
    : { optimiser: adam(), learningRate: 0.001, schedule: stepSchedule }
}
