/** The known networks, ready on a device: `await vgg16({ device: 'cuda', seed: 1 })`. */
import { optionsOf } from '../base/arguments.js'
import { allCnnSpec } from '../networks/allCnn.js'
import { cifarLargeSpec } from '../networks/cifarLarge.js'
import type { NetworkOptions } from '../networks/options.js'
import { vgg16Spec } from '../networks/vgg16.js'
import { wideResNetSpec } from '../networks/wideResNet.js'
import { type CreateOptions, Network } from './network.js'

export type NamedNetworkOptions = NetworkOptions & CreateOptions

/** VGG16 with batch norm for 32×32 images, 15,311,818 parameters. */
export const vgg16 = async (options: NamedNetworkOptions = {}): Promise<Network> => create(vgg16Spec, options)

/** Pre-activation wide residual network; `{ depth: 28, widen: 5 }` has 9,132,634 parameters. */
export const wideResNet = async (
  options: NamedNetworkOptions & { depth: number; widen: number },
): Promise<Network> => {
  const { depth, widen, ...rest } = optionsOf(options, 'wideResNet')
  return create((shared) => wideResNetSpec({ ...shared, depth, widen }), rest)
}

/** Four convolutions and three linear layers without batch norm, 2,466,858 parameters. */
export const cifarLarge = async (options: NamedNetworkOptions = {}): Promise<Network> =>
  create(cifarLargeSpec, options)

/** All-CNN-C made verifiable, 1,369,738 parameters. */
export const allCnn = async (options: NamedNetworkOptions = {}): Promise<Network> =>
  create(allCnnSpec, options)

const create = async (
  define: (options: NetworkOptions) => ReturnType<typeof vgg16Spec>,
  options: NamedNetworkOptions,
): Promise<Network> => {
  const { device, seed, type, ...shared } = optionsOf(options, 'network')
  return Network.create(define(shared), {
    ...(device !== undefined && { device }),
    ...(seed !== undefined && { seed }),
    ...(type !== undefined && { type }),
  })
}
