import { describe, expect, it } from 'vitest'
import { epochOrder } from '../../lib/data/order.js'

const upTo = (n: number) => Uint32Array.from({ length: n }, (_, i) => i)

describe('the order of an epoch', () => {
  it('is a permutation', () => {
    expect(epochOrder(upTo(1000), 1, 0).toSorted()).toEqual(upTo(1000))
    expect(epochOrder(new Uint32Array(), 1, 0)).toEqual(new Uint32Array())
  })

  it('is the same for the same seed and epoch, and another for others', () => {
    const indices = upTo(100)
    expect(epochOrder(indices, 3, 4)).toEqual(epochOrder(indices, 3, 4))
    expect(epochOrder(indices, 3, 4)).not.toEqual(epochOrder(indices, 3, 5))
    expect(epochOrder(indices, 3, 4)).not.toEqual(epochOrder(indices, 4, 4))
  })

  it('does not depend on the order in which the samples are listed', () => {
    expect(epochOrder(upTo(100).reverse(), 3, 4)).toEqual(epochOrder(upTo(100), 3, 4))
  })

  it('keeps the relative order of the others when samples are taken away', () => {
    const even = upTo(200).filter((index) => index % 2 === 0)
    expect(epochOrder(even, 9, 2)).toEqual(epochOrder(upTo(200), 9, 2).filter((index) => index % 2 === 0))
  })

  it('puts every sample everywhere: over many epochs the mean position is the middle', () => {
    const positions = Array.from({ length: 400 }, (_, epoch) => epochOrder(upTo(100), 5, epoch).indexOf(17))
    const mean = positions.reduce((sum, position) => sum + position, 0) / positions.length
    expect(Math.abs(mean - 49.5)).toBeLessThan(6)
  })
})
