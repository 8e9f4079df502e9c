/** The tensors a network holds, by name and in the order in which they lie in its flat arenas. */
import type { TensorLayout } from '../../bindings/native.js'
import { factsOf } from './operations.js'
import { inputShapes, nodeShapes } from './shapes.js'
import { IMAGE, type NetworkSpec, type NodeSpec } from './spec.js'

export type ParameterTensor = Pick<TensorLayout, 'name' | 'node' | 'kind' | 'shape' | 'prunable'>

/**
 * Trained tensors in arena order, node by node: convolution and linear weight, then bias; batch norm's scale
 * (`<node>.weight`) and shift (`<node>.bias`). `prunable` marks the convolution and linear weights.
 */
export const parameterTensors = (spec: NetworkSpec): ParameterTensor[] =>
  collect(spec, (node, [channels = 0]) => {
    switch (node.op) {
      case 'conv2d':
        return weights(node, [node.channels, channels, node.kernel, node.kernel])
      case 'linear':
        return weights(node, [node.features, channels])
      case 'batchNorm2d':
        return [
          { name: `${node.name}.weight`, node: node.name, kind: 'scale', shape: [channels], prunable: false },
          { name: `${node.name}.bias`, node: node.name, kind: 'shift', shape: [channels], prunable: false },
        ]
      case 'normalize':
      case 'relu':
      case 'maxPool2d':
      case 'averagePool2d':
      case 'flatten':
      case 'add':
        return []
    }
  })

/** Batch-norm statistics in arena order: `<node>.running_mean`, `<node>.running_var`. */
export const bufferTensors = (spec: NetworkSpec): ParameterTensor[] =>
  collect(spec, (node, [channels = 0]) => {
    if (factsOf(node).holds !== 'statistics') return []
    const common = { node: node.name, shape: [channels], prunable: false }
    return [
      { ...common, name: `${node.name}.running_mean`, kind: 'runningMean' },
      { ...common, name: `${node.name}.running_var`, kind: 'runningVariance' },
    ]
  })

/** Number of elements of a shape. */
export const elements = (shape: readonly number[]): number =>
  shape.reduce((product, size) => product * size, 1)

const collect = (
  spec: NetworkSpec,
  tensorsOf: (node: NodeSpec, input: number[]) => ParameterTensor[],
): ParameterTensor[] => {
  const shapes = nodeShapes(spec).set(IMAGE, [...spec.input])
  return spec.nodes.flatMap((node) => tensorsOf(node, inputShapes(node, shapes)[0] ?? []))
}

const weights = (node: { name: string; bias: boolean }, shape: number[]): ParameterTensor[] => {
  const weight: ParameterTensor = {
    name: `${node.name}.weight`,
    node: node.name,
    kind: 'weight',
    shape,
    prunable: true,
  }
  if (!node.bias) return [weight]
  return [
    weight,
    { name: `${node.name}.bias`, node: node.name, kind: 'bias', shape: shape.slice(0, 1), prunable: false },
  ]
}
