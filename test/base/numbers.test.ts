import { describe, expect, it } from 'vitest'
import { didYouMean, formatPixels, fraction, nearest, parseFraction } from '../../lib/base/numbers.js'

describe('fractions', () => {
  it.each([
    ['8/255', 8 / 255],
    [' 2 / 255 ', 2 / 255],
    ['0.5/255', 0.5 / 255],
    ['0.03', 0.03],
    ['1e-4', 1e-4],
    ['-1', -1],
  ])('%s is read', (text, value) => {
    expect(parseFraction(text)).toBe(value)
    expect(fraction.parse(text)).toBe(value)
  })

  it.each(['', '8/', '/255', '8/0', 'eight', '8/255/2', '0x10'])('"%s" is refused', (text) => {
    expect(fraction.safeParse(text).success).toBe(false)
  })

  it.each([Number.NaN, Number.POSITIVE_INFINITY, null, undefined, [1], true])('%s is no number', (value) => {
    expect(fraction.safeParse(value).success).toBe(false)
  })

  it('are printed as multiples of 1/255 where they are', () => {
    expect(formatPixels(8 / 255)).toBe('8/255')
    expect(formatPixels(0.5 / 255)).toBe('0.5/255')
    expect(formatPixels(0.031)).toBe('0.031')
    expect(formatPixels(0)).toBe('0')
  })
})

describe('the nearest word', () => {
  const words = ['sparsity', 'structure', 'schedule', 'scope', 'steps']
  it.each([
    ['sparsty', 'sparsity'],
    ['Scope', 'scope'],
    ['stpes', 'steps'],
    ['shedule', 'schedule'],
  ])('to %s is %s', (typo, word) => {
    expect(nearest(typo, words)).toBe(word)
  })

  it('is none when nothing is near', () => {
    expect(nearest('banana', words)).toBeUndefined()
    expect(didYouMean('banana', words)).toBe('')
  })

  it('is offered at the end of a message', () => {
    expect(didYouMean('sparsty', words)).toBe('; did you mean "sparsity"?')
  })
})
