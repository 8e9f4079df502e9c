/**
 * What is to be known of every operation, in one record: an analysis that asks here cannot forget one, and one that has
 * a rule of its own for each visits them in a switch without `default`.
 */
import type { NodeSpec, OperationName } from './spec.js'

export interface OperationFacts {
  readonly inputs: 1 | 2
  /** Which inputs it takes: maps [channels, height, width], vectors, or both. */
  readonly reads: 'map' | 'vector' | 'either'
  /**
   * What it does to channels.
   * - `kept`: each output channel depends on the input channel of the same place alone
   * - `mixed`: every output channel depends on all input channels, through weights
   * - `tied`: as `kept`, but of both inputs: their channels become one
   */
  readonly channels: 'kept' | 'mixed' | 'tied'
  /**
   * What it holds.
   * - `weights`: weights, each used once at every output position, which pruning may remove; and a bias, if it has one
   * - `statistics`: scale and shift of each channel, trained, and running statistics
   */
  readonly holds: 'weights' | 'statistics' | 'nothing'
}

export const operations: Readonly<Record<OperationName, OperationFacts>> = {
  normalize: { inputs: 1, reads: 'map', channels: 'kept', holds: 'nothing' },
  conv2d: { inputs: 1, reads: 'map', channels: 'mixed', holds: 'weights' },
  batchNorm2d: { inputs: 1, reads: 'map', channels: 'kept', holds: 'statistics' },
  relu: { inputs: 1, reads: 'either', channels: 'kept', holds: 'nothing' },
  maxPool2d: { inputs: 1, reads: 'map', channels: 'kept', holds: 'nothing' },
  averagePool2d: { inputs: 1, reads: 'map', channels: 'kept', holds: 'nothing' },
  flatten: { inputs: 1, reads: 'map', channels: 'kept', holds: 'nothing' },
  linear: { inputs: 1, reads: 'vector', channels: 'mixed', holds: 'weights' },
  add: { inputs: 2, reads: 'either', channels: 'tied', holds: 'nothing' },
}

/** What is known of a node's operation. */
export const factsOf = ({ op }: Pick<NodeSpec, 'op'>): OperationFacts => operations[op]

/** The node with its number of output channels changed; nodes that have none of their own stay as they are. */
export const withOutputs = (node: NodeSpec, change: (count: number) => number): NodeSpec => {
  switch (node.op) {
    case 'conv2d':
      return { ...node, channels: change(node.channels) }
    case 'linear':
      return { ...node, features: change(node.features) }
    case 'normalize':
    case 'batchNorm2d':
    case 'relu':
    case 'maxPool2d':
    case 'averagePool2d':
    case 'flatten':
    case 'add':
      return node
  }
}
