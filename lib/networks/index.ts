/** Networks by name. A new one is a file with a function that returns its spec, and a line here. */
import { optionsOf } from '../base/arguments.js'
import { invalid } from '../base/errors.js'
import { didYouMean, show } from '../base/numbers.js'
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
  if (typeof name !== 'string') throw invalid(`network: expected a name, received ${show(name)}`)
  const define = Object.hasOwn(networks, name) ? networks[name] : undefined
  optionsOf(options, name)
  if (define !== undefined) return define(options)
  const wide = WIDE_RESNET.exec(name)
  if (wide !== null) return wideResNetSpec({ ...options, depth: Number(wide[1]), widen: Number(wide[2]) })
  throw invalid(
    `unknown network ${show(name)}; known are ${networkNames.join(', ')}${didYouMean(name, networkNames)}`,
  )
}
