/**
 * VGG16 for CIFAR-10 with batch norm, as the paper's authors published it: thirteen 3×3 convolutions without bias,
 * four max pools, three linear layers. 15,311,818 parameters. (Simonyan and Zisserman, 2015; HYDRA's `vgg16_bn`)
 */
import { type NetworkOptions, reducedSide, resolveOptions } from './options.js'
import { type NodeInput, parseSpec } from './parse.js'
import type { NetworkSpec } from './spec.js'

const NAME = 'vgg16'

/** Widths of the convolutions between two max pools; the last group has none after it. */
const GROUPS = [
  [64, 64],
  [128, 128],
  [256, 256, 256],
  [512, 512, 512],
  [512, 512, 512],
]

/**
 * Spec of VGG16. Convolutions start from `kaimingFanOut`, linear layers from N(0, 0.01²/scale) with zero bias: with
 * 0.01 at any width, narrow networks would start with next to no signal, and stay at chance.
 * The average pool to 2×2 before the linear layers is left out where the map is 2×2 already (32×32 images).
 *
 * @throws CoppiceError if the images are not square with a side that is a multiple of 32.
 */
export const vgg16Spec = (options: NetworkOptions = {}): NetworkSpec => {
  const { classes, input, width, deviation, normalize } = resolveOptions(NAME, options)
  const poolKernel = reducedSide(NAME, input, 32)
  const linear = { op: 'linear', init: { normal: deviation(0.01) } } as const
  return parseSpec({
    name: NAME,
    input,
    nodes: [
      ...normalize,
      ...GROUPS.flatMap((group, index) => [
        ...group.flatMap((channels, layer) => convolution(`${index + 1}_${layer + 1}`, width(channels))),
        ...(index < GROUPS.length - 1 ? [maxPool(index + 1)] : []),
      ]),
      ...(poolKernel > 1 ? [averagePool(poolKernel)] : []),
      { op: 'flatten', name: 'flatten' },
      { ...linear, name: 'fc1', features: width(256) },
      { op: 'relu', name: 'relu_fc1' },
      { ...linear, name: 'fc2', features: width(256) },
      { op: 'relu', name: 'relu_fc2' },
      { ...linear, name: 'fc3', features: classes },
    ],
  })
}

const convolution = (at: string, channels: number): NodeInput[] => [
  { op: 'conv2d', name: `conv${at}`, channels, kernel: 3, padding: 1, bias: false },
  { op: 'batchNorm2d', name: `bn${at}` },
  { op: 'relu', name: `relu${at}` },
]

const maxPool = (group: number): NodeInput => ({ op: 'maxPool2d', name: `pool${group}`, kernel: 2 })

const averagePool = (kernel: number): NodeInput => ({ op: 'averagePool2d', name: 'pool', kernel })
