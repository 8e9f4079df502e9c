import { describe, expect, it } from 'vitest'
import { proportion, wilson } from '../../lib/base/wilson.js'

describe('the Wilson interval', () => {
  // The roots p of (successes/n − p)² = z² p (1 − p) / n, found by bisection in Python.
  it.each([
    [0, 10, 0, 27.7533],
    [10, 10, 72.2467, 100],
    [5, 10, 23.6593, 76.3407],
    [270, 1000, 24.3402, 29.8358],
    [4330, 10000, 42.3316, 44.2735],
  ])('of %i in %i is [%f, %f] percent', (successes, n, low, high) => {
    const interval = wilson(successes, n)
    expect(interval[0]).toBeCloseTo(low, 3)
    expect(interval[1]).toBeCloseTo(high, 3)
  })

  it('contains the proportion and stays within 0 and 100 %', () => {
    for (let successes = 0; successes <= 50; successes++) {
      const { value, low, high } = proportion(successes, 50)
      expect(value).toBe(successes * 2)
      expect(low).toBeLessThanOrEqual(value)
      expect(high).toBeGreaterThanOrEqual(value)
      expect(low).toBeGreaterThanOrEqual(0)
      expect(high).toBeLessThanOrEqual(100)
    }
  })

  it('is ±7 points at 50 % of 200 images', () => {
    const [low, high] = wilson(100, 200)
    expect(low).toBeCloseTo(43.1, 1)
    expect(high).toBeCloseTo(56.9, 1)
  })

  it.each([
    [1, 0],
    [3, 2],
    [-1, 2],
    [0.5, 2],
  ])('refuses %f of %i', (successes, n) => {
    expect(() => wilson(successes, n)).toThrow(/successes <= n/)
  })
})
