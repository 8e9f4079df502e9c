import { describe, expect, it } from 'vitest'
import { mcnemar } from '../../lib/base/mcnemar.js'

/** By its definition, with exact whole numbers. */
const exact = (b: number, c: number): number => {
  let [term, sum] = [1n, 1n]
  for (let k = 1; k <= Math.min(b, c); k++) {
    term = (term * BigInt(b + c - k + 1)) / BigInt(k)
    sum += term
  }
  return Math.min(1, (2 * Number((sum * 10n ** 18n) >> BigInt(b + c))) / 1e18)
}

describe("McNemar's exact test", () => {
  it.each([
    [1, 9, 22 / 1024],
    [0, 5, 2 / 32],
    [3, 3, 1],
    [0, 0, 1],
  ])('of %i against %i is %f', (b, c, p) => expect(mcnemar(b, c)).toBeCloseTo(p, 12))

  it('is the sum of binomial probabilities, to the last digits also where images are many', () => {
    for (const [b, c] of [
      [12, 31],
      [121, 59],
      [480, 520],
      [900, 1100],
    ] as const)
      expect(mcnemar(b, c) / exact(b, c)).toBeCloseTo(1, 9)
  })

  it('is the same the other way round, and refuses what is no count', () => {
    expect(mcnemar(40, 25)).toBe(mcnemar(25, 40))
    expect(() => mcnemar(1.5, 2)).toThrow('needs two counts')
  })
})
