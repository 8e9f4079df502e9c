/** What each operator of ONNX becomes in a spec. (github.com/onnx/onnx, docs/Operators.md) */
import { show, showShape } from '../../base/numbers.js'
import { elements } from '../../networks/tensors.js'
import { type Attributes, nameOf, square } from './attributes.js'
import { type Builder, type Image, type Output, prefixOf, shortest, type Value } from './builder.js'
import { OnnxError } from './error.js'
import type { NodeProto } from './schema.js'
import { type Constant, readTensor } from './tensors.js'

export interface Step {
  node: NodeProto
  /** What it reads; undefined for an input that is left out. */
  inputs: readonly (Value | undefined)[]
  attributes: Attributes
  build: Builder
}

type Rule = (step: Step) => Value

/** The rule for a node. @throws OnnxError for an operator that specs do not have */
export const ruleOf = (node: NodeProto): Rule => {
  const { opType, domain } = node
  const own = domain === '' || domain === 'ai.onnx'
  const rule = own && Object.hasOwn(RULES, opType) ? RULES[opType] : undefined
  if (rule !== undefined) return rule
  const hint = Object.hasOwn(HINTS, opType) ? `; ${HINTS[opType]}` : ''
  throw new OnnxError(`${nameOf(node)} is an operation that Coppice does not have${hint}`)
}

const HINTS: Readonly<Record<string, string>> = {
  Softmax: 'leave it out: the logits are the output',
  LogSoftmax: 'leave it out: the logits are the output',
  Shape: 'flatten with torch.flatten(x, 1) or a fixed shape, then export again',
}

const refuse = (node: NodeProto, reason: string): never => {
  throw new OnnxError(`${nameOf(node)}: ${reason}`)
}

/** An input that depends on the image. */
const flowing = ({ node, inputs }: Step, place = 0): Image | Output => {
  const value = inputs[place]
  if (value !== undefined && value.kind !== 'constant') return value
  return refuse(node, `its input ${place + 1} must depend on the image`)
}

const map = (step: Step): { value: Image | Output; shape: readonly [number, number, number] } => {
  const value = flowing(step)
  const [channels, height, width] = value.shape
  if (channels === undefined || height === undefined || width === undefined) {
    return refuse(step.node, 'it reads [channels, height, width], but gets a vector')
  }
  return { value, shape: [channels, height, width] }
}

const vector = (step: Step): { value: Image | Output; features: number } => {
  const value = flowing(step)
  const [features, ...more] = value.shape
  if (features === undefined || more.length > 0) return refuse(step.node, 'it reads a vector, but gets a map')
  return { value, features }
}

const constant = ({ node, inputs }: Step, place: number, axes: number): Constant => {
  const value = inputs[place]
  if (value?.kind === 'constant' && value.shape.length === axes) return value
  return refuse(node, `its input ${place + 1} must be a constant with ${axes} ax${axes === 1 ? 'is' : 'es'}`)
}

const optional = (step: Step, place: number): Constant | undefined =>
  step.inputs[place] === undefined ? undefined : constant(step, place, 1)

interface Window {
  kernel: number
  stride: number
  padding: number
  /** Height and width of what it makes of a map. */
  size: (height: number, width: number) => [number, number]
}

const windowOf = ({ node, attributes }: Step, kernel: readonly number[]): Window => {
  const side = square(node, 'a kernel', kernel)
  const stride = square(node, 'strides', attributes.integers('strides', [1, 1]))
  if (square(node, 'dilations', attributes.integers('dilations', [1, 1])) !== 1) refuse(node, 'it is dilated')
  const padding = paddingOf(node, attributes, side, stride)
  if (!(side >= 1 && stride >= 1 && padding >= 0)) refuse(node, 'its sizes are impossible')
  const count = (extent: number): number => {
    const steps = (extent + 2 * padding - side) / stride
    if (attributes.integer('ceil_mode', 0) !== 0 && !Number.isInteger(steps)) {
      refuse(node, 'it has windows that reach over the border (ceil_mode)')
    }
    return Math.floor(steps) + 1
  }
  return { kernel: side, stride, padding, size: (height, width) => [count(height), count(width)] }
}

const paddingOf = (node: NodeProto, attributes: Attributes, kernel: number, stride: number): number => {
  const how = attributes.text('auto_pad', 'NOTSET')
  if (how === 'NOTSET') return square(node, 'pads', attributes.integers('pads', [0, 0, 0, 0]))
  if (how === 'VALID') return 0
  if (how.startsWith('SAME') && stride === 1 && kernel % 2 === 1) return (kernel - 1) / 2
  return refuse(node, `its padding is ${show(how)}; give it as numbers`)
}

const convolution: Rule = (step) => {
  const { node, attributes, build } = step
  const { value, shape } = map(step)
  const weight = constant(step, 1, 4)
  const [channels = 0, read, ...kernel] = weight.shape
  if (attributes.integer('group', 1) !== 1) refuse(node, 'it has groups')
  if (read !== shape[0])
    refuse(node, `its weight ${showShape(weight.shape)} does not fit ${shape[0]} channels`)
  const { size, ...window } = windowOf(step, kernel)
  const bias = optional(step, 2)?.values
  const body = { op: 'conv2d', channels, ...window, bias: bias !== undefined } as const
  return build.add(node, body, [value], [channels, ...size(shape[1], shape[2])], {
    weight: weight.values,
    bias,
  })
}

const batchNorm: Rule = (step) => {
  const { node, attributes, build } = step
  const { value, shape } = map(step)
  if (attributes.integer('training_mode', 0) !== 0 || node.output.slice(1).some((name) => name !== '')) {
    refuse(node, 'it is in training mode')
  }
  const [weight, bias, mean, variance] = [1, 2, 3, 4].map((place) => constant(step, place, 1).values)
  const body = {
    op: 'batchNorm2d',
    epsilon: shortest(attributes.number('epsilon', Math.fround(1e-5))),
    momentum: Number((1 - attributes.number('momentum', 0.9)).toPrecision(6)),
  } as const
  return build.add(node, body, [value], shape, { weight, bias, running_mean: mean, running_var: variance })
}

const pool =
  (op: 'maxPool2d' | 'averagePool2d'): Rule =>
  (step) => {
    const { value, shape } = map(step)
    const { kernel, stride, padding, size } = windowOf(step, step.attributes.integers('kernel_shape', []))
    if (padding !== 0) refuse(step.node, 'it pools with padding')
    return step.build.add(step.node, { op, kernel, stride }, [value], [shape[0], ...size(shape[1], shape[2])])
  }

const globalPool: Rule = (step) => {
  const { value, shape } = map(step)
  const [channels, height, width] = shape
  if (height !== width)
    refuse(step.node, `it averages a map of ${height}×${width}; Coppice has square windows alone`)
  return step.build.add(step.node, { op: 'averagePool2d', kernel: height }, [value], [channels, 1, 1])
}

const mean: Rule = (step) => {
  const { node, attributes } = step
  const given = step.inputs[1]
  const axes = given?.kind === 'constant' ? Array.from(given.values) : attributes.integers('axes', [])
  const places = axes.map((axis) => (axis < 0 ? axis + 4 : axis)).sort((a, b) => a - b)
  if (places.join() !== '2,3') refuse(node, `it averages over the axes ${showShape(axes)}, not over a map`)
  const pooled = globalPool(step)
  return attributes.integer('keepdims', 1) === 0 ? flattened(step, pooled) : pooled
}

const flattened = ({ node, build }: Step, value: Value): Value =>
  value.kind === 'constant' || value.shape.length === 1
    ? value
    : build.add(node, { op: 'flatten' }, [value], [elements(value.shape)])

const flatten: Rule = (step) => {
  if (step.attributes.integer('axis', 1) !== 1) refuse(step.node, 'it flattens from another axis than 1 on')
  return flattened(step, flowing(step))
}

const reshape: Rule = (step) => {
  const value = flowing(step)
  const [batch, features, ...more] = Array.from(constant(step, 1, 1).values)
  const all = elements(value.shape)
  const plain = more.length === 0 && (features === all || (features === -1 && batch !== -1))
  if (batch === undefined || !plain) refuse(step.node, 'it makes something else than a vector of each image')
  return flattened(step, value)
}

const gemm: Rule = (step) => {
  const { node, attributes, build } = step
  if (attributes.integer('transA', 0) !== 0) refuse(node, 'it transposes its input')
  if (attributes.number('alpha', 1) !== 1 || attributes.number('beta', 1) !== 1)
    refuse(node, 'it has factors')
  const weight = constant(step, 1, 2)
  const rows = attributes.integer('transB', 0) !== 0 ? weight : transposed(weight)
  const [features = 0] = rows.shape
  const given = step.inputs[2]
  const bias = given === undefined ? undefined : spread(node, given, [features])
  return linear(step, rows, bias, build)
}

const matMul: Rule = (step) => linear(step, transposed(constant(step, 1, 2)), undefined, step.build)

const linear = (step: Step, weight: Constant, bias: number[] | undefined, build: Builder): Value => {
  const { value, features: read } = vector(step)
  const [features = 0, columns] = weight.shape
  if (columns !== read)
    refuse(step.node, `its weight ${showShape(weight.shape)} does not fit ${read} features`)
  const body = { op: 'linear', features, bias: bias !== undefined } as const
  return build.add(step.node, body, [value], [features], { weight: weight.values, bias })
}

const transposed = ({ name, shape, values }: Constant): Constant => {
  const [rows = 0, columns = 0] = shape
  const turned = new Float64Array(values.length)
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      turned[column * rows + row] = values[row * columns + column] ?? 0
    }
  }
  return { name, shape: [columns, rows], values: turned }
}

/** A constant that is added to or multiplied with something of `shape`, as one number for each channel. */
const spread = (node: NodeProto, value: Value, shape: readonly number[]): number[] => {
  const [channels = 0, ...map] = shape
  const found: readonly number[] = value.shape
  const leading = [...found].findIndex((extent) => extent !== 1)
  const rest = leading < 0 ? [] : found.slice(leading)
  const fits = rest.length === 0 || rest.join() === [channels, ...map.map(() => 1)].join()
  if (value.kind !== 'constant' || !fits || value.values.length === 0) {
    return refuse(node, `it needs a constant per channel, but gets ${showShape(found)}`)
  }
  return Array.from({ length: channels }, (_, channel) => value.values[rest.length === 0 ? 0 : channel] ?? 0)
}

type Change = (
  image: Pick<Image, 'mean' | 'std'>,
  constants: readonly number[],
) => Pick<Image, 'mean' | 'std'>

/** Arithmetic with a constant: part of the normalisation of the image, else refused. */
const scaled = (step: Step, place: 0 | 1, change: Change): Value => {
  const { node, inputs } = step
  const [value, other] = [inputs[place], inputs[1 - place]]
  if (value?.kind !== 'image' || other?.kind !== 'constant') {
    return refuse(node, 'arithmetic with constants is for the image alone, before the first layer')
  }
  const name = prefixOf(node.input[1 - place]) ?? 'normalize'
  return { ...value, name, ...change(value, spread(node, other, value.shape)) }
}

const at = (list: readonly number[], channel: number): number => list[channel] ?? 0

const shifted =
  (sign: 1 | -1): Change =>
  ({ mean, std }, constants) => ({
    std,
    mean: mean.map((each, channel) => each + sign * at(constants, channel) * at(std, channel)),
  })

const add: Rule = (step) => {
  const { node, inputs, build } = step
  const [left, right] = inputs
  if (left === undefined || right === undefined) return refuse(node, 'it adds one thing')
  if (left.kind !== 'constant' && right.kind !== 'constant')
    return build.add(node, { op: 'add' }, [left, right], left.shape)
  const place = left.kind === 'constant' ? 1 : 0
  const [value, other] = place === 1 ? [right, left] : [left, right]
  if (value.kind !== 'output') return scaled(step, place, shifted(-1))
  if (build.addBias(value, node.input[place] ?? '', spread(node, other, value.shape))) return value
  return refuse(node, 'it adds a constant to what is no layer without a bias')
}

const multiply: Rule = (step) =>
  scaled(step, step.inputs[0]?.kind === 'constant' ? 1 : 0, ({ mean, std }, constants) => ({
    mean,
    std: std.map((each, channel) => each / at(constants, channel)),
  }))

const divide: Rule = (step) =>
  scaled(step, 0, ({ mean, std }, constants) => ({
    mean,
    std: std.map((each, channel) => each * at(constants, channel)),
  }))

const constantNode: Rule = ({ node, attributes }) => {
  const tensor = attributes.get('value')?.t
  if (tensor !== undefined) return { kind: 'constant', ...readTensor(tensor) }
  const name = node.output[0] ?? ''
  const list = attributes.get('value_ints')?.ints ?? attributes.get('value_floats')?.floats
  if (list !== undefined)
    return { kind: 'constant', name, shape: [list.length], values: Array.from(list, Number) }
  const number = attributes.get('value_int')?.i ?? attributes.get('value_float')?.f
  if (number === undefined) return refuse(node, 'it holds no numbers')
  return { kind: 'constant', name, shape: [], values: [Number(number)] }
}

const same: Rule = ({ node, inputs }) => inputs[0] ?? refuse(node, 'it reads nothing')

const RULES: Readonly<Record<string, Rule>> = {
  Conv: convolution,
  BatchNormalization: batchNorm,
  Relu: (step) => step.build.add(step.node, { op: 'relu' }, [flowing(step)], flowing(step).shape),
  MaxPool: pool('maxPool2d'),
  AveragePool: pool('averagePool2d'),
  GlobalAveragePool: globalPool,
  ReduceMean: mean,
  Flatten: flatten,
  Reshape: reshape,
  Gemm: gemm,
  MatMul: matMul,
  Add: add,
  Sub: (step) => scaled(step, 0, shifted(1)),
  Mul: multiply,
  Div: divide,
  Constant: constantNode,
  Identity: same,
  Dropout: same,
}
