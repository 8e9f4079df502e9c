/**
 * Filters of convolutions and neurons of linear layers, with all that makes or reads their channel: bias, batch norm's
 * scale and shift, and the weights of the next layers for it. A pruned channel is exactly 0, so that compaction is
 * exact, and the mask's sparsity is that of the compacted network.
 */
import type { TensorLayout } from '../../../bindings/native.js'
import { type ChannelSpace, type ChannelSpaces, channelSpaces } from '../channels.js'
import { keepBest, type PruneLayer, type StructureRule } from '../layers.js'
import { ALL, type Part } from '../tiles.js'

export const filter: StructureRule = {
  unit: 'filters',
  group: 'filter',
  layers: (spec, layout, residual) => {
    const spaces = channelSpaces(spec)
    return spaces.spaces
      .filter((space) => !space.fixed && (residual === 'grouped' || !space.tied))
      .map((space) => layerOf(space, spaces, layout))
  },
}

const layerOf = (space: ChannelSpace, spaces: ChannelSpaces, layout: readonly TensorLayout[]): PruneLayer => {
  const tensorsOf = (node: string) => layout.filter((tensor) => tensor.node === node)
  const makers = space.producers.flatMap(tensorsOf)
  const made = (tensor: TensorLayout): Part => ({
    tensor,
    tile: { outputs: spaces.run(tensor.node), inputs: ALL, positions: ALL },
  })
  const read = space.readers.flatMap(({ node, input }) =>
    tensorsOf(node)
      .filter((tensor) => tensor.kind === 'weight')
      .map((tensor): Part => ({ tensor, tile: { outputs: ALL, inputs: spaces.run(input), positions: ALL } })),
  )
  const size = space.producers.reduce((sum, node) => sum + spaces.run(node), 0)
  return {
    name: space.producers.join(' + '),
    groups: space.channels,
    ranked: makers.filter((tensor) => tensor.kind === 'weight').map(made),
    attached: [
      ...makers.filter((tensor) => tensor.kind === 'bias').map(made),
      ...space.batchNorms.flatMap(tensorsOf).map(made),
      ...read,
    ],
    sizes: size,
    removable: (space.channels - 1) * size,
    // A layer without filters would cut the network in two.
    protect: (scores, flags) => keepBest(scores, flags),
  }
}
