/** Looks for extreme values of neurons over a box, without gradients: what it finds must lie within all bounds. */
import { IMAGE } from '../../../lib/networks/spec.js'
import { forward, named, type PlainNetwork, type Values } from './plain.js'
import type { Box, Random } from './randomNetworks.js'

/** Least and greatest value of every node's values, and of margins. */
export type Ranges = Map<string, Box>

/** Extremes of every neuron over corners, random points, `others`, and where a walk along the pixels leads. */
export const search = (
  network: PlainNetwork,
  box: Box,
  chance: Random,
  { corners = 12, points = 12, walks = 6, others = [] as readonly Float64Array[] } = {},
): Ranges => {
  const found: Ranges = new Map()
  const visit = (point: Float64Array): Values => {
    const values = forward(network, point)
    includeAll(found, network, values)
    return values
  }
  const between = (share: () => number) =>
    box.lower.map((low, i) => low + share() * (Number(box.upper[i]) - low))
  visit(between(() => 0.5))
  for (const face of [0, 1]) visit(between(() => face))
  for (let i = 0; i < corners; ++i) visit(between(() => chance.whole(0, 1)))
  for (let i = 0; i < points; ++i) visit(between(() => chance.uniform(0, 1)))
  for (const point of others) visit(point)
  const names = network.spec.nodes.map(({ name }) => name)
  for (let i = 0; i < walks; ++i) {
    const name = i < 2 ? names.at(-1) : names[chance.whole(0, names.length - 1)]
    const values = named(found, name ?? IMAGE).lower
    const [neuron, sign] = [chance.whole(0, values.length - 1), i % 2 === 0 ? 1 : -1]
    const height = (point: Float64Array) => sign * Number(named(visit(point), name ?? IMAGE)[neuron])
    let best = between(() => 0.5)
    let reached = height(best)
    for (let pixel = 0; pixel < best.length; ++pixel)
      for (const face of [box.lower, box.upper]) {
        const next = best.slice()
        next[pixel] = Number(face[pixel])
        const there = height(next)
        if (there > reached) [best, reached] = [next, there]
      }
  }
  return found
}

/** Widens all ranges to hold the values, and that of `margin<label>`: its logit less each of the others. */
export const includeAll = (ranges: Ranges, network: PlainNetwork, values: Values): void => {
  for (const [name, each] of values) include(ranges, name, each)
  const logits = named(values, network.spec.nodes.at(-1)?.name ?? '')
  logits.forEach((own, label) => {
    const others = logits.filter((_, other) => other !== label)
    include(
      ranges,
      `margin${label}`,
      others.map((other) => own - other),
    )
  })
}

const include = (ranges: Ranges, name: string, values: Float64Array): void => {
  const range = ranges.get(name)
  if (range === undefined) {
    ranges.set(name, { lower: values.slice(), upper: values.slice() })
    return
  }
  values.forEach((value, i) => {
    range.lower[i] = Math.min(Number(range.lower[i]), value)
    range.upper[i] = Math.max(Number(range.upper[i]), value)
  })
}
