/** How far bounds lie apart. NaN anywhere gives NaN. */
import type { Box } from './randomNetworks.js'

/** The largest difference, relative to 1 or to the value. */
export const apart = (a: Float64Array, b: Float64Array): number =>
  a.reduce((most, x, i) => Math.max(most, Math.abs(x - Number(b[i])) / Math.max(1, Math.abs(x))), 0)
export const rangesApart = (a: Box, b: Box): number =>
  Math.max(apart(a.lower, b.lower), apart(a.upper, b.upper))

/** How far the first lies above the second at most, relative to 1 or to the value. */
export const excess = (low: Float64Array, high: Float64Array): number =>
  low.reduce((most, x, i) => Math.max(most, (x - Number(high[i])) / Math.max(1, Math.abs(x))), 0)
