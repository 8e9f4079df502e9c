/** Networks by name. A new one is a file with a function that returns its spec, and a line here. */
import { optionsOf } from '../base/arguments.js'
import { invalid } from '../base/errors.js'
import { didYouMean, show } from '../base/numbers.js'
import { allCnnSpec } from './allCnn.js'
import { cifarLargeSpec } from './cifarLarge.js'
import type { NetworkOptions } from './options.js'
import { resNet18Spec } from './resNet18.js'
import type { NetworkSpec } from './spec.js'
import { vgg16Spec } from './vgg16.js'
import { readWideResNetName, wideResNetSpec } from './wideResNet.js'

/** What defines each network. */
export const definitions = {
  vgg16: vgg16Spec,
  wideResNet: wideResNetSpec,
  cifarLarge: cifarLargeSpec,
  allCnn: allCnnSpec,
  resNet18: resNet18Spec,
} as const satisfies Record<string, (options: never) => NetworkSpec>

/** Definitions that need more than the shared options: those of their names, such as `wideResNet-28-5`, say it. */
const families = {
  wideResNet: { names: ['wideResNet-28-5', 'wideResNet-28-10'], read: readWideResNetName },
} as const

const isFamily = (name: string): name is keyof typeof families => Object.hasOwn(families, name)

/** Names of the networks. Besides these, `wideResNet-<depth>-<widen>` names any wide residual network. */
export const networkNames: readonly string[] = Object.keys(definitions).flatMap((name) =>
  isFamily(name) ? families[name].names : name,
)

/**
 * Spec of the network called `name`.
 *
 * @throws CoppiceError for an unknown name (with the nearest known one) or option.
 */
export const networkSpec = (name: string, options: NetworkOptions = {}): NetworkSpec => {
  if (typeof name !== 'string') throw invalid(`network: expected a name, received ${show(name)}`)
  optionsOf(options, name)
  for (const [family, define] of Object.entries(definitions)) {
    const own = isFamily(family) ? families[family].read(name) : family === name ? {} : undefined
    if (own !== undefined) return (define as (all: NetworkOptions) => NetworkSpec)({ ...options, ...own })
  }
  throw invalid(
    `unknown network ${show(name)}; known are ${networkNames.join(', ')}${didYouMean(name, networkNames)}`,
  )
}
