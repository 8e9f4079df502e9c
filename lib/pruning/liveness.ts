/**
 * Which channels a network needs. Forward, a channel is zero if it is exactly 0 for every image; backward, a channel is
 * live if some live channel after it reads it, with a weight and a value that are not zero. The rest contributes exactly
 * nothing to the logits.
 */
import type { Floats, TensorLayout } from '../../bindings/native.js'
import { invalid } from '../base/errors.js'
import { factsOf } from '../networks/operations.js'
import { inputShapes, nodeShapes } from '../networks/shapes.js'
import { IMAGE, type NetworkSpec, type NodeSpec } from '../networks/spec.js'
import type { ChannelSpace, ChannelSpaces } from './channels.js'

/** Values of a tensor by node and kind; undefined where the node has no such tensor. */
export type Values = (node: string, kind: TensorLayout['kind']) => Floats | undefined

/** One flag per channel, 1 where it is live, for every space. At least one channel of each space is. */
export const liveChannels = (
  spec: NetworkSpec,
  spaces: ChannelSpaces,
  values: Values,
): Map<ChannelSpace, Uint8Array> => {
  const shapes = nodeShapes(spec).set(IMAGE, [...spec.input])
  const links = new Map<string, Links>()
  const zeros = new Map<string, Uint8Array>([[IMAGE, new Uint8Array(spec.input[0])]])
  for (const node of spec.nodes) {
    const inputs = node.inputs.map((input) => zeros.get(input) ?? new Uint8Array(0))
    const entries = shapes.get(node.name)?.[0] ?? 0
    if (factsOf(node).channels === 'mixed') {
      const columns = inputShapes(node, shapes)[0]?.[0] ?? 0
      links.set(node.name, linksOf(required(values, node, 'weight'), entries, columns, inputs[0]))
    }
    zeros.set(node.name, zeroEntries(node, entries, inputs, links.get(node.name), values))
  }

  const live = new Map(
    spaces.spaces.map((space) => [space, new Uint8Array(space.channels).fill(space.fixed ? 1 : 0)]),
  )
  // From the logits backwards; a residual network's spaces read each other, hence until nothing changes.
  const backwards = [...spaces.spaces].reverse()
  for (let changed = true; changed; ) {
    changed = false
    for (const space of backwards) {
      const own = live.get(space) ?? new Uint8Array(0)
      for (const { node, input } of space.readers) {
        const rows = live.get(spaces.of(node)) ?? new Uint8Array(0)
        const read = links.get(node)
        if (read !== undefined && markRead(own, rows, read, spaces.run(node), spaces.run(input)))
          changed = true
      }
    }
  }
  for (const flags of live.values()) if (!flags.includes(1)) flags[0] = 1
  return live
}

/** 1 where some weight between an output and an input is not zero, and the input is not always zero; by rows. */
interface Links {
  flags: Uint8Array
  columns: number
}

const linksOf = (weights: Floats, rows: number, columns: number, zero: Uint8Array | undefined): Links => {
  const flags = new Uint8Array(rows * columns)
  const positions = weights.length / flags.length
  for (let row = 0, link = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++, link++) {
      if (zero?.[column] === 1) continue
      let index = link * positions
      const end = index + positions
      while (index < end && weights[index] === 0) index++
      if (index < end) flags[link] = 1
    }
  }
  return { flags, columns }
}

/** 1 for every entry (channel of a map, entry of a vector) of a node's output that is always exactly 0. */
const zeroEntries = (
  node: NodeSpec,
  entries: number,
  [input = new Uint8Array(0), other = new Uint8Array(0)]: Uint8Array[],
  links: Links | undefined,
  values: Values,
): Uint8Array => {
  const where = (isZero: (entry: number) => boolean) =>
    Uint8Array.from({ length: entries }, (_, entry) => (isZero(entry) ? 1 : 0))
  switch (node.op) {
    case 'conv2d':
    case 'linear': {
      const bias = values(node.name, 'bias')
      const { flags = new Uint8Array(0), columns = 0 } = links ?? {}
      return where(
        (row) => (bias?.[row] ?? 0) === 0 && !flags.subarray(row * columns, (row + 1) * columns).includes(1),
      )
    }
    case 'batchNorm2d': {
      const scale = required(values, node, 'scale')
      const shift = required(values, node, 'shift')
      const mean = required(values, node, 'runningMean')
      // Scale 0 gives 0 · x, an input that is 0 with mean 0 gives (0 − 0) · scale.
      return where((c) => shift[c] === 0 && (scale[c] === 0 || (input[c] === 1 && mean[c] === 0)))
    }
    case 'normalize':
      return where((c) => input[c] === 1 && node.mean[c] === 0)
    case 'relu':
    case 'maxPool2d':
    case 'averagePool2d':
      return input
    case 'flatten':
      return where((entry) => input[Math.floor((entry * input.length) / entries)] === 1)
    case 'add':
      return where((entry) => input[entry] === 1 && other[entry] === 1)
  }
}

/** Marks the channels that live rows read; tells whether that marked any anew. */
const markRead = (
  own: Uint8Array,
  rows: Uint8Array,
  { flags, columns }: Links,
  rowRun: number,
  columnRun: number,
): boolean => {
  let changed = false
  for (let row = 0; row * columns < flags.length; row++) {
    if (rows[Math.floor(row / rowRun)] !== 1) continue
    for (let channel = 0; channel < own.length; channel++) {
      if (own[channel] === 1) continue
      const start = row * columns + channel * columnRun
      if (!flags.subarray(start, start + columnRun).includes(1)) continue
      own[channel] = 1
      changed = true
    }
  }
  return changed
}

const required = (values: Values, node: NodeSpec, kind: TensorLayout['kind']): Floats => {
  const found = values(node.name, kind)
  if (found === undefined) throw invalid(`the layout has no ${kind} of node "${node.name}"`)
  return found
}
