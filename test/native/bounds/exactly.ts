/** Bounds held against values in exact arithmetic. */
import type { ParameterType } from '../../../bindings/native.js'
import { exactValues } from '../../../lib/verification/exact.js'
import { type Fixed, fixed } from '../../../lib/verification/fixedPoint.js'
import { named, type PlainNetwork } from './plain.js'
import type { Box } from './randomNetworks.js'

/** After the point: all of a double, and what sums and roots leave. */
const BITS = 2400

/** Values of every node, and `margin<label>`: its logit less each of the others. */
export type ExactValues = Map<string, Fixed>

export const valuesAt = async (
  { spec, tensors }: PlainNetwork,
  type: ParameterType,
  point: Float64Array,
): Promise<ExactValues> => {
  const all = await exactValues({ spec, tensors, type }, point, BITS)
  const { values, error, bits } = named(all, spec.nodes.at(-1)?.name ?? '')
  values.forEach((own, label) => {
    const others = values.filter((_, other) => other !== label)
    all.set(`margin${label}`, { bits, error: 2n * error, values: others.map((other) => own - other) })
  })
  return all
}

/** Places where a value certainly lies outside of its bounds. A bound that is NaN or infinite says nothing. */
export const outside = ({ values, error }: Fixed, { lower, upper }: Box): number[] =>
  Array.from(values.keys()).filter((i) => {
    const [low = Number.NaN, high = Number.NaN, value = 0n] = [lower[i], upper[i], values[i]]
    return (
      (Number.isFinite(low) && inFixed(low) > value + error) ||
      low === Number.POSITIVE_INFINITY ||
      (Number.isFinite(high) && inFixed(high) < value - error) ||
      high === Number.NEGATIVE_INFINITY
    )
  })

/** The greatest of the logits. */
export const labelOf = (values: ExactValues, last: string): number => {
  const logits = named(values, last).values
  return Array.from(logits.keys()).reduce(
    (best, i) => ((logits[i] ?? 0n) > (logits[best] ?? 0n) ? i : best),
    0,
  )
}

const inFixed = (x: number): bigint => fixed([x], BITS).values[0] ?? 0n
