/**
 * ResNet-18 as the CIFAR literature builds it: a 3×3 stem without max pool, four groups of two basic blocks with widths
 * 64 to 512, batch norm and ReLU after each convolution. 11,173,962 parameters. (He et al., 2016; K. Liu's
 * `pytorch-cifar`, whose names the nodes have, so that its state dicts fit by name)
 */
import { type NetworkOptions, reducedSide, resolveOptions } from './options.js'
import { type NodeInput, parseSpec } from './parse.js'
import type { NetworkSpec } from './spec.js'

const NAME = 'resNet18'

/** Widths of the groups; each but the first begins with a stride of 2. */
const GROUPS = [64, 128, 256, 512]
const BLOCKS = 2

/**
 * Spec of ResNet-18. A block is relu(bn2(conv2(relu(bn1(conv1(x))))) + x). Where width or stride changes, x is replaced
 * by a 1×1 convolution of it with batch norm. Convolutions have no bias and start from `kaimingFanOut`, the linear layer
 * from `torch`.
 *
 * @throws CoppiceError if the images are not square with a side that is a multiple of 8.
 */
export const resNet18Spec = (options: NetworkOptions = {}): NetworkSpec => {
  const { classes, input, width, normalize } = resolveOptions(NAME, options)
  const side = reducedSide(NAME, input, 2 ** (GROUPS.length - 1))
  const nodes: NodeInput[] = [
    ...normalize,
    convolution('conv1', width(64), 3, 1),
    { op: 'batchNorm2d', name: 'bn1' },
    { op: 'relu', name: 'relu1' },
  ]
  let [from, before] = ['relu1', width(64)]
  GROUPS.forEach((full, group) => {
    for (let index = 0; index < BLOCKS; index++) {
      const block = { name: `layer${group + 1}.${index}`, channels: width(full) }
      const stride = group > 0 && index === 0 ? 2 : 1
      nodes.push(...nodesOf(block, from, stride, stride > 1 || block.channels !== before))
      ;[from, before] = [`${block.name}.relu2`, block.channels]
    }
  })
  nodes.push(
    { op: 'averagePool2d', name: 'pool', kernel: side },
    { op: 'flatten', name: 'flatten' },
    { op: 'linear', name: 'linear', features: classes },
  )
  return parseSpec({ name: NAME, input, nodes })
}

const nodesOf = (
  { name, channels }: { name: string; channels: number },
  from: string,
  stride: number,
  projects: boolean,
): NodeInput[] => {
  const shortcut: NodeInput[] = projects
    ? [
        { ...convolution(`${name}.shortcut.0`, channels, 1, stride), inputs: [from] },
        { op: 'batchNorm2d', name: `${name}.shortcut.1` },
      ]
    : []
  return [
    { ...convolution(`${name}.conv1`, channels, 3, stride), inputs: [from] },
    { op: 'batchNorm2d', name: `${name}.bn1` },
    { op: 'relu', name: `${name}.relu1` },
    convolution(`${name}.conv2`, channels, 3, 1),
    { op: 'batchNorm2d', name: `${name}.bn2` },
    ...shortcut,
    { op: 'add', name: `${name}.add`, inputs: [`${name}.bn2`, projects ? `${name}.shortcut.1` : from] },
    { op: 'relu', name: `${name}.relu2` },
  ]
}

const convolution = (name: string, channels: number, kernel: number, stride: number) =>
  ({ op: 'conv2d', name, channels, kernel, stride, padding: (kernel - 1) / 2, bias: false }) as const
