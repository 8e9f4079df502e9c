/** Among whom weights compete: how an amount to remove is divided among the layers. */

export const scopeNames = ['layer', 'global'] as const

/**
 * - `layer`: each layer loses the same fraction
 * - `global`: one ranking over all layers
 */
export type Scope = (typeof scopeNames)[number]

/** One layer as the scope sees it, all in the same measure (weights or filters). */
export interface Share {
  total: number
  /** What is removed already, and stays so. */
  pruned: number
  /** The most that may be removed; at least `pruned`. */
  removable: number
  /** What comes and goes together: the size of a group. Default 1. */
  unit?: number
}

/** Layers that compete with each other, by their indices, and how much they lose in sum, what is gone included. */
export interface Pool {
  layers: number[]
  amount: number
}

/** Divides `amount`, which lies between what is pruned and what is removable in sum. */
export const poolsOf = (scope: Scope, shares: readonly Share[], amount: number): Pool[] =>
  rules[scope](shares, amount)

const rules: Readonly<Record<Scope, (shares: readonly Share[], amount: number) => Pool[]>> = {
  layer: (shares, amount) =>
    equalFractions(shares, amount).map((part, index) => ({ layers: [index], amount: part })),
  global: (shares, amount) => [{ layers: shares.map((_, index) => index), amount }],
}

/**
 * The same fraction of each layer, in whole groups with the sum that is nearest: rounded down, and one more where the
 * remainders are largest. A layer that cannot lose that much, or has lost more already, makes the others lose more or
 * less.
 */
const equalFractions = (shares: readonly Share[], amount: number): number[] => {
  const fraction = commonFraction(shares, amount)
  const ideals = shares.map((share) => portion(share, fraction))
  // A product such as 0.29 · 100 may end just below the whole number that is meant.
  const amounts = shares.map(({ pruned, unit = 1 }, index) =>
    Math.max(pruned, unit * Math.floor(((ideals[index] ?? 0) + 1e-6) / unit)),
  )
  const byRemainder = shares
    .map(({ unit = 1, removable }, index) => {
      const remainder = ((ideals[index] ?? 0) - (amounts[index] ?? 0)) / unit
      return { index, remainder, unit, removable }
    })
    .sort((a, b) => b.remainder - a.remainder || a.index - b.index)
  let missing = amount - sum(amounts)
  for (const { index, unit, removable } of byRemainder) {
    const more = Math.min(unit, removable - (amounts[index] ?? 0))
    // Only where one more is too much by less than it would be too little without.
    if (more <= 0 || more >= 2 * missing) continue
    amounts[index] = (amounts[index] ?? 0) + more
    missing -= more
  }
  return amounts
}

/** The fraction at which the layers' portions sum up to `amount`, by bisection: the sum grows with the fraction. */
const commonFraction = (shares: readonly Share[], amount: number): number => {
  const lost = (fraction: number) => sum(shares.map((share) => portion(share, fraction)))
  const plain = amount / Math.max(1, sum(shares.map((share) => share.total)))
  if (Math.abs(lost(plain) - amount) < 1e-6) return plain
  let [low, high] = [0, 1]
  for (let step = 0; step < 60; step++) {
    const middle = (low + high) / 2
    if (lost(middle) < amount) low = middle
    else high = middle
  }
  return high
}

const portion = ({ total, pruned, removable }: Share, fraction: number): number =>
  Math.min(Math.max(total * fraction, pruned), removable)

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0)
