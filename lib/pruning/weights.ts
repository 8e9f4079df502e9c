/** The prunable weights of a network as parts, whose inputs are channels. */
import type { TensorLayout } from '../../bindings/native.js'
import { factsOf } from '../networks/operations.js'
import { IMAGE, type NetworkSpec } from '../networks/spec.js'
import { channelSpaces } from './channels.js'
import type { Part, Tile } from './tiles.js'

/**
 * Every convolution and linear weight, cut by one tile. Inputs next to each other are channels next to each other at
 * one position: inference keeps maps pixel by pixel, so a linear layer behind `flatten` reads the channels of a pixel
 * together, though its weights are stored channel by channel.
 */
export const weightParts = (
  spec: NetworkSpec,
  layout: readonly TensorLayout[],
  tile: Readonly<Tile>,
): Part[] => {
  const spaces = channelSpaces(spec)
  const nodes = new Map(spec.nodes.map((node) => [node.name, node]))
  const run = (name: string): number => {
    const node = nodes.get(name)
    return node !== undefined && factsOf(node).reads === 'vector' ? spaces.run(node.inputs[0] ?? IMAGE) : 1
  }
  return layout.filter((tensor) => tensor.prunable).map((tensor) => ({ tensor, tile, run: run(tensor.node) }))
}
