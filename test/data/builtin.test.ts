import { describe, expect, it } from 'vitest'
import { builtinImages } from '../../lib/data/builtin.js'
import { fingerprint, type LabelledImages } from '../../lib/data/images.js'
import { builtin } from '../../lib/data/index.js'

const PLANE = 32 * 32

const image = (set: LabelledImages, index: number): Float64Array =>
  Float64Array.from(set.images.subarray(index * 3 * PLANE, (index + 1) * 3 * PLANE))

/** Correlation per pixel of an image with ±1 along x, along y and along both, in red, green and blue. */
const spectrum = (pixels: Float64Array): number[] => {
  const sums = new Float64Array(9)
  for (let place = 0; place < pixels.length; place++) {
    const value = (pixels[place] ?? 0) / PLANE
    const [oddX, oddY] = [place & 1, (place >> 5) & 1]
    const channel = Math.floor(place / PLANE)
    sums[channel] = (sums[channel] ?? 0) + (oddX === 1 ? -value : value)
    sums[3 + channel] = (sums[3 + channel] ?? 0) + (oddY === 1 ? -value : value)
    sums[6 + channel] = (sums[6 + channel] ?? 0) + (oddX === oddY ? value : -value)
  }
  return [...sums]
}

/** The class whose mean spectrum is nearest. */
const classify = (spectra: number[][], means: number[][]): number[] =>
  spectra.map((values) => {
    const distances = means.map((mean) => mean.reduce((sum, m, i) => sum + (m - (values[i] ?? 0)) ** 2, 0))
    return distances.indexOf(Math.min(...distances))
  })

describe('the built-in set', () => {
  it('is the same on every machine', () => {
    const { train, test } = builtinImages({ train: 100, test: 50, seed: 0 })
    expect(fingerprint(train)).toBe('266629394c1b68eb1f099dc6552563d02461a53e906d4b671bbe40292441a0a0')
    expect(fingerprint(test)).toBe('90dc748d1262a5d9d9e5a8b206f2feb6444ec4a0fd5979b6f1636e9bf528c6c0')
  })

  it('has each class equally often, and another draw for another seed', () => {
    const { train, test } = builtinImages({ train: 60, test: 40 })
    expect([train.labels.length, test.labels.length]).toEqual([60, 40])
    for (let label = 0; label < 10; label++) {
      expect(train.labels.filter((each) => each === label)).toHaveLength(6)
    }
    expect(train.classNames).toHaveLength(10)
    expect(fingerprint(builtinImages({ train: 60, seed: 1 }).train)).not.toBe(fingerprint(train))
  })

  it('draws an image alike however many are drawn, and the test images apart from the training images', () => {
    const few = builtinImages({ train: 10, test: 10 })
    const many = builtinImages({ train: 30, test: 20 })
    expect(many.train.images.subarray(0, few.train.images.length)).toEqual(few.train.images)
    expect(few.test.images).not.toEqual(few.train.images)
  })

  it('has a texture that tells the class nearly always, and that a change of 8/255 turns into another', () => {
    const { train, test } = builtinImages({ train: 1000, test: 300 })
    const spectra = (set: LabelledImages) =>
      [...set.labels.keys()].map((index) => spectrum(image(set, index)))
    const trained = spectra(train)
    const means = Array.from({ length: 10 }, (_, label) => {
      const own = trained.filter((_, index) => train.labels[index] === label)
      return Array.from(
        { length: 9 },
        (_, i) => own.reduce((sum, values) => sum + (values[i] ?? 0), 0) / own.length,
      )
    })
    const tested = spectra(test)
    const right = classify(tested, means).filter((label, index) => label === test.labels[index]).length
    expect(right / tested.length).toBeGreaterThan(0.97)

    // Taking a class texture away and adding another changes a pixel by at most 4 + 4.
    const attacked = tested.map((values, index) => {
      const [from, to] = [test.labels[index] ?? 0, ((test.labels[index] ?? 0) + 1) % 10]
      return values.map((value, i) => value + (means[to]?.[i] ?? 0) - (means[from]?.[i] ?? 0))
    })
    for (const mean of means.flat()) expect(Math.abs(mean)).toBeLessThanOrEqual(4.1)
    const stillRight = classify(attacked, means).filter((label, index) => label === test.labels[index]).length
    expect(stillRight / tested.length).toBeLessThan(0.03)
  })

  it.each([{ train: 0 }, { test: 1.5 }, { seed: Number.NaN }, { trian: 10 }])('refuses %j', (options) => {
    expect(() => builtinImages(options as object)).toThrow(/^builtin/)
  })
})

describe('builtin', () => {
  it('says so when more images are set aside for validation than there are', async () => {
    await expect(builtin({ train: 300, test: 10, validation: 1000 })).rejects.toThrow(
      'validation: 1000 images cannot be set aside from 300 training images; pass fewer, or validation: 0',
    )
  })
})
