/** Proportions with an honest interval: Wilson's score interval (E. B. Wilson, 1927), which holds near 0 and 100 %. */

import { invalid } from './errors.js'
import { show } from './numbers.js'
import { printedAs } from './printed.js'

/** An accuracy in percent of `n` images, with its 95 % interval. */
export interface Proportion {
  /** Percent. */
  value: number
  /** Lower and upper end of the 95 % Wilson interval, in percent. */
  low: number
  high: number
  n: number
  successes: number
}

/** The 97.5 % quantile of the normal distribution. */
const Z = 1.959963984540054

/** 95 % Wilson interval of `successes` out of `n`, in percent. */
export const wilson = (successes: number, n: number): [low: number, high: number] => {
  const counts = [successes, n].every(Number.isInteger) && 0 <= successes && successes <= n && n > 0
  if (!counts)
    throw invalid(`wilson: needs 0 <= successes <= n and n > 0, received ${show(successes)} of ${show(n)}`)
  const p = successes / n
  const center = p + (Z * Z) / (2 * n)
  const margin = Z * Math.sqrt((p * (1 - p)) / n + (Z * Z) / (4 * n * n))
  const scale = 100 / (1 + (Z * Z) / n)
  // The ends are exactly 0 and 100 when nothing or everything succeeds; rounding must not say otherwise.
  const low = successes === 0 ? 0 : (center - margin) * scale
  const high = successes === n ? 100 : (center + margin) * scale
  return [low, high]
}

/** `successes` out of `n` as a percentage with its 95 % Wilson interval. */
export const proportion = (successes: number, n: number): Proportion => {
  const [low, high] = wilson(successes, n)
  return printedAs({ value: (100 * successes) / n, low, high, n, successes }, formatProportion)
}

/** `46.8 [43.7, 49.9]`, in percent. */
export const formatProportion = ({ value, low, high }: Proportion): string =>
  `${value.toFixed(1)} [${low.toFixed(1)}, ${high.toFixed(1)}]`
