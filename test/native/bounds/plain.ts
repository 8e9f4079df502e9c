/** Networks in float64, written plainly and apart from the native code: what that is held against. */
import { addon } from '../../../bindings/load.js'
import type { NativeNetwork, ParameterType } from '../../../bindings/native.js'
import { inputShapes, nodeShapes } from '../../../lib/networks/shapes.js'
import { IMAGE, type NetworkSpec, type NodeSpec } from '../../../lib/networks/spec.js'

/** A spec with its numbers by name; all of them, means and deviations too, are fp32 numbers. */
export interface PlainNetwork {
  spec: NetworkSpec
  tensors: ReadonlyMap<string, Float64Array>
}

/** The value of every node, for one image. */
export type Values = Map<string, Float64Array>

type Size = [channels: number, height: number, width: number]

export const forward = (network: PlainNetwork, image: Float64Array): Values => {
  const values: Values = new Map([[IMAGE, image]])
  const shapes = shapesOf(network)
  for (const node of network.spec.nodes) {
    const inputs = node.inputs.map((input) => named(values, input))
    values.set(node.name, applyNode(network, shapes, node, inputs, true))
  }
  return values
}

/** One node. Without `constants`, biases and shifts are left out: the linear part of an affine node. */
export const applyNode = (
  network: PlainNetwork,
  shapes: ReadonlyMap<string, number[]>,
  node: NodeSpec,
  inputs: readonly Float64Array[],
  constants: boolean,
): Float64Array => {
  const [first = new Float64Array(), second = new Float64Array()] = inputs
  const [channels = 1, height = 1, width = 1] = inputShapes(node, shapes)[0] ?? []
  const size: Size = [channels, height, width]
  const tensor = (part: string) => named(network.tensors, `${node.name}.${part}`)
  switch (node.op) {
    case 'normalize': {
      const scale = node.std.map((std) => 1 / std)
      return perChannel(first, size, scale, constants ? node.mean.map((mean) => -mean) : [], true)
    }
    case 'batchNorm2d': {
      const [weight, bias] = [tensor('weight'), tensor('bias')]
      const [mean, variance] = [tensor('running_mean'), tensor('running_var')]
      const scale = Array.from(weight, (w, c) => w / Math.sqrt(Number(variance[c]) + node.epsilon))
      const shift = scale.map((s, c) => Number(bias[c]) - Number(mean[c]) * s)
      return perChannel(first, size, scale, constants ? shift : [], false)
    }
    case 'conv2d':
      return convolve(
        first,
        size,
        node,
        tensor('weight'),
        constants && node.bias ? tensor('bias') : undefined,
      )
    case 'linear': {
      const weight = tensor('weight')
      const bias = constants && node.bias ? tensor('bias') : new Float64Array(node.features)
      return bias.map((start, row) =>
        first.reduce((sum, x, column) => sum + Number(weight[row * first.length + column]) * x, start),
      )
    }
    case 'relu':
      return first.map((x) => Math.max(x, 0))
    case 'maxPool2d':
      return pool(first, size, node, (window) => Math.max(...window))
    case 'averagePool2d':
      return pool(first, size, node, (window) => window.reduce((sum, x) => sum + x, 0) / window.length)
    case 'flatten':
      return first
    case 'add':
      return first.map((x, i) => x + Number(second[i]))
  }
}

export const named = <T>(values: ReadonlyMap<string, T>, name: string): T => {
  const value = values.get(name)
  if (value === undefined) throw new Error(`nothing is called ${name}`)
  return value
}

/** Shapes of all nodes and of the image. */
export const shapesOf = ({ spec }: PlainNetwork): Map<string, number[]> => {
  const known = allShapes.get(spec) ?? nodeShapes(spec).set(IMAGE, [...spec.input])
  allShapes.set(spec, known)
  return known
}
const allShapes = new WeakMap<NetworkSpec, Map<string, number[]>>()

/** The same network on the native side. */
export const onNativeSide = async (network: PlainNetwork, type: ParameterType): Promise<NativeNetwork> => {
  const net = await addon().createNetwork(network.spec, { device: 'cpu', type }).promise
  const sizes = { parameters: net.parameterCount, buffers: net.bufferCount }
  for (const arena of ['parameters', 'buffers'] as const) {
    const flat = new Float64Array(sizes[arena])
    for (const { name, offset, ...layout } of net.layout)
      if (layout.arena === arena) flat.set(named(network.tensors, name), offset)
    if (flat.length > 0) await net.write(arena, inType(flat, type)).promise
  }
  return net
}

export const inType = (values: Float64Array, type: ParameterType): Float32Array | Float64Array =>
  type === 'float32' ? Float32Array.from(values) : values

/** (x + offset)·scale if `before`, else x·scale + offset. */
const perChannel = (
  values: Float64Array,
  [, height, width]: Size,
  scale: readonly number[],
  offset: readonly number[],
  before: boolean,
): Float64Array =>
  values.map((x, i) => {
    const channel = Math.floor(i / (height * width))
    const [factor, more] = [Number(scale[channel]), offset[channel] ?? 0]
    return before ? (x + more) * factor : x * factor + more
  })

const steps = (length: number, { kernel, stride }: { kernel: number; stride: number }, padding = 0): number =>
  Math.floor((length + 2 * padding - kernel) / stride) + 1

const convolve = (
  values: Float64Array,
  [channels, height, width]: Size,
  node: { channels: number; kernel: number; stride: number; padding: number },
  weight: Float64Array,
  bias: Float64Array | undefined,
): Float64Array => {
  const { kernel, stride, padding } = node
  const [rows, columns] = [steps(height, node, padding), steps(width, node, padding)]
  const out = new Float64Array(node.channels * rows * columns)
  for (let place = 0; place < out.length; ++place) {
    const filter = Math.floor(place / (rows * columns))
    const top = Math.floor((place % (rows * columns)) / columns) * stride - padding
    const left = (place % columns) * stride - padding
    let sum = Number(bias?.[filter] ?? 0)
    for (let c = 0; c < channels; ++c)
      for (let y = Math.max(top, 0); y < Math.min(top + kernel, height); ++y)
        for (let x = Math.max(left, 0); x < Math.min(left + kernel, width); ++x)
          sum +=
            Number(weight[((filter * channels + c) * kernel + y - top) * kernel + x - left]) *
            Number(values[(c * height + y) * width + x])
    out[place] = sum
  }
  return out
}

/** Places of the inputs of every pooling window, in the order of the outputs. */
export const poolWindows = (
  [channels, height, width]: Size,
  node: { kernel: number; stride: number },
): number[][] => {
  const [rows, columns] = [steps(height, node), steps(width, node)]
  return Array.from({ length: channels * rows * columns }, (_, place) => {
    const channel = Math.floor(place / (rows * columns))
    const top = Math.floor((place % (rows * columns)) / columns) * node.stride
    const left = (place % columns) * node.stride
    return Array.from({ length: node.kernel ** 2 }, (_, k) => {
      const [y, x] = [top + Math.floor(k / node.kernel), left + (k % node.kernel)]
      return (channel * height + y) * width + x
    })
  })
}

const pool = (
  values: Float64Array,
  size: Size,
  node: { kernel: number; stride: number },
  reduce: (window: number[]) => number,
): Float64Array =>
  Float64Array.from(poolWindows(size, node), (window) => reduce(window.map((place) => Number(values[place]))))
