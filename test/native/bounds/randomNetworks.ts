/** Small random networks of all operations in all orders, with random numbers, images and boxes. */
import { randomStream } from '../../../lib/base/hash.js'
import { type NetworkSpecInput, parseSpec } from '../../../lib/networks/parse.js'
import { nodeShapes } from '../../../lib/networks/shapes.js'
import { IMAGE, type ImageShape, type NodeSpec } from '../../../lib/networks/spec.js'
import type { PlainNetwork } from './plain.js'

export interface Random {
  /** A whole number from low to high, both included. */
  whole(low: number, high: number): number
  uniform(low: number, high: number): number
  /** About N(0, 1). */
  normal(): number
  chance(probability: number): boolean
  pick<T>(from: readonly [T, ...T[]]): T
}

export const random = (seed: number): Random => {
  const stream = randomStream(seed)
  const unit = () => stream() / 2 ** 32
  const whole = (low: number, high: number) => low + Math.floor(unit() * (high - low + 1))
  return {
    whole,
    uniform: (low, high) => low + unit() * (high - low),
    normal: () => 2 * (unit() + unit() + unit() - 1.5),
    chance: (probability) => unit() < probability,
    pick: (from) => from[whole(0, from.length - 1)] ?? from[0],
  }
}

export interface Limits {
  input: ImageShape
  /** Steps before `flatten`; a step is an operation or a residual block. */
  steps: number
  /** Most values that a node may have. */
  values: number
  maxPooling?: boolean
  classes?: number
}

/** Small, for searches: up to three channels of up to 4×4 pixels. */
export const tiny = (chance: Random): Limits => ({
  input: [chance.whole(1, 3), chance.whole(1, 4), chance.whole(2, 4)],
  steps: chance.whole(1, 5),
  values: 60,
  classes: chance.whole(2, 4),
})

type NodeShape<Op extends NodeSpec['op']> = Omit<Extract<NodeSpec, { op: Op }>, 'name' | 'inputs' | 'op'>

export const randomNetwork = (seed: number, limits: Limits): PlainNetwork => {
  const chance = random(seed)
  const nodes: NodeSpec[] = []
  const shapes = () => nodeShapes({ name: 'random', input: limits.input, nodes })
  const shapeOf = (name: string): number[] =>
    name === IMAGE ? [...limits.input] : (shapes().get(name) ?? [])
  const equal = (a: string, b: string) => `${shapeOf(a)}` === `${shapeOf(b)}`

  /** Adds a node if it fits; returns the name of the last one. */
  const add = <Op extends NodeSpec['op']>(op: Op, from: string | string[], shape: NodeShape<Op>): string => {
    const inputs = typeof from === 'string' ? [from] : from
    const name = `${op}${nodes.length}`
    nodes.push({ op, name, inputs, ...shape } as unknown as NodeSpec)
    try {
      if (shapeOf(name).reduce((a, b) => a * b, 1) <= limits.values) return name
    } catch {
      // Its window does not fit.
    }
    nodes.pop()
    return inputs[0] ?? IMAGE
  }
  const convolution = (from: string, shape: Partial<NodeShape<'conv2d'>> = {}): string => {
    const kernel = shape.kernel ?? chance.pick([1, 2, 3, 3, 4])
    return add('conv2d', from, {
      channels: chance.whole(1, 3),
      kernel,
      stride: chance.pick([1, 1, 2, 3]),
      padding: chance.whole(0, kernel),
      bias: chance.chance(0.7),
      init: 'torch',
      ...shape,
    })
  }
  const norm = (from: string) => add('batchNorm2d', from, { epsilon: 1e-5, momentum: 0.1 })
  const relu = (from: string) => add('relu', from, {})
  const pooling = (op: 'maxPool2d' | 'averagePool2d', from: string) =>
    add(op, from, {
      kernel: Math.min(chance.pick([1, 2, 2, 3]), ...shapeOf(from).slice(1)),
      stride: chance.pick([1, 1, 2, 3]),
    })

  /** A branch that keeps the shape. */
  const branch = (from: string): string => {
    const [channels = 1] = shapeOf(from)
    let last = from
    for (let count = chance.whole(1, 3); count > 0; --count) {
      const kernel = chance.pick([1, 3, 5])
      const kept = { channels, kernel, stride: 1, padding: (kernel - 1) / 2 }
      last = chance.pick([() => convolution(last, kept), () => norm(last), () => relu(last)])()
    }
    return last
  }
  /** Two convolutions that see windows of different sizes and agree in shape. */
  const project = (from: string): string => {
    const [channels, stride] = [chance.whole(1, 3), chance.whole(1, 2)]
    const wide = convolution(from, { channels, stride, kernel: 3, padding: 1 })
    const narrow = convolution(from, { channels, stride, kernel: 1, padding: 0 })
    if (equal(wide, narrow) && wide !== narrow) return add('add', [wide, relu(narrow)], {})
    // One of them did not fit.
    nodes.splice(nodes.findIndex(({ name }) => name === from) + 1)
    return from
  }
  const step = (from: string): string => {
    const kind = chance.whole(0, 12)
    if (kind < 3) return convolution(from)
    if (kind === 3) return norm(convolution(from))
    if (kind === 4) return norm(from)
    if (kind < 7) return relu(from)
    if (kind < 9) return limits.maxPooling === false ? from : pooling('maxPool2d', from)
    if (kind === 9) return pooling('averagePool2d', from)
    if (kind === 10) return project(from)
    if (from !== IMAGE && kind === 11 && equal(from, IMAGE)) return add('add', [from, IMAGE], {})
    const other = chance.chance(0.3) ? branch(from) : from
    return add('add', chance.chance(0.5) ? [branch(from), other] : [other, branch(from)], {})
  }

  const complete = (): PlainNetwork =>
    withRandomNumbers({ name: `random${seed}`, input: limits.input, nodes }, chance)

  let last = IMAGE
  if (chance.chance(0.5)) {
    const each = (low: number, high: number) =>
      Array.from({ length: limits.input[0] }, () => Math.fround(chance.uniform(low, high)))
    last = add('normalize', last, { mean: each(0.3, 0.6), std: each(0.2, 0.5) })
  }
  for (let count = 0; count < limits.steps; ++count) last = step(last)
  if (!nodes.some(({ op }) => op === 'relu')) last = relu(last)
  last = add('flatten', last, {})
  const outputs = shapeOf(last)[0] ?? 0
  if (chance.chance(0.15) && outputs >= 2 && outputs <= 12) return complete()
  if (chance.chance(0.2)) last = relu(last)
  const linear = (from: string, features: number) =>
    add('linear', from, { features, bias: chance.chance(0.8), init: 'torch' })
  if (chance.chance(0.6)) {
    last = relu(linear(last, chance.whole(2, 6)))
    if (chance.chance(0.3)) last = relu(add('add', [linear(last, shapeOf(last)[0] ?? 1), last], {}))
  }
  linear(last, limits.classes ?? 3)
  return complete()
}

/** A network as people write it, with random numbers for all nodes; scales of batch norm may be negative. */
export const withRandomNumbers = (written: NetworkSpecInput, chance: Random): PlainNetwork => {
  const spec = parseSpec(written)
  const shapes = nodeShapes(spec).set(IMAGE, [...spec.input])
  const tensors = new Map<string, Float64Array>()
  const draw = (name: string, length: number, value: () => number) =>
    tensors.set(
      name,
      Float64Array.from({ length }, () => Math.fround(value())),
    )
  for (const node of spec.nodes) {
    const [inputs = 1] = shapes.get(node.inputs[0] ?? IMAGE) ?? []
    if (node.op === 'batchNorm2d') {
      draw(`${node.name}.weight`, inputs, () => chance.normal())
      draw(`${node.name}.bias`, inputs, () => 0.3 * chance.normal())
      draw(`${node.name}.running_mean`, inputs, () => 0.5 * chance.normal())
      draw(`${node.name}.running_var`, inputs, () => chance.uniform(0.1, 2))
    }
    if (node.op !== 'conv2d' && node.op !== 'linear') continue
    const outputs = node.op === 'conv2d' ? node.channels : node.features
    const fanIn = inputs * (node.op === 'conv2d' ? node.kernel ** 2 : 1)
    draw(`${node.name}.weight`, outputs * fanIn, () => chance.normal() * Math.sqrt(2 / fanIn))
    if (node.bias) draw(`${node.name}.bias`, outputs, () => 0.3 * chance.normal())
  }
  return { spec, tensors }
}

/** Pixels that are fp32 numbers; some are 0 or 1. */
export const randomImage = ([channels, height, width]: ImageShape, chance: Random): Float64Array =>
  Float64Array.from({ length: channels * height * width }, () =>
    chance.chance(0.15) ? chance.whole(0, 1) : Math.fround(chance.whole(0, 255) / 255),
  )

export interface Box {
  lower: Float64Array
  upper: Float64Array
}

export const boxAround = (image: Float64Array, epsilon: number, clip: boolean): Box => ({
  lower: image.map((x) => (clip ? Math.max(x - epsilon, 0) : x - epsilon)),
  upper: image.map((x) => (clip ? Math.min(x + epsilon, 1) : x + epsilon)),
})
