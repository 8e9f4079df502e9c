/**
 * A forward zonotope: every value is centre + Σ row·symbol with symbols in [−1, 1], one for each pixel and one for each
 * ReLU that crosses zero, whose slope is u/(u−l). (Wang et al., 2018; Singh et al., "DeepZ", 2018)
 */
import { IMAGE } from '../../../lib/networks/spec.js'
import { applyNode, named, type PlainNetwork, shapesOf } from './plain.js'
import type { Box } from './randomNetworks.js'

export interface Zonotope {
  centre: Float64Array
  /** By symbol; where one is missing, its row is zero. */
  rows: Float64Array[]
}

/** The zonotope of every node, without max pooling. */
export const zonotopes = (network: PlainNetwork, box: Box): Map<string, Zonotope> => {
  const shapes = shapesOf(network)
  const radius = box.upper.map((high, i) => (high - Number(box.lower[i])) / 2)
  const image = {
    centre: box.upper.map((high, i) => (high + Number(box.lower[i])) / 2),
    rows: Array.from(radius, (size, pixel) => radius.map((_, i) => (i === pixel ? size : 0))),
  }
  const all = new Map<string, Zonotope>([[IMAGE, image]])
  let symbols = radius.length
  for (const node of network.spec.nodes) {
    const [input = image, other = image] = node.inputs.map((name) => named(all, name))
    if (node.op === 'maxPool2d') throw new Error('no zonotope of a maximum')
    if (node.op === 'relu') {
      const out = rectified(input, symbols)
      symbols = out.rows.length
      all.set(node.name, out)
      continue
    }
    const through = (constants: boolean, a: Float64Array, b: Float64Array) =>
      applyNode(network, shapes, node, [a, b], constants)
    const none = (like: Zonotope) => new Float64Array(like.centre.length)
    all.set(node.name, {
      centre: through(true, input.centre, other.centre),
      rows: Array.from({ length: Math.max(input.rows.length, other.rows.length) }, (_, symbol) =>
        through(false, input.rows[symbol] ?? none(input), other.rows[symbol] ?? none(other)),
      ),
    })
  }
  return all
}

export const rangeOf = ({ centre, rows }: Zonotope): Box => {
  const radius = centre.map((_, i) => rows.reduce((sum, row) => sum + Math.abs(Number(row[i])), 0))
  return {
    lower: centre.map((middle, i) => middle - Number(radius[i])),
    upper: centre.map((middle, i) => middle + Number(radius[i])),
  }
}

/** Lower bounds of logit of the label − other logit, the other classes in order. */
export const zonotopeMargins = ({ centre, rows }: Zonotope, label: number): number[] => {
  const less = (of: Float64Array, other: number) => Number(of[label]) - Number(of[other])
  return Array.from(centre.keys())
    .filter((other) => other !== label)
    .map((other) => rows.reduce((low, row) => low - Math.abs(less(row, other)), less(centre, other)))
}

/** Symbols of its own begin at `symbols`. */
const rectified = (input: Zonotope, symbols: number): Zonotope => {
  const { lower, upper } = rangeOf(input)
  const slope = lower.map((low, i) => {
    const high = Number(upper[i])
    return low >= 0 ? 1 : high <= 0 ? 0 : high / (high - low)
  })
  const middle = slope.map((s, i) => (s > 0 && s < 1 ? (-s * Number(lower[i])) / 2 : 0))
  const scaled = (row: Float64Array) => row.map((x, i) => x * Number(slope[i]))
  const rows = input.rows.map(scaled)
  while (rows.length < symbols) rows.push(new Float64Array(slope.length))
  middle.forEach((size, place) => {
    if (size > 0) rows.push(slope.map((_, i) => (i === place ? size : 0)))
  })
  return { centre: scaled(input.centre).map((x, i) => x + Number(middle[i])), rows }
}
