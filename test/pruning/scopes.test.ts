import { describe, expect, it } from 'vitest'
import { poolsOf, type Share } from '../../lib/pruning/scopes.js'
import { random } from './networks.js'

const fresh = (...totals: number[]): Share[] =>
  totals.map((total) => ({ total, pruned: 0, removable: total - 1 }))
const amounts = (shares: Share[], amount: number) =>
  poolsOf('layer', shares, amount).map((pool) => pool.amount)

describe('poolsOf', () => {
  it('global puts all layers into one pool', () => {
    expect(poolsOf('global', fresh(4, 8), 6)).toEqual([{ layers: [0, 1], amount: 6 }])
  })

  it('layer takes the same fraction of each layer, with the exact sum', () => {
    expect(amounts(fresh(100, 200, 300), 300)).toEqual([50, 100, 150])
    expect(amounts(fresh(10, 10, 10), 16)).toEqual([6, 5, 5])
    expect(amounts(fresh(1000, 100), 319)).toEqual([290, 29])
    for (let seed = 0; seed < 200; seed++) {
      const draw = random(seed)
      const shares = fresh(
        ...Array.from({ length: 1 + Math.floor(draw() * 8) }, () => 2 + Math.floor(draw() * 300)),
      )
      const total = shares.reduce((sum, share) => sum + share.total, 0)
      const amount = Math.min(Math.round(draw() * total), total - shares.length)
      const parts = amounts(shares, amount)
      expect(parts.reduce((sum, part) => sum + part, 0)).toBe(amount)
      for (const [index, { total: size }] of shares.entries()) {
        const ideal = (size * amount) / total
        if (ideal <= size - 1) expect(Math.abs((parts[index] ?? 0) - ideal)).toBeLessThan(1 + 1e-9)
      }
    }
  })

  it('lets other layers make up for one that has lost more, or cannot lose as much', () => {
    const uneven: Share[] = [
      { total: 100, pruned: 90, removable: 99 },
      { total: 100, pruned: 0, removable: 99 },
      { total: 100, pruned: 0, removable: 99 },
    ]
    expect(amounts(uneven, 150)).toEqual([90, 30, 30])
    expect(amounts(fresh(2, 1000), 992)).toEqual([1, 991])
  })

  it('loses nothing where nothing is asked, and all that may go where all is', () => {
    expect(amounts(fresh(3, 4), 0)).toEqual([0, 0])
    expect(amounts(fresh(3, 4), 5)).toEqual([2, 3])
  })
})
