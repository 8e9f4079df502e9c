/** Single weights: every convolution and linear weight is a group of its own. */
import type { PruneLayer, StructureRule } from '../layers.js'
import { SINGLE } from '../tiles.js'

export const unstructured: StructureRule = {
  unit: 'weights',
  group: 'weight',
  layers: (_spec, layout) =>
    layout
      .filter((tensor) => tensor.prunable)
      .map(
        (tensor): PruneLayer => ({
          name: tensor.node,
          groups: tensor.size,
          ranked: [{ tensor, tile: SINGLE }],
          attached: [],
          sizes: 1,
          removable: tensor.size,
          protect: () => undefined,
        }),
      ),
}
