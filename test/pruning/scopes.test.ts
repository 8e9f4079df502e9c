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

  it('hands out whole groups, with the sum that is nearest', () => {
    const layers = (...units: [total: number, unit: number][]): Share[] =>
      units.map(([total, unit]) => ({ total, pruned: 0, removable: total - unit, unit }))
    expect(amounts(layers([640, 64], [640, 64]), 512)).toEqual([256, 256])
    expect(amounts(layers([640, 64], [640, 64]), 510)).toEqual([256, 256])
    expect(amounts(layers([640, 64], [640, 64]), 590)).toEqual([320, 256])
    // A layer with one group keeps it, and another loses in its place.
    expect(amounts(layers([64, 64], [640, 64]), 320)).toEqual([0, 320])
    for (let seed = 0; seed < 200; seed++) {
      const draw = random(seed)
      const shares = layers(
        ...Array.from({ length: 1 + Math.floor(draw() * 8) }, (): [number, number] => {
          const unit = 1 + Math.floor(draw() * 64)
          return [unit * (2 + Math.floor(draw() * 50)), unit]
        }),
      )
      const total = shares.reduce((sum, share) => sum + share.total, 0)
      const removable = shares.reduce((sum, share) => sum + share.removable, 0)
      const amount = Math.min(Math.round(draw() * total), removable)
      const parts = amounts(shares, amount)
      const most = Math.max(...shares.map(({ unit = 1 }) => unit))
      const gone = parts.reduce((sum, part) => sum + part, 0)
      expect(Math.abs(gone - amount)).toBeLessThanOrEqual(most / 2)
      for (const [index, { total: size, unit = 1 }] of shares.entries()) {
        const part = parts[index] ?? 0
        expect(part % unit).toBe(0)
        const ideal = (size * amount) / total
        const capped = shares.some((share) => share.removable < (share.total * amount) / total)
        if (!capped) expect(Math.abs(part - ideal)).toBeLessThan(unit + 1e-6)
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
