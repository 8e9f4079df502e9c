/** The graph of an ONNX file as a spec and the values of its tensors. */
import { LIMITS } from '../../base/limits.js'
import { show } from '../../base/numbers.js'
import type { NetworkSpecInput } from '../../networks/parse.js'
import type { ImageShape } from '../../networks/spec.js'
import { attributesOf, nameOf } from './attributes.js'
import { specBuilder, type Value } from './builder.js'
import { OnnxError } from './error.js'
import { ruleOf } from './rules.js'
import {
  type GraphProto,
  type NodeProto,
  TensorProto_DataType as Type,
  type ValueInfoProto,
} from './schema.js'
import { readTensor } from './tensors.js'

export interface FoundNetwork {
  spec: NetworkSpecInput
  /** Values of the spec's tensors by name. */
  values: ReadonlyMap<string, ArrayLike<number>>
}

/** @throws OnnxError for a graph that no spec can say. */
export const readGraph = (graph: GraphProto): FoundNetwork => {
  if (graph.node.length > LIMITS.nodes) throw new OnnxError(`it has more than ${LIMITS.nodes} nodes`)
  const weights = new Set(graph.initializer.map(({ name }) => name))
  const input = only(
    graph.input.filter(({ name }) => !weights.has(name)),
    'input',
    'a network reads images alone',
  )
  const output = only(graph.output, 'output', 'a network gives logits alone')
  const nodes = neededBy(output.name, graph.node)
  const readers = new Map<string, number>()
  for (const name of nodes.flatMap((node) => node.input)) readers.set(name, (readers.get(name) ?? 0) + 1)

  const shape = imageShape(input)
  const perChannel = (value: number) => Array.from({ length: shape[0] }, () => value)
  const known = new Map<string, Value>([
    ...graph.initializer
      .filter(({ name }) => readers.has(name))
      .map((tensor) => [tensor.name, { kind: 'constant', ...readTensor(tensor) }] as const),
    [input.name, { kind: 'image', name: '', shape, mean: perChannel(0), std: perChannel(1) }],
  ])
  const build = specBuilder(readers)
  for (const node of nodes) {
    const inputs = node.input.map((name) => {
      const value = known.get(name)
      if (value !== undefined || name === '') return value
      throw new OnnxError(`${nameOf(node)} reads ${show(name)}, which nothing before it makes`)
    })
    known.set(node.output[0] ?? '', ruleOf(node)({ node, inputs, attributes: attributesOf(node), build }))
  }
  return {
    spec: { name: graph.name.slice(0, LIMITS.name) || 'onnx', input: shape, nodes: build.nodes },
    values: build.tensors,
  }
}

const only = (values: readonly ValueInfoProto[], what: string, because: string): ValueInfoProto => {
  const [value] = values
  if (value !== undefined && values.length === 1) return value
  throw new OnnxError(`it has ${values.length} ${what}s; ${because}`)
}

/** The nodes that an output depends on, in the order of the file. */
const neededBy = (output: string, nodes: readonly NodeProto[]): NodeProto[] => {
  const wanted = new Set([output])
  const needed = nodes.toReversed().filter((node) => {
    const use = node.output.some((name) => name !== '' && wanted.has(name))
    if (use) for (const name of node.input) wanted.add(name)
    return use
  })
  return needed.toReversed()
}

/** [channels, height, width] of the images; how many there are at once does not matter. */
const imageShape = ({ name, type }: ValueInfoProto): ImageShape => {
  const tensor = type?.value.case === 'tensorType' ? type.value.value : undefined
  const float = tensor?.elemType === Type.FLOAT || tensor?.elemType === Type.DOUBLE
  const dims = (tensor?.shape?.dim ?? []).map(({ value }) =>
    value.case === 'dimValue' ? Number(value.value) : 0,
  )
  const [, channels = 0, height = 0, width = 0] = dims
  if (
    float &&
    dims.length === 4 &&
    [channels, height, width].every((size) => size >= 1 && size <= LIMITS.size)
  ) {
    return [channels, height, width]
  }
  throw new OnnxError(
    `its input ${show(name)} must be images of a fixed size, [batch, channels, height, width]`,
  )
}
