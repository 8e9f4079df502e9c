/**
 * Wide residual networks with pre-activation: WRN-28-5 has 9,132,634 parameters, WRN-28-10 36,479,194.
 * (Zagoruyko and Komodakis, 2016; HYDRA's `wrn_cifar` without its unused block)
 */
import { invalid } from '../base/errors.js'
import { LIMITS } from '../base/limits.js'
import { type NetworkOptions, reducedSide, resolveOptions } from './options.js'
import { type NodeInput, parseSpec } from './parse.js'
import type { NetworkSpec } from './spec.js'

export interface WideResNetOptions extends NetworkOptions {
  /** Number of layers: 6 n + 4 for three groups of n blocks. */
  depth: number
  /** Factor on the widths 16, 32, 64 of the three groups. */
  widen: number
}

const NAME = /^wideResNet-(\d+)-(\d+)$/

/** The depth and factor that a name such as `wideResNet-28-5` says; undefined where it is no such name. */
export const readWideResNetName = (name: string): Pick<WideResNetOptions, 'depth' | 'widen'> | undefined => {
  const match = NAME.exec(name)
  return match === null ? undefined : { depth: Number(match[1]), widen: Number(match[2]) }
}

interface Block {
  name: string
  input: string
  channels: number
  stride: number
  /** Whether the input's channels differ from the output's. */
  widens: boolean
}

/**
 * Spec of a wide residual network: a 3×3 convolution, three groups of blocks with strides 1, 2, 2, then batch norm,
 * ReLU, global average pool and a linear layer. No dropout, convolutions without bias.
 *
 * A block is x + conv2(relu(bn2(conv1(relu(bn1(x)))))). Where width or stride changes, x is replaced by a 1×1
 * convolution of relu(bn1(x)). Convolutions start from `kaimingFanOut`, the linear layer from `torch`.
 *
 * @throws CoppiceError if the depth is not 6 n + 4, or the images are not square with a side divisible by 4.
 */
export const wideResNetSpec = ({ depth, widen, ...options }: WideResNetOptions): NetworkSpec => {
  const name = `wideResNet-${depth}-${widen}`
  if (!Number.isInteger(depth) || depth < 10 || depth > LIMITS.depth || (depth - 4) % 6 !== 0) {
    throw invalid(
      `${name}: the depth must be 6 n + 4, such as 10, 16, 22, 28 or 40, and at most ${LIMITS.depth}; received ${depth}`,
    )
  }
  if (!(Number.isInteger(widen) && widen >= 1 && widen <= LIMITS.scale)) {
    throw invalid(
      `${name}: the widening factor must be a whole number from 1 to ${LIMITS.scale}, received ${widen}`,
    )
  }
  const { classes, input, width, normalize } = resolveOptions(name, options)
  const side = reducedSide(name, input, 4)
  const blocks = blocksOf((depth - 4) / 6, width(16), [
    width(16 * widen),
    width(32 * widen),
    width(64 * widen),
  ])
  return parseSpec({
    name,
    input,
    nodes: [
      ...normalize,
      convolution('conv1', width(16), 3, 1),
      ...blocks.flatMap(nodesOf),
      { op: 'batchNorm2d', name: 'bn' },
      { op: 'relu', name: 'relu' },
      { op: 'averagePool2d', name: 'pool', kernel: side },
      { op: 'flatten', name: 'flatten' },
      { op: 'linear', name: 'fc', features: classes },
    ],
  })
}

const blocksOf = (perGroup: number, stem: number, widths: number[]): Block[] => {
  let input = 'conv1'
  let before = stem
  return widths.flatMap((channels, group) =>
    Array.from({ length: perGroup }, (_, index): Block => {
      const block = {
        name: `block${group + 1}.${index + 1}`,
        input,
        channels,
        stride: index === 0 && group > 0 ? 2 : 1,
        widens: channels !== before,
      }
      input = `${block.name}.add`
      before = channels
      return block
    }),
  )
}

const nodesOf = ({ name, input, channels, stride, widens }: Block): NodeInput[] => {
  const projects = widens || stride > 1
  const activated = `${name}.relu1`
  const shortcut: NodeInput[] = projects
    ? [{ ...convolution(`${name}.shortcut`, channels, 1, stride), inputs: [activated] }]
    : []
  return [
    { op: 'batchNorm2d', name: `${name}.bn1`, inputs: [input] },
    { op: 'relu', name: activated },
    { ...convolution(`${name}.conv1`, channels, 3, stride), inputs: [activated] },
    { op: 'batchNorm2d', name: `${name}.bn2` },
    { op: 'relu', name: `${name}.relu2` },
    convolution(`${name}.conv2`, channels, 3, 1),
    ...shortcut,
    { op: 'add', name: `${name}.add`, inputs: [projects ? `${name}.shortcut` : input, `${name}.conv2`] },
  ]
}

const convolution = (name: string, channels: number, kernel: number, stride: number) =>
  ({ op: 'conv2d', name, channels, kernel, stride, padding: (kernel - 1) / 2, bias: false }) as const
