/**
 * How one tensor is cut into groups: a tile of so many outputs × inputs × kernel positions is one group. A filter is
 * the tile 1 × all × all, a single weight 1 × 1 × 1, all weights that read one channel all × 1 × all.
 */
import type { TensorLayout } from '../../bindings/native.js'

/** Extent of a group along each axis, in entries; `ALL` is the whole axis. */
export interface Tile {
  outputs: number
  inputs: number
  positions: number
}

export const ALL = Number.POSITIVE_INFINITY

/** The tile that is a single weight. */
export const SINGLE: Readonly<Tile> = { outputs: 1, inputs: 1, positions: 1 }

/** A tensor of the parameter arena, cut into groups. Vectors (biases, scales, shifts) have outputs only. */
export interface Part {
  tensor: TensorLayout
  tile: Readonly<Tile>
  /**
   * How many consecutive entries of the second axis are one input, and its positions: the pixels of a channel, where a
   * linear layer reads a flattened map. It then is a convolution whose kernel is the map. Default 1.
   */
  run?: number
}

/** Number of groups; those at the far edges may be smaller than the tile. */
export const groupCount = (part: Part): number => {
  const { outputs, inputs, positions, tile } = extents(part)
  return (
    Math.ceil(outputs / tile.outputs) *
    Math.ceil(inputs / tile.inputs) *
    Math.ceil(positions / tile.positions)
  )
}

/** How many elements each group has: one number if that is the same for all, else one each. */
export const groupSizes = (part: Part): number | Uint32Array => {
  const { outputs, inputs, positions, tile } = extents(part)
  const [alongOutputs, alongInputs, alongPositions] = [
    spans(outputs, tile.outputs),
    spans(inputs, tile.inputs),
    spans(positions, tile.positions),
  ]
  const sizes = new Uint32Array(alongOutputs.length * alongInputs.length * alongPositions.length)
  let group = 0
  for (const height of alongOutputs) {
    for (const width of alongInputs) {
      for (const depth of alongPositions) sizes[group++] = height * width * depth
    }
  }
  const [first = 0] = sizes
  return sizes.every((size) => size === first) ? first : sizes
}

/** Lengths of the pieces of an axis: all that of the tile, but for the last. */
const spans = (length: number, tile: number): number[] =>
  Array.from({ length: Math.ceil(length / tile) }, (_, index) => Math.min(tile, length - index * tile))

/**
 * Sees consecutive elements, from `start` to `end` (exclusive) in the arena: the first lies in `group`, and each after it
 * in the group that is `step` further: 0, all in the same one, or 1, each in its own.
 */
export type Visit = (group: number, start: number, end: number, step: 0 | 1) => void

/**
 * Visits all elements as runs, in the order of the arena. Groups are numbered by output, then input, then position.
 */
export const eachRun = (part: Part, visit: Visit): void => {
  const { outputs, inputs, positions, tile } = extents(part)
  if (tile.outputs * tile.inputs * tile.positions === 1) {
    visit(0, part.tensor.offset, part.tensor.offset + part.tensor.size, 1)
    return
  }
  const inputGroups = Math.ceil(inputs / tile.inputs)
  const positionGroups = Math.ceil(positions / tile.positions)
  const wholeRows = inputGroups === 1 && positionGroups === 1
  let start = part.tensor.offset
  for (let output = 0; output < outputs; output++) {
    const row = Math.floor(output / tile.outputs) * inputGroups * positionGroups
    if (wholeRows) {
      visit(row, start, start + inputs * positions, 0)
      start += inputs * positions
      continue
    }
    for (let input = 0; input < inputs; input += positionGroups === 1 ? tile.inputs : 1) {
      const group = row + Math.floor(input / tile.inputs) * positionGroups
      if (positionGroups === 1) {
        const end = start + Math.min(tile.inputs, inputs - input) * positions
        visit(group, start, end, 0)
        start = end
        continue
      }
      if (tile.positions === 1) {
        visit(group, start, start + positions, 1)
        start += positions
        continue
      }
      for (let position = 0, index = group; position < positions; position += tile.positions, index++) {
        const end = start + Math.min(tile.positions, positions - position)
        visit(index, start, end, 0)
        start = end
      }
    }
  }
}

/** A tensor's axes, and its tile cut to them. */
export const extents = ({ tensor, tile, run = 1 }: Part) => {
  const [outputs = 0, entries = 1, ...kernel] = tensor.shape
  const inputs = entries / run
  const positions = kernel.reduce((product, size) => product * size, run)
  return {
    outputs,
    inputs,
    positions,
    tile: {
      outputs: Math.min(tile.outputs, outputs),
      inputs: Math.min(tile.inputs, inputs),
      positions: Math.min(tile.positions, positions),
    },
  }
}
