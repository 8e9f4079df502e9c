/** The spec that grows while the graph of an ONNX file is read, and what flows through it. */
import { LIMITS } from '../../base/limits.js'
import type { NodeInput } from '../../networks/parse.js'
import { IMAGE } from '../../networks/spec.js'
import { nameOf } from './attributes.js'
import { OnnxError } from './error.js'
import type { NodeProto } from './schema.js'
import type { Constant } from './tensors.js'

/** The output of a node of the spec, [channels, height, width] or [features]. */
export interface Output {
  kind: 'output'
  name: string
  shape: readonly number[]
}

/** The image, and what has been done to it: (image − mean) / std, per channel. */
export interface Image {
  kind: 'image'
  shape: readonly number[]
  mean: readonly number[]
  std: readonly number[]
  /** What the node that does it is called. */
  name: string
}

export type Value = Image | Output | ({ kind: 'constant' } & Constant)

/** Of a union, each member without these keys. */
type Without<Union, Keys extends PropertyKey> = Union extends unknown ? Omit<Union, Keys> : never

export interface Builder {
  readonly nodes: NodeInput[]
  /** Values of the spec's tensors by name. */
  readonly tensors: Map<string, ArrayLike<number>>
  /** Adds a node that becomes what `proto` is; its tensors go by `weight`, `bias` … */
  add(
    proto: NodeProto,
    body: Without<NodeInput, 'name' | 'inputs'>,
    inputs: readonly Value[],
    shape: readonly number[],
    tensors?: Readonly<Record<string, ArrayLike<number> | undefined>>,
  ): Output
  /** Gives a layer without a bias one; false where it cannot have it, or others read it as it is. */
  addBias(layer: Output, input: string, bias: ArrayLike<number>): boolean
}

/** @param readers how many read each value of the graph */
export const specBuilder = (readers: ReadonlyMap<string, number>): Builder => {
  const nodes: NodeInput[] = []
  const found = new Map<string, ArrayLike<number>>()
  const names = new Set<string>([IMAGE])
  const normalised = new Map<Image, string>()
  const push = (wanted: string, node: Without<NodeInput, 'name'>): string => {
    const name = uniqueName(wanted, names)
    nodes.push({ ...node, name } as NodeInput)
    return name
  }
  const read = (proto: NodeProto, value: Value): string => {
    if (value.kind === 'constant') throw new OnnxError(`${nameOf(proto)} computes with constants alone`)
    if (value.kind === 'output') return value.name
    const { mean, std, name } = value
    if (mean.every((each) => each === 0) && std.every((each) => each === 1)) return IMAGE
    const known = normalised.get(value)
    if (known !== undefined) return known
    const constants = { mean: mean.map(shortest), std: std.map(shortest) }
    const added = push(name, { op: 'normalize', inputs: [IMAGE], ...constants })
    normalised.set(value, added)
    return added
  }
  return {
    nodes,
    tensors: found,
    add: (proto, body, inputs, shape, tensors = {}) => {
      const sources = inputs.map((value) => read(proto, value))
      const own = Object.keys(tensors).length > 0 ? prefixOf(proto.input[1]) : undefined
      const name = push(own ?? (proto.name || proto.opType), { ...body, inputs: sources } as Without<
        NodeInput,
        'name'
      >)
      for (const [kind, values] of Object.entries(tensors)) {
        if (values !== undefined) found.set(`${name}.${kind}`, values)
      }
      return { kind: 'output', name, shape }
    },
    addBias: ({ name }, input, bias) => {
      const node = nodes.find((each) => each.name === name)
      if (node?.op !== 'linear' && node?.op !== 'conv2d') return false
      if (node.bias !== false || readers.get(input) !== 1) return false
      node.bias = true
      found.set(`${name}.bias`, bias)
      return true
    },
  }
}

/** What a node is called whose weight has this name: `conv1` for `conv1.weight`. */
export const prefixOf = (tensor: string | undefined): string | undefined =>
  tensor?.includes('.') ? tensor.slice(0, tensor.lastIndexOf('.')) : undefined

/** A name that specs allow and no other node has. */
const uniqueName = (wanted: string, taken: Set<string>): string => {
  const plain = wanted.replace(/[^A-Za-z0-9_.-]+/g, '_').replace(/^[^A-Za-z0-9]+/, '')
  const short = plain.slice(0, LIMITS.name - 10) || 'node'
  let name = short
  for (let count = 2; taken.has(name); count++) name = `${short}_${count}`
  taken.add(name)
  return name
}

/** Of the decimals that a float32 stands for, the shortest: 0.247, not 0.24699999392032623. Others stay. */
export const shortest = (value: number): number => {
  if (Math.fround(value) !== value) return value
  for (let digits = 1; digits <= 9; digits++) {
    const decimal = Number(value.toPrecision(digits))
    if (Math.fround(decimal) === value) return decimal
  }
  return value
}
