/**
 * Makes a masked network physically smaller, with the same logits: channels that contribute exactly nothing leave every
 * tensor that makes, normalises or reads them.
 */
import type { Floats, TensorLayout } from '../../bindings/native.js'
import { invalid } from '../base/errors.js'
import { withOutputs } from '../networks/operations.js'
import { IMAGE, type NetworkSpec, type NodeSpec } from '../networks/spec.js'
import { elements } from '../networks/tensors.js'
import { channelSpaces } from './channels.js'
import { liveChannels } from './liveness.js'

export interface CompactNetwork {
  spec: NetworkSpec
  parameters: Floats
  buffers: Floats
  mask: Uint8Array
}

/**
 * The smallest network of the same shape that computes the same logits. A channel goes where it is always exactly 0, or
 * where every weight that reads it is; at least one channel of each layer stays. A filter without weights whose batch
 * norm still shifts it is not zero, and stays.
 *
 * @param layout The tensors of both arenas.
 * @param mask Weights under 0 count as 0, and are 0 in the result; the result's mask is that of what is left.
 * @throws CoppiceError where the arrays don't fit the layout.
 */
export const compact = (
  spec: NetworkSpec,
  layout: readonly TensorLayout[],
  parameters: Floats,
  buffers: Floats,
  mask: Uint8Array,
): CompactNetwork => {
  const [trained, statistics] = [arenaOf(layout, 'parameters'), arenaOf(layout, 'buffers')]
  requireLength('parameters', parameters, trained)
  requireLength('mask', mask, trained)
  requireLength('buffers', buffers, statistics)
  const masked = parameters.slice()
  for (let index = 0; index < mask.length; index++) if (mask[index] === 0) masked[index] = 0
  const spaces = channelSpaces(spec)
  const live = liveChannels(spec, spaces, (node, kind) => {
    const tensor = layout.find((entry) => entry.node === node && entry.kind === kind)
    const arena = tensor?.arena === 'buffers' ? buffers : masked
    return tensor === undefined ? undefined : arena.subarray(tensor.offset, tensor.offset + tensor.size)
  })
  const kept = (node: string) => expand(live.get(spaces.of(node)) ?? new Uint8Array(0), spaces.run(node))
  const nodes = new Map(spec.nodes.map((node) => [node.name, node]))
  const cut = <Arena extends Floats | Uint8Array>(arena: Arena, tensors: readonly TensorLayout[]): Arena =>
    gather(
      arena,
      tensors.map((tensor) => ({
        tensor,
        rows: kept(tensor.node),
        columns: tensor.kind === 'weight' ? kept(nodes.get(tensor.node)?.inputs[0] ?? IMAGE) : [0],
      })),
    )
  return {
    spec: { ...spec, nodes: spec.nodes.map((node) => narrowed(node, kept(node.name))) },
    parameters: cut(masked, trained),
    buffers: cut(buffers, statistics),
    mask: cut(mask, trained),
  }
}

const arenaOf = (layout: readonly TensorLayout[], arena: TensorLayout['arena']): TensorLayout[] =>
  layout.filter((tensor) => tensor.arena === arena).sort((a, b) => a.offset - b.offset)

const requireLength = (what: string, array: ArrayLike<number>, tensors: readonly TensorLayout[]): void => {
  const length = tensors.reduce((sum, tensor) => sum + tensor.size, 0)
  if (array.length === length) return
  throw invalid(`cannot compact: the ${what} have ${array.length} elements, but the network has ${length}`)
}

/** Indices of the entries whose channels are live. */
const expand = (live: Uint8Array, run: number): number[] =>
  Array.from(live).flatMap((flag, channel) =>
    flag === 1 ? Array.from({ length: run }, (_, entry) => channel * run + entry) : [],
  )

interface Cut {
  tensor: TensorLayout
  rows: number[]
  /** Entries of the second axis; a vector has one column. */
  columns: number[]
}

/** The chosen rows and columns of each tensor, one after another. */
const gather = <Arena extends Floats | Uint8Array>(arena: Arena, cuts: readonly Cut[]): Arena => {
  const positions = ({ tensor }: Cut) => elements(tensor.shape.slice(2))
  const length = cuts.reduce((sum, cut) => sum + cut.rows.length * cut.columns.length * positions(cut), 0)
  const result = arena.slice(0, length) as Arena
  let to = 0
  for (const cut of cuts) {
    const run = positions(cut)
    const width = (cut.tensor.shape[1] ?? 1) * run
    const wholeRows = cut.columns.length * run === width
    for (const row of cut.rows) {
      if (wholeRows) {
        const from = cut.tensor.offset + row * width
        result.set(arena.subarray(from, from + width), to)
        to += width
        continue
      }
      for (const column of cut.columns) {
        const from = cut.tensor.offset + row * width + column * run
        for (let index = 0; index < run; index++) result[to++] = arena[from + index] ?? 0
      }
    }
  }
  return result
}

const narrowed = (node: NodeSpec, kept: readonly number[]): NodeSpec => {
  switch (node.op) {
    case 'conv2d':
    case 'linear':
      return withOutputs(node, () => kept.length)
    case 'normalize': {
      const pick = (values: readonly number[]) => kept.map((channel) => values[channel] ?? 0)
      return { ...node, mean: pick(node.mean), std: pick(node.std) }
    }
    case 'batchNorm2d':
    case 'relu':
    case 'maxPool2d':
    case 'averagePool2d':
    case 'flatten':
    case 'add':
      return node
  }
}
