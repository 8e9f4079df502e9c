/** A network as a table of its layers with weights. */
import type { TensorLayout } from '../../bindings/native.js'
import { bar, columns, percent, printedAs, roughly } from '../base/printed.js'
import { describeNetwork } from '../networks/describe.js'
import type { NetworkSpec, OperationName } from '../networks/spec.js'

/** A convolution or linear layer. */
export interface Layer {
  /** Of its node: `conv1`. */
  readonly name: string
  readonly op: OperationName
  /** Of its weights. */
  readonly shape: readonly number[]
  /** Of its output, without the batch. */
  readonly output: readonly number[]
  /** Weights and biases, pruned ones included. */
  readonly parameters: number
  /** Multiply-accumulates for one image, those of pruned weights included. */
  readonly macs: number
  /** Fraction of its weights that the mask removes. */
  readonly sparsity: number
}

/** Weights that are left of each tensor, by its name; nothing where nothing is pruned. */
export type Remaining = ReadonlyMap<string, number> | undefined

/** The layers in order; they print as a table. */
export const layersOf = (
  spec: NetworkSpec,
  layout: readonly TensorLayout[],
  remaining: Remaining,
): readonly Layer[] => {
  const { nodes } = describeNetwork(spec)
  const layers = layout
    .filter(({ prunable }) => prunable)
    .map(({ name, node, shape, size }): Layer => {
      const {
        op = 'linear',
        output = [],
        parameters = 0,
        macs = 0,
      } = nodes.find((one) => one.name === node) ?? {}
      const left = remaining?.get(name) ?? size
      return { name: node, op, shape, output, parameters, macs, sparsity: 1 - left / size }
    })
  return Object.freeze(printedAs(layers, layerTable))
}

export const layerTable = (layers: readonly Layer[]): string => {
  const pruned = layers.some(({ sparsity }) => sparsity > 0)
  return columns(
    ['layer', 'weights', 'output', 'parameters', 'MACs', ...(pruned ? ['pruned', ''] : [])],
    layers.map(({ name, shape, output, parameters, macs, sparsity }) => [
      ...[name, shape.join('×'), output.join('×'), roughly(parameters), roughly(macs)],
      ...(pruned ? [percent(sparsity), bar(sparsity)] : []),
    ]),
    [3, 4, 5],
  )
}
