/** The shape of every node's output, from the spec alone; where two shapes do not fit, an error names the node. */

import { invalid } from '../base/errors.js'
import { show } from '../base/numbers.js'
import { factsOf } from './operations.js'
import { IMAGE, type NetworkSpec, type NodeSpec } from './spec.js'

/**
 * Output shape of every node without the batch dimension: [channels, height, width] until `flatten`, then [features].
 *
 * @throws CoppiceError naming the node whose inputs do not fit its operation.
 */
export const nodeShapes = (spec: NetworkSpec): Map<string, number[]> => {
  const shapes = new Map<string, number[]>([[IMAGE, [...spec.input]]])
  for (const node of spec.nodes) shapes.set(node.name, outputShape(node, inputShapes(node, shapes)))
  shapes.delete(IMAGE)
  return shapes
}

/** Shapes of a node's inputs, given those of the nodes before it and of the image. */
export const inputShapes = (node: NodeSpec, shapes: ReadonlyMap<string, number[]>): number[][] =>
  node.inputs.map((input) => {
    const shape = shapes.get(input)
    if (shape === undefined)
      throw invalid(`node "${node.name}" reads "${input}", which is not a node before it`)
    return shape
  })

/** A spec that a caller handed over, as far as a look tells. @throws CoppiceError that says what came instead */
export const requireSpec = (value: unknown, what: string): NetworkSpec => {
  const { input, nodes } = typeof value === 'object' && value !== null ? (value as Partial<NetworkSpec>) : {}
  if (Array.isArray(input) && Array.isArray(nodes)) return value as NetworkSpec
  throw invalid(`${what}: expected a network spec, as networkSpec() gives, received ${show(value)}`)
}

/** Number of logits. */
export const classCount = (spec: NetworkSpec): number => {
  const last = spec.nodes[spec.nodes.length - 1]
  const shape = last === undefined ? undefined : nodeShapes(spec).get(last.name)
  const [classes] = shape ?? []
  if (classes === undefined) throw invalid(`network "${spec.name}" has no nodes`)
  return classes
}

const outputShape = (node: NodeSpec, inputs: number[][]): number[] => {
  const [input = [], other = []] = inputs
  requireReadable(node, input)
  const [channels = 0, height = 0, width = 0] = input
  switch (node.op) {
    case 'normalize':
      for (const key of ['mean', 'std'] as const) {
        if (node[key].length !== channels) {
          throw invalid(
            `node "${node.name}": ${key} has ${node[key].length} values, but its input has ${channels} channels`,
          )
        }
      }
      return input
    case 'conv2d':
      return [node.channels, ...windows(node, height, width, node.padding)]
    case 'maxPool2d':
    case 'averagePool2d':
      return [channels, ...windows(node, height, width, 0)]
    case 'batchNorm2d':
    case 'relu':
      return input
    case 'flatten':
      return [channels * height * width]
    case 'linear':
      return [node.features]
    case 'add':
      if (input.length !== other.length || input.some((size, axis) => size !== other[axis])) {
        throw invalid(
          `node "${node.name}": add needs two inputs of equal shape, but "${node.inputs[0]}" is ${format(input)} ` +
            `and "${node.inputs[1]}" is ${format(other)}`,
        )
      }
      return input
  }
}

/** Throws where an operation that reads maps gets a vector, or the other way round. */
const requireReadable = (node: NodeSpec, shape: number[]): void => {
  const { reads } = factsOf(node)
  if (reads === 'map' && shape.length !== 3) {
    throw invalid(
      `node "${node.name}": ${node.op} reads [channels, height, width], but gets ${format(shape)}`,
    )
  }
  if (reads === 'vector' && shape.length !== 1) {
    throw invalid(
      `node "${node.name}": ${node.op} reads a vector, but gets ${format(shape)}; put flatten before it`,
    )
  }
}

interface Window {
  name: string
  kernel: number
  stride: number
}

const windows = (node: Window, height: number, width: number, padding: number): [number, number] => {
  const count = (size: number): number => Math.floor((size + 2 * padding - node.kernel) / node.stride) + 1
  const [rows, columns] = [count(height), count(width)]
  if (rows < 1 || columns < 1) {
    throw invalid(
      `node "${node.name}": a ${node.kernel}×${node.kernel} window does not fit into its input of ` +
        `${height}×${width}${padding > 0 ? ` with padding ${padding}` : ''}`,
    )
  }
  return [rows, columns]
}

const format = (shape: number[]): string => `[${shape.join(', ')}]`
