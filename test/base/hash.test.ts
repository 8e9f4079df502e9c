import { describe, expect, it } from 'vitest'
import { hash32 } from '../../lib/base/hash.js'

describe('hash32', () => {
  it('is a function of every number and of their order', () => {
    expect(hash32(1, 2, 3)).toBe(hash32(1, 2, 3))
    const hashes = [
      hash32(1, 2, 3),
      hash32(1, 3, 2),
      hash32(0, 2, 3),
      hash32(1, 2),
      hash32(1, 2, 3, 0),
      hash32(),
    ]
    expect(new Set(hashes).size).toBe(hashes.length)
    expect(hash32(2 ** 32 + 1)).not.toBe(hash32(1))
  })

  it('flips each output bit about half the time when one input bit flips', () => {
    const flips = new Array<number>(32).fill(0)
    const trials = 2000
    for (let i = 0; i < trials; i++) {
      const difference = hash32(7, i) ^ hash32(7, i ^ (1 << (i % 32)))
      for (let bit = 0; bit < 32; bit++) flips[bit] = (flips[bit] ?? 0) + ((difference >>> bit) & 1)
    }
    for (const count of flips) expect(Math.abs(count / trials - 0.5)).toBeLessThan(0.06)
  })

  it('has no collisions to speak of on consecutive numbers', () => {
    const seen = new Set(Array.from({ length: 50_000 }, (_, i) => hash32(1, 2, i)))
    expect(seen.size).toBeGreaterThan(49_995)
  })
})
