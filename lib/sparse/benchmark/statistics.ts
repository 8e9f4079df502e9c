/** Medians and 95th percentiles. */

export interface Times {
  /** Seconds. */
  median: number
  p95: number
  /** Number of runs. */
  n: number
}

/** The quantile `q` of values, between the two nearest where it falls between. */
export const quantile = (values: readonly number[], q: number): number => {
  const sorted = values.toSorted((a, b) => a - b)
  const place = q * (sorted.length - 1)
  const [low, high] = [sorted[Math.floor(place)] ?? Number.NaN, sorted[Math.ceil(place)] ?? Number.NaN]
  return low + (high - low) * (place - Math.floor(place))
}

export const timesOf = (seconds: readonly number[]): Times => ({
  median: quantile(seconds, 0.5),
  p95: quantile(seconds, 0.95),
  n: seconds.length,
})
