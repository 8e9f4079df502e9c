/** The known networks, ready on a device: `await networks.resNet18({ device: 'cuda', seed: 1 })`. */
import { optionsOf } from '../base/arguments.js'
import { definitions } from '../networks/index.js'
import type { NetworkOptions } from '../networks/options.js'
import type { NetworkSpec } from '../networks/spec.js'
import { type CreateOptions, Network } from './network.js'

export type NamedNetworkOptions = NetworkOptions & CreateOptions

type Definitions = typeof definitions

/** Every network that has a name, by the name; what each is, and its options, `networkSpec` says. */
export type NamedNetworks = {
  readonly [Name in keyof Definitions]: (
    ...options: undefined extends Parameters<Definitions[Name]>[0]
      ? [options?: NamedNetworkOptions]
      : [options: Parameters<Definitions[Name]>[0] & CreateOptions]
  ) => Promise<Network>
}

const create =
  (define: (options: NetworkOptions) => NetworkSpec) =>
  async (options: NamedNetworkOptions = {}): Promise<Network> => {
    const { device, seed, type, ...shared } = optionsOf(options, 'network')
    return Network.create(define(shared), {
      ...(device !== undefined && { device }),
      ...(seed !== undefined && { seed }),
      ...(type !== undefined && { type }),
    })
  }

/**
 * The known networks by name, freshly initialised on a device: `vgg16` (15,311,818 parameters), `wideResNet` (with
 * `{ depth: 28, widen: 5 }` 9,132,634), `cifarLarge` (2,466,858), `allCnn` (1,369,738), `resNet18` …
 */
export const networks = Object.fromEntries(
  Object.entries(definitions).map(([name, define]) => [
    name,
    create(define as (options: NetworkOptions) => NetworkSpec),
  ]),
) as unknown as NamedNetworks

/** Some of them by name: `await vgg16({ device: 'cuda' })`. */
export const { vgg16, wideResNet, cifarLarge, allCnn } = networks
