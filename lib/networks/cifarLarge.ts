/**
 * CIFAR-large: the network of the verification literature that the paper prunes with MixTrain, four convolutions and
 * three linear layers, no batch norm. 2,466,858 parameters, 62,464 ReLUs. (Wong et al., 2018)
 */
import { type NetworkOptions, resolveOptions } from './options.js'
import { type NodeInput, parseSpec } from './parse.js'
import type { NetworkSpec } from './spec.js'

const NAME = 'cifarLarge'

/**
 * Spec of CIFAR-large. Convolutions start from `kaimingFanOut`, as its authors' code does.
 *
 * That code leaves linear layers at PyTorch's default, whose variance is a sixth of He et al.'s: without batch norm
 * each hidden linear layer then shrinks the signal and its gradient by √6. Here the hidden ones start from
 * `kaimingFanIn`, which keeps both; the logit layer keeps the smaller `torch` start, so that training begins near
 * the uniform prediction.
 */
export const cifarLargeSpec = (options: NetworkOptions = {}): NetworkSpec => {
  const { classes, input, width, normalize } = resolveOptions(NAME, options)
  return parseSpec({
    name: NAME,
    input,
    nodes: [
      ...normalize,
      ...convolution(1, width(32), 3, 1),
      ...convolution(2, width(32), 4, 2),
      ...convolution(3, width(64), 3, 1),
      ...convolution(4, width(64), 4, 2),
      { op: 'flatten', name: 'flatten' },
      { op: 'linear', name: 'fc1', features: width(512), init: 'kaimingFanIn' },
      { op: 'relu', name: 'relu_fc1' },
      { op: 'linear', name: 'fc2', features: width(512), init: 'kaimingFanIn' },
      { op: 'relu', name: 'relu_fc2' },
      { op: 'linear', name: 'fc3', features: classes },
    ],
  })
}

const convolution = (at: number, channels: number, kernel: number, stride: number): NodeInput[] => [
  { op: 'conv2d', name: `conv${at}`, channels, kernel, stride, padding: 1 },
  { op: 'relu', name: `relu${at}` },
]
