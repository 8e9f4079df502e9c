/** Batch norm as part of the convolution before it: γ (conv(x) − μ) / √(σ² + ε) + β is a convolution with a bias. */
import { optionsOf } from '../base/arguments.js'
import { parseSpec } from '../networks/parse.js'
import { type BatchNorm2dNode, type Conv2dNode, IMAGE, type NodeSpec } from '../networks/spec.js'
import type { Model } from './modelFile.js'
import { masked, modelOf, tensorsOf } from './tensors.js'

/**
 * The model without the batch norms that a convolution can take over, computed in float64 and rounded once. A batch norm
 * that reads anything else, or a convolution that others read too, stays: those before the activations of a wide
 * residual network.
 *
 * @returns a model of its own with the same logits in evaluation mode, but for rounding. What was pruned is 0; its mask
 * holds no more than ones
 */
export const foldBatchNorm = (given: Model): Model => {
  const model = { ...optionsOf(given, 'foldBatchNorm'), spec: parseSpec(given.spec) }
  const takenBy = foldable(model.spec.nodes)
  const widened = new Map([...takenBy].map(([norm, { name }]) => [name, norm]))
  const renamed = new Map([...takenBy].map(([norm, { name }]) => [norm.name, name]))
  const nodes = model.spec.nodes
    .filter(({ name }) => !renamed.has(name))
    .map((node): NodeSpec => {
      const inputs = node.inputs.map((input) => renamed.get(input) ?? input)
      return node.op === 'conv2d' && widened.has(node.name)
        ? { ...node, inputs, bias: true }
        : { ...node, inputs }
    })
  const tensors = tensorsOf(masked(model))
  const read = (name: string): ArrayLike<number> | undefined => tensors.get(name)?.values
  const values = new Map<string, ArrayLike<number>>(
    [...tensors].map(([name, tensor]) => [name, tensor.values]),
  )
  for (const [norm, { name, channels }] of takenBy) {
    const of = (kind: string, channel: number, otherwise: number): number =>
      read(`${norm.name}.${kind}`)?.[channel] ?? otherwise
    const factors = Array.from(
      { length: channels },
      (_, channel) => of('weight', channel, 1) / Math.sqrt(of('running_var', channel, 1) + norm.epsilon),
    )
    const weight = Float64Array.from(read(`${name}.weight`) ?? [])
    const run = weight.length / channels
    values.set(
      `${name}.weight`,
      weight.map((value, place) => value * (factors[Math.floor(place / run)] ?? 1)),
    )
    values.set(
      `${name}.bias`,
      factors.map((factor, channel) => {
        const before = read(`${name}.bias`)?.[channel] ?? 0
        return (before - of('running_mean', channel, 0)) * factor + of('bias', channel, 0)
      }),
    )
  }
  return { ...modelOf({ ...model.spec, nodes }, model.type, values), history: model.history }
}

/** The batch norms that can go, each with the convolution that takes it over. */
const foldable = (nodes: readonly NodeSpec[]): Map<BatchNorm2dNode, Conv2dNode> => {
  const readers = nodes.flatMap(({ inputs }) => inputs)
  const byName = new Map(nodes.map((node) => [node.name, node]))
  return new Map(
    nodes.flatMap((node) => {
      const source = byName.get(node.inputs[0] ?? IMAGE)
      if (node.op !== 'batchNorm2d' || source?.op !== 'conv2d') return []
      return readers.filter((name) => name === source.name).length === 1 ? [[node, source] as const] : []
    }),
  )
}
