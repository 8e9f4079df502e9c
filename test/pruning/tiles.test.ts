import { describe, expect, it } from 'vitest'
import type { TensorLayout } from '../../bindings/native.js'
import {
  ALL,
  eachRun,
  groupCount,
  groupSizes,
  type Part,
  SINGLE,
  type Tile,
} from '../../lib/pruning/tiles.js'

const tensor = (...shape: number[]): TensorLayout => ({
  name: 'a.weight',
  node: 'a',
  kind: 'weight',
  arena: 'parameters',
  shape,
  offset: 5,
  size: shape.reduce((product, size) => product * size, 1),
  prunable: true,
})

/** The group of each element, and how often it was visited. */
const visited = (part: Part): { groups: number[]; times: number[] } => {
  const groups: number[] = []
  const times = Array.from({ length: part.tensor.size }, () => 0)
  eachRun(part, (first, start, end, step) => {
    for (let index = start, group = first; index < end; index++, group += step) {
      groups[index - 5] = group
      times[index - 5] = (times[index - 5] ?? 0) + 1
    }
  })
  return { groups, times }
}

describe('eachRun', () => {
  const tiles: [string, Tile][] = [
    ['single weights', SINGLE],
    ['filters', { outputs: 1, inputs: ALL, positions: ALL }],
    ['weights that read a channel', { outputs: ALL, inputs: 1, positions: ALL }],
    ['runs of inputs', { outputs: ALL, inputs: 3, positions: ALL }],
    ['vectors of 4 outputs × 2 inputs', { outputs: 4, inputs: 2, positions: 1 }],
    ['blocks', { outputs: 3, inputs: 2, positions: ALL }],
    ['pairs of positions', { outputs: 1, inputs: 1, positions: 2 }],
    ['everything', { outputs: ALL, inputs: ALL, positions: ALL }],
  ]
  it.each(tiles)('visits every element once, in its tile: %s', (_, tile) => {
    for (const shape of [[6, 4, 3, 3], [5, 7], [9], [1, 1, 1, 1], [7, 5, 1, 1]]) {
      const part = { tensor: tensor(...shape), tile }
      const { groups, times } = visited(part)
      expect(times.every((count) => count === 1)).toBe(true)
      const [outputs = 1, inputs = 1, height = 1, width = 1] = shape
      const along = (size: number, extent: number) => Math.ceil(size / Math.min(extent, size))
      const expected = groups.map((_group, index) => {
        const position = index % (height * width)
        const input = Math.floor(index / (height * width)) % inputs
        const output = Math.floor(index / (height * width * inputs))
        const at = (value: number, extent: number) => (extent === ALL ? 0 : Math.floor(value / extent))
        return (
          (at(output, tile.outputs) * along(inputs, tile.inputs) + at(input, tile.inputs)) *
            along(height * width, tile.positions) +
          at(position, tile.positions)
        )
      })
      expect(groups).toEqual(expected)
      expect(Math.max(...groups)).toBe(groupCount(part) - 1)
      expect(outputs * inputs * height * width).toBe(groups.length)
    }
  })

  it.each(tiles)('counts the elements of every group: %s', (_, tile) => {
    for (const shape of [[6, 4, 3, 3], [5, 7], [9], [1, 1, 1, 1], [7, 5, 1, 1]]) {
      const part = { tensor: tensor(...shape), tile }
      const counts = Array.from({ length: groupCount(part) }, () => 0)
      for (const group of visited(part).groups) counts[group] = (counts[group] ?? 0) + 1
      const sizes = groupSizes(part)
      expect(typeof sizes === 'number' ? counts.map(() => sizes) : [...sizes]).toEqual(counts)
      // One number where one is enough.
      expect(typeof sizes === 'number').toBe(new Set(counts).size === 1)
    }
  })

  it('cuts a linear layer behind a flattened map as a convolution whose kernel is the map', () => {
    for (const [, tile] of tiles) {
      const flat = visited({ tensor: tensor(7, 5 * 6), tile, run: 6 })
      expect(flat).toEqual(visited({ tensor: tensor(7, 5, 2, 3), tile }))
    }
  })
})
