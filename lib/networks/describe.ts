/** What a network costs: parameters and multiply-accumulates (MACs) of one image, node by node and in sum. */
import { nodeShapes, requireSpec } from './shapes.js'
import type { ImageShape, NetworkSpec, OperationName } from './spec.js'
import { elements, type ParameterTensor, parameterTensors } from './tensors.js'

export interface NodeDescription {
  name: string
  op: OperationName
  /** Shape of the output without the batch dimension. */
  output: number[]
  parameters: number
  /** Multiply-accumulates for one image; those of convolutions and linear layers, as is usual. */
  macs: number
}

export interface NetworkDescription {
  name: string
  input: ImageShape
  /** Trained numbers: weights, biases, batch-norm scales and shifts. */
  parameters: number
  /** Multiply-accumulates for one image. */
  macs: number
  /** Weights that pruning may remove: those of convolutions and linear layers. */
  prunable: number
  nodes: NodeDescription[]
}

/** Counts a network's parameters and multiply-accumulates. */
export const describeNetwork = (spec: NetworkSpec): NetworkDescription => {
  const shapes = nodeShapes(requireSpec(spec, 'describeNetwork'))
  const tensors = parameterTensors(spec)
  const nodes = spec.nodes.map(({ name, op }): NodeDescription => {
    const own = tensors.filter((tensor) => tensor.node === name)
    const output = shapes.get(name) ?? []
    return { name, op, output, parameters: total(own), macs: macs(own, output) }
  })
  return {
    name: spec.name,
    input: spec.input,
    parameters: total(tensors),
    macs: nodes.reduce((sum, node) => sum + node.macs, 0),
    prunable: total(tensors.filter((tensor) => tensor.prunable)),
    nodes,
  }
}

const total = (tensors: readonly ParameterTensor[]): number =>
  tensors.reduce((sum, tensor) => sum + elements(tensor.shape), 0)

/** Every weight is used once at each output position. */
const macs = (tensors: readonly ParameterTensor[], [, ...positions]: number[]): number =>
  total(tensors.filter((tensor) => tensor.prunable)) * elements(positions)
