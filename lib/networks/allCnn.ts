/**
 * All-CNN-C made verifiable: no dropout, no batch norm, no ReLU on the logits, so that it consists of convolutions,
 * ReLUs and one average. 1,369,738 parameters, 356,352 ReLUs. (Springenberg et al., 2015)
 */
import { type NetworkOptions, reducedSide, resolveOptions } from './options.js'
import { type NodeInput, parseSpec } from './parse.js'
import type { NetworkSpec } from './spec.js'

const NAME = 'allCnn'

/**
 * Spec of All-CNN-C. The last convolution has one channel per class, and its global average is the logits. All
 * convolutions start from `kaimingFanIn`: there is no batch norm, and strides make fan-out differ from fan-in.
 *
 * @throws CoppiceError if the images are not square with a side that is a multiple of 4.
 */
export const allCnnSpec = (options: NetworkOptions = {}): NetworkSpec => {
  const { classes, input, width, normalize } = resolveOptions(NAME, options)
  const side = reducedSide(NAME, input, 4)
  return parseSpec({
    name: NAME,
    input,
    nodes: [
      ...normalize,
      ...convolution(1, width(96), 3, 1),
      ...convolution(2, width(96), 3, 1),
      ...convolution(3, width(96), 3, 2),
      ...convolution(4, width(192), 3, 1),
      ...convolution(5, width(192), 3, 1),
      ...convolution(6, width(192), 3, 2),
      ...convolution(7, width(192), 3, 1),
      ...convolution(8, width(192), 1, 1),
      { op: 'conv2d', name: 'conv9', channels: classes, kernel: 1, init: 'kaimingFanIn' },
      { op: 'averagePool2d', name: 'pool', kernel: side },
      { op: 'flatten', name: 'flatten' },
    ],
  })
}

const convolution = (at: number, channels: number, kernel: number, stride: number): NodeInput[] => [
  {
    op: 'conv2d',
    name: `conv${at}`,
    channels,
    kernel,
    stride,
    padding: (kernel - 1) / 2,
    init: 'kaimingFanIn',
  },
  { op: 'relu', name: `relu${at}` },
]
