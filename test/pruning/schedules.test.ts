import { describe, expect, it } from 'vitest'
import { pruneScheduleNames, sparsityAt } from '../../lib/pruning/schedules.js'

describe('sparsityAt', () => {
  it.each(pruneScheduleNames)('%s never decreases and ends exactly at the target', (schedule) => {
    for (const target of [0, 0.1, 0.5, 0.9, 0.95, 0.99]) {
      for (const steps of [1, 2, 7, 40]) {
        let before = 0
        for (let step = 1; step <= steps; step++) {
          const sparsity = sparsityAt(schedule, target, step, steps)
          expect(sparsity).toBeGreaterThanOrEqual(before)
          expect(sparsity).toBeLessThanOrEqual(target + 1e-12)
          before = sparsity
        }
        expect(before).toBe(target)
      }
    }
  })

  it('follows the published formulas', () => {
    expect(sparsityAt('linear', 0.8, 1, 4)).toBeCloseTo(0.2, 12)
    expect(sparsityAt('cubic', 0.8, 1, 2)).toBeCloseTo(0.8 * (1 - 0.125), 12)
    expect(sparsityAt('oneShot', 0.8, 1, 40)).toBe(0.8)
  })

  it('geometric keeps the same fraction of the rest at each step', () => {
    const kept = Array.from({ length: 40 }, (_, i) => 1 - sparsityAt('geometric', 0.9, i + 1, 40))
    for (let i = 1; i < 40; i++) expect((kept[i] ?? 0) / (kept[i - 1] ?? 1)).toBeCloseTo(0.1 ** (1 / 40), 12)
  })

  it('refuses targets, steps and names that make no sense', () => {
    expect(() => sparsityAt('linear', 1, 1, 2)).toThrow('below 1')
    expect(() => sparsityAt('linear', -0.1, 1, 2)).toThrow('at least 0')
    expect(() => sparsityAt('linear', Number.NaN, 1, 2)).toThrow('NaN')
    expect(() => sparsityAt('linear', 0.5, 0, 2)).toThrow('1 to 2')
    expect(() => sparsityAt('linear', 0.5, 3, 2)).toThrow('1 to 2')
    expect(() => sparsityAt('linear', 0.5, 1, 0)).toThrow('at least 1')
    // @ts-expect-error a typo, as plain JavaScript may hold it
    expect(() => sparsityAt('geometrik', 0.5, 1, 2)).toThrow('did you mean "geometric"?')
  })
})
