import { describe, expect, it } from 'vitest'
import { fingerprint, type ImageArrays, labelledImages } from '../../lib/data/images.js'

const arrays = (change: object = {}): ImageArrays => ({
  images: Uint8Array.from({ length: 24 }, (_, index) => index),
  labels: [0, 1],
  shape: [3, 2, 2],
  ...change,
})

describe('labelledImages', () => {
  it('takes typed arrays, and labels of any whole-number type', () => {
    const expected = { name: 'images', labels: Uint8Array.of(0, 1), classes: 2, shape: [3, 2, 2] }
    expect(labelledImages(arrays())).toMatchObject(expected)
    expect(labelledImages(arrays({ labels: BigInt64Array.of(0n, 1n) }))).toMatchObject(expected)
    expect(labelledImages(arrays({ labels: Int32Array.of(0, 1) }))).toMatchObject(expected)
    expect(labelledImages(arrays({ images: new Uint8ClampedArray(24) })).images).toBeInstanceOf(Uint8Array)
  })

  it('counts classes from the labels unless it is told', () => {
    expect(labelledImages(arrays({ labels: [0, 6] })).classes).toBe(7)
    expect(labelledImages(arrays({ classes: 10 })).classes).toBe(10)
    expect(labelledImages(arrays({ classNames: ['a', 'b', 'c'] })).classes).toBe(3)
  })

  it('does not copy pixels', () => {
    const value = arrays()
    expect(labelledImages(value).images.buffer).toBe(value.images.buffer)
  })

  it.each<[string, object, RegExp]>([
    ['floats', { images: new Float32Array(24) }, /images\.images: expected a Uint8Array/],
    ['half an image', { images: new Uint8Array(18) }, /18 bytes are not a whole number of images of 3×2×2/],
    ['nothing', { images: new Uint8Array(), labels: [] }, /0 bytes/],
    ['too few labels', { labels: [1] }, /1 labels for 2 images/],
    [
      'a label that is no class',
      { labels: [0, 3], classes: 3 },
      /label 3 of image 1 is not one of 3 classes/,
    ],
    ['a fractional label', { labels: [0, 0.5] }, /label 0.5 of image 1/],
    ['a negative label', { labels: [-1, 0] }, /label -1 of image 0/],
    ['a huge label', { labels: [0, 256] }, /label 256 of image 1/],
    ['labels that are no array', { labels: 7 }, /images\.labels: expected an array of classes/],
    ['a flat shape', { shape: [12] }, /images\.shape/],
    ['a wrong number of names', { classes: 3, classNames: ['a'] }, /1 class names for 3 classes/],
    ['an unknown key', { lables: [] }, /unknown key "lables"; did you mean "labels"/],
  ])('refuses %s', (_, change, message) => {
    expect(() => labelledImages(arrays(change))).toThrow(message)
  })
})

describe('the fingerprint', () => {
  it('is a function of pixels, labels, shape and classes, not of the name', () => {
    const of = (change: object = {}) => fingerprint(labelledImages(arrays(change)))
    expect(of()).toMatch(/^[0-9a-f]{64}$/)
    expect(of({ name: 'other' })).toBe(of())
    expect(of({ labels: [1, 1] })).not.toBe(of())
    expect(of({ classes: 3 })).not.toBe(of())
    expect(of({ shape: [1, 4, 3] })).not.toBe(of())
    expect(of({ images: new Uint8Array(24) })).not.toBe(of())
  })
})
