/** Small networks, their layouts, and a plain float64 forward pass that shares no code with the library. */
import type { TensorLayout } from '../../bindings/native.js'
import type { NetworkSpec, NodeSpec } from '../../lib/networks/spec.js'
import {
  bufferTensors,
  elements,
  type ParameterTensor,
  parameterTensors,
} from '../../lib/networks/tensors.js'

export const conv = (name: string, channels: number, options: Partial<NodeSpec & { op: 'conv2d' }> = {}) =>
  ({
    op: 'conv2d',
    name,
    inputs: [],
    channels,
    kernel: 3,
    stride: 1,
    padding: 1,
    bias: false,
    init: 'kaimingFanOut',
    ...options,
  }) satisfies NodeSpec
export const linear = (name: string, features: number, options: Partial<NodeSpec & { op: 'linear' }> = {}) =>
  ({ op: 'linear', name, inputs: [], features, bias: true, init: 'torch', ...options }) satisfies NodeSpec
export const bn = (name: string, inputs: string[] = []) =>
  ({ op: 'batchNorm2d', name, inputs, epsilon: 1e-5, momentum: 0.1 }) satisfies NodeSpec
export const relu = (name: string, inputs: string[] = []) => ({ op: 'relu', name, inputs }) satisfies NodeSpec
export const add = (name: string, inputs: string[]) => ({ op: 'add', name, inputs }) satisfies NodeSpec
export const flatten = (name = 'flatten', inputs: string[] = []) =>
  ({ op: 'flatten', name, inputs }) satisfies NodeSpec
export const pool = (op: 'maxPool2d' | 'averagePool2d', name: string, kernel = 2, stride = kernel) =>
  ({ op, name, inputs: [], kernel, stride }) satisfies NodeSpec
export const normalize = (name: string, mean: number[], std: number[]) =>
  ({ op: 'normalize', name, inputs: [], mean, std }) satisfies NodeSpec

/** A network of nodes that read the one before where they don't say. */
export const network = (nodes: NodeSpec[], input: [number, number, number] = [3, 8, 8]): NetworkSpec => ({
  name: 'test',
  input,
  nodes: nodes.map((node, index) =>
    node.inputs.length > 0 ? node : { ...node, inputs: [nodes[index - 1]?.name ?? 'image'] },
  ),
})

export const vggLike = (widths: [number, number, number], neurons: number): NetworkSpec =>
  network([
    normalize('normalize', [0.5, 0.4, 0.45], [0.2, 0.25, 0.3]),
    conv('conv1', widths[0]),
    bn('bn1'),
    relu('relu1'),
    conv('conv2', widths[1], { bias: true }),
    bn('bn2'),
    relu('relu2'),
    pool('maxPool2d', 'pool1'),
    conv('conv3', widths[2], { kernel: 4, stride: 2, bias: true }),
    relu('relu3'),
    pool('averagePool2d', 'pool2'),
    flatten(),
    linear('fc1', neurons),
    relu('relu4'),
    linear('fc2', 5),
  ])

/** Two blocks with pre-activation, the second one wider: relu(bn(·)) feeds the shortcut too. */
export const residual = (stem: number, wide: number, inner: number): NetworkSpec =>
  network([
    conv('stem', stem),
    bn('a.bn1', ['stem']),
    relu('a.relu1'),
    conv('a.conv1', inner),
    bn('a.bn2'),
    relu('a.relu2'),
    conv('a.conv2', stem),
    add('a.add', ['stem', 'a.conv2']),
    bn('b.bn1'),
    relu('b.relu1'),
    conv('b.conv1', inner, { stride: 2 }),
    bn('b.bn2'),
    relu('b.relu2'),
    conv('b.conv2', wide),
    conv('b.shortcut', wide, { kernel: 1, stride: 2, padding: 0, inputs: ['b.relu1'] }),
    add('b.add', ['b.shortcut', 'b.conv2']),
    bn('bn'),
    relu('relu'),
    pool('averagePool2d', 'pool', 4),
    flatten(),
    linear('fc', 5),
  ])

/** Batch norm on both branches before the addition, as in the first residual networks. */
export const postActivation = (width: number): NetworkSpec =>
  network([
    conv('conv1', width, { bias: true }),
    bn('bn1'),
    conv('left', width, { inputs: ['bn1'] }),
    bn('leftBn'),
    conv('right', width, { inputs: ['bn1'], kernel: 1, padding: 0, bias: true }),
    bn('rightBn'),
    add('sum', ['leftBn', 'rightBn']),
    relu('relu'),
    pool('maxPool2d', 'pool', 3, 2),
    flatten(),
    linear('fc1', 6),
    relu('relu2'),
    linear('fc2', 4),
  ])

/** The layout of both arenas, as the native side lays them out. */
export const layoutOf = (spec: NetworkSpec): TensorLayout[] => {
  const lay = (tensors: ParameterTensor[], arena: TensorLayout['arena']): TensorLayout[] => {
    let offset = 0
    return tensors.map((tensor) => {
      const size = elements(tensor.shape)
      offset += size
      return { ...tensor, arena, size, offset: offset - size }
    })
  }
  return [...lay(parameterTensors(spec), 'parameters'), ...lay(bufferTensors(spec), 'buffers')]
}

/** Uniform numbers in [0, 1) from a seed (mulberry32). */
export const random = (seed: number): (() => number) => {
  let state = seed | 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}

export interface State {
  spec: NetworkSpec
  layout: TensorLayout[]
  parameters: Float64Array
  buffers: Float64Array
  mask: Uint8Array
}

/** Random weights, none of them 0; random batch-norm statistics, with variances well above 0. */
export const randomState = (spec: NetworkSpec, seed: number): State => {
  const layout = layoutOf(spec)
  const draw = random(seed)
  const size = (arena: string) =>
    layout.filter((tensor) => tensor.arena === arena).reduce((sum, tensor) => sum + tensor.size, 0)
  const parameters = Float64Array.from({ length: size('parameters') }, () => draw() * 2 - 1 || 0.5)
  const buffers = Float64Array.from({ length: size('buffers') }, () => draw() + 0.5)
  return { spec, layout, parameters, buffers, mask: new Uint8Array(parameters.length).fill(1) }
}

/** The values of a tensor by name, in whichever arena it lies. */
export const tensorOf = <Arena extends Float64Array | Uint8Array>(
  arena: Arena,
  layout: TensorLayout[],
  name: string,
): Arena => {
  const tensor = layout.find((entry) => entry.name === name)
  if (tensor === undefined) throw new Error(`no tensor ${name}`)
  return arena.subarray(tensor.offset, tensor.offset + tensor.size) as Arena
}

interface Map3 {
  shape: number[]
  values: Float64Array
}

/** Logits of one image, [channels · height · width] in [0, 1], by the definitions of the operations. */
export const forward = (state: Omit<State, 'mask'>, image: Float64Array): Float64Array => {
  const { spec, layout, parameters, buffers } = state
  const outputs = new Map<string, Map3>([['image', { shape: [...spec.input], values: image }]])
  const get = (name: string): Map3 => {
    const found = outputs.get(name)
    if (found === undefined) throw new Error(`no output ${name}`)
    return found
  }
  for (const node of spec.nodes) {
    const x = get(node.inputs[0] ?? 'image')
    const parameter = (suffix: string) => tensorOf(parameters, layout, `${node.name}.${suffix}`)
    outputs.set(
      node.name,
      apply(node, x, get(node.inputs[1] ?? 'image'), parameter, (suffix) =>
        tensorOf(buffers, layout, `${node.name}.${suffix}`),
      ),
    )
  }
  return get(spec.nodes.at(-1)?.name ?? '').values
}

const apply = (
  node: NodeSpec,
  x: Map3,
  other: Map3,
  parameter: (suffix: string) => Float64Array,
  buffer: (suffix: string) => Float64Array,
): Map3 => {
  const [channels = 0, height = 1, width = 1] = x.shape
  const perChannel = (f: (value: number, channel: number) => number): Map3 => ({
    shape: x.shape,
    values: x.values.map((value, index) => f(value, Math.floor(index / (height * width)))),
  })
  switch (node.op) {
    case 'normalize':
      return perChannel((value, c) => (value - (node.mean[c] ?? NaN)) / (node.std[c] ?? NaN))
    case 'batchNorm2d': {
      const [scale, shift] = [parameter('weight'), parameter('bias')]
      const [mean, variance] = [buffer('running_mean'), buffer('running_var')]
      return perChannel(
        (value, c) =>
          ((value - (mean[c] ?? NaN)) / Math.sqrt((variance[c] ?? NaN) + node.epsilon)) * (scale[c] ?? NaN) +
          (shift[c] ?? NaN),
      )
    }
    case 'relu':
      return perChannel((value) => Math.max(0, value))
    case 'add':
      return { shape: x.shape, values: x.values.map((value, index) => value + (other.values[index] ?? NaN)) }
    case 'flatten':
      return { shape: [x.values.length], values: x.values }
    case 'linear': {
      const weight = parameter('weight')
      const bias = node.bias ? parameter('bias') : undefined
      return {
        shape: [node.features],
        values: Float64Array.from({ length: node.features }, (_, row) => {
          let sum = 0
          for (let i = 0; i < channels; i++) sum += (weight[row * channels + i] ?? NaN) * (x.values[i] ?? NaN)
          return sum + (bias?.[row] ?? 0)
        }),
      }
    }
    case 'maxPool2d':
    case 'averagePool2d':
      return windows(x, channels, node.kernel, node.stride, 0, (c, values) => {
        const own = values.slice(c * node.kernel ** 2, (c + 1) * node.kernel ** 2)
        return node.op === 'maxPool2d'
          ? Math.max(...own)
          : own.reduce((sum, value) => sum + value, 0) / own.length
      })
    case 'conv2d': {
      const weight = parameter('weight')
      const bias = node.bias ? parameter('bias') : undefined
      const size = channels * node.kernel ** 2
      return windows(x, node.channels, node.kernel, node.stride, node.padding, (row, values) => {
        let sum = 0
        for (let i = 0; i < size; i++) sum += (weight[row * size + i] ?? NaN) * (values[i] ?? NaN)
        return sum + (bias?.[row] ?? 0)
      })
    }
  }
}

/** Applies `f` to each window's values, [channels, kernel, kernel] flat, 0 outside the map. */
const windows = (
  { shape: [channels = 0, height = 0, width = 0], values }: Map3,
  outputs: number,
  kernel: number,
  stride: number,
  padding: number,
  f: (output: number, values: number[]) => number,
): Map3 => {
  const rows = Math.floor((height + 2 * padding - kernel) / stride) + 1
  const columns = Math.floor((width + 2 * padding - kernel) / stride) + 1
  const result = new Float64Array(outputs * rows * columns)
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const window: number[] = []
      for (let c = 0; c < channels; c++) {
        for (let i = 0; i < kernel; i++) {
          for (let j = 0; j < kernel; j++) {
            const [y, x] = [row * stride - padding + i, column * stride - padding + j]
            const inside = y >= 0 && y < height && x >= 0 && x < width
            window.push(inside ? (values[(c * height + y) * width + x] ?? NaN) : 0)
          }
        }
      }
      for (let output = 0; output < outputs; output++) {
        result[(output * rows + row) * columns + column] = f(output, window)
      }
    }
  }
  return { shape: [outputs, rows, columns], values: result }
}
