/**
 * Exact ranges over a box of few pixels, by enumerating activation patterns: the box is cut into simplices on each of
 * which no ReLU changes its sign and no max pool its choice. There every node is affine, so that its extremes are
 * among its values at the corners.
 */
import { forward, named, type PlainNetwork, poolWindows, shapesOf, type Values } from './plain.js'
import type { Box } from './randomNetworks.js'
import { includeAll, type Ranges } from './search.js'

interface Corner {
  point: Float64Array
  values: Values
}
type Simplex = Corner[]

/** The exact range of every node, and of the margins of every label. */
export const exactRanges = (network: PlainNetwork, box: Box): Ranges => {
  const cornerAt = (point: Float64Array): Corner => ({ point, values: forward(network, point) })
  let simplices = simplicesOf(box).map((points) => points.map(cornerAt))
  for (const value of switches(network)) simplices = simplices.flatMap((each) => cut(each, value, cornerAt))
  const ranges: Ranges = new Map()
  for (const { values } of simplices.flat()) includeAll(ranges, network, values)
  return ranges
}

/** Pieces of a simplex on none of which the value changes its sign. */
const cut = (
  simplex: Simplex,
  value: (values: Values) => number,
  cornerAt: (point: Float64Array) => Corner,
): Simplex[] => {
  const signs = simplex.map(({ values }) => value(values)).map((x) => (Math.abs(x) < 1e-13 ? 0 : x))
  const [a, b] = [signs.findIndex((x) => x > 0), signs.findIndex((x) => x < 0)]
  const [above, below] = [simplex[a], simplex[b]]
  if (above === undefined || below === undefined) return [simplex]
  // The edge between the two is cut where the value is zero.
  const [high, low] = [Number(signs[a]), Number(signs[b])]
  const between = cornerAt(
    above.point.map((x, i) => (high * Number(below.point[i]) - low * x) / (high - low)),
  )
  return [a, b].flatMap((replaced) => cut(simplex.with(replaced, between), value, cornerAt))
}

/** What must keep its sign for the network to be affine, in the order of the nodes. */
const switches = (network: PlainNetwork): ((values: Values) => number)[] => {
  const shapes = shapesOf(network)
  return network.spec.nodes.flatMap((node) => {
    const input = node.inputs[0] ?? ''
    const at = (values: Values, place: number) => Number(named(values, input)[place])
    const shape = named(shapes, input)
    if (node.op === 'relu') {
      const size = shape.reduce((a, b) => a * b, 1)
      return Array.from({ length: size }, (_, place) => (values: Values) => at(values, place))
    }
    if (node.op !== 'maxPool2d') return []
    const [channels = 1, height = 1, width = 1] = shape
    return poolWindows([channels, height, width], node).flatMap((window) =>
      window.flatMap((one, i) =>
        window.slice(i + 1).map((other) => (values: Values) => at(values, one) - at(values, other)),
      ),
    )
  })
}

/** A box as simplices: one for each order in which the pixels go from their lower to their upper face. (Kuhn) */
const simplicesOf = ({ lower, upper }: Box): Float64Array[][] =>
  orders(Array.from(lower.keys())).map((order) =>
    Array.from({ length: order.length + 1 }, (_, moved) =>
      lower.map((low, pixel) => (order.indexOf(pixel) < moved ? Number(upper[pixel]) : low)),
    ),
  )

const orders = (items: readonly number[]): number[][] =>
  items.length === 0
    ? [[]]
    : items.flatMap((item) => orders(items.filter((other) => other !== item)).map((rest) => [item, ...rest]))
