import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { hash32 } from '../../../lib/base/hash.js'
import { readVnnlib } from '../../../lib/formats/vnnlib/read.js'
import { vnnlibProperty } from '../../../lib/formats/vnnlib/write.js'
import { temporaryFolder } from '../../helpers.js'

const read = (text: string) => {
  const path = join(temporaryFolder(), 'property.vnnlib')
  writeFileSync(path, text)
  return readVnnlib(path)
}

describe('a property of an image', () => {
  it('says what would break its robustness', () => {
    expect(vnnlibProperty([0.5, 1], { epsilon: 1 / 4, label: 1, classes: 3 })).toBe(
      `; class 1, within 0.25 of the image in every pixel, which stays in [0,1]
(declare-const X_0 Real)
(declare-const X_1 Real)
(declare-const Y_0 Real)
(declare-const Y_1 Real)
(declare-const Y_2 Real)
(assert (>= X_0 0.25))
(assert (<= X_0 0.75))
(assert (>= X_1 0.75))
(assert (<= X_1 1))
(assert (or
  (and (>= Y_0 Y_1))
  (and (>= Y_2 Y_1))
))
`,
    )
  })

  it('comes back with its box, its class, and an image whose pixels of [0,1] within ε contain the box', async () => {
    const image = Float32Array.from({ length: 300 }, (_, index) => (hash32(index) % 256) / 255)
    const epsilon = 8 / 255
    const found = await read(vnnlibProperty(image, { epsilon, label: 4, classes: 10 }))
    expect(found).toMatchObject({ label: 4, others: [0, 1, 2, 3, 5, 6, 7, 8, 9] })
    expect(found.epsilon).toBeGreaterThanOrEqual(epsilon - 1e-12)
    expect(found.epsilon).toBeLessThan(epsilon + 1e-6)
    image.forEach((pixel, index) => {
      expect(found.lower[index]).toBe(Math.max(0, pixel - epsilon))
      expect(found.upper[index]).toBe(Math.min(1, pixel + epsilon))
      expect(found.image[index]).toBeCloseTo(pixel, 6)
      expect((found.image[index] ?? 9) - found.epsilon).toBeLessThanOrEqual(found.lower[index] ?? 0)
      expect((found.image[index] ?? 0) + found.epsilon).toBeGreaterThanOrEqual(found.upper[index] ?? 9)
    })
  })

  it('has no exponents in it', () => {
    const text = vnnlibProperty([1e-7, 1.25e-9], { epsilon: 0, label: 0, classes: 2 })
    expect(text).toMatch(/\(>= X_0 0\.0000001\)/)
    expect(text).toMatch(/\(<= X_1 0\.00000000125\)/)
    const wide = vnnlibProperty([0], { epsilon: 1e-7, label: 0, classes: 2, clip: false })
    expect(wide).toMatch(/\(>= X_0 -0\.0000001\)/)
  })

  it('is of an image, and a class that there is', () => {
    expect(() => vnnlibProperty([1.1], { epsilon: 0.1, label: 0, classes: 2 })).toThrow(/must lie in \[0,1\]/)
    expect(() => vnnlibProperty([0.1], { epsilon: 0.1, label: 2, classes: 2 })).toThrow(/there are 2 classes/)
    expect(() => vnnlibProperty([0.1], { epsilon: 2, label: 0, classes: 2 })).toThrow(/epsilon/)
  })
})

const declared = '(declare-const X_0 Real)(declare-const Y_0 Real)(declare-const Y_1 Real)'
const box = '(assert (<= X_0 0.5))(assert (>= X_0 0.25))'

describe('properties of others', () => {
  it('may be written in other ways', async () => {
    const text = `; a comment (
      ${declared} (assert (<= 0.25 X_0)) (assert (>= 5e-1 X_0)) (assert (<= Y_0 Y_1))`
    const found = await read(text)
    expect(found).toMatchObject({ label: 0, others: [1], image: Float32Array.of(0.375), epsilon: 0.125 })
    expect(await read(`${declared}${box}(assert (or (<= Y_0 Y_1)))`)).toMatchObject({ label: 0, others: [1] })
  })

  it.each<[string, RegExp]>([
    ['', /asserts nothing about Y/],
    ['x', /"x" outside of brackets/],
    ['(', /ends within brackets/],
    [')', /a closing bracket too many/],
    ['('.repeat(1000), /too deep/],
    ['(check-sat)', /the statement/],
    ['(declare-const Z Real)', /no X_i or Y_i/],
    [`${declared}(assert (<= X_0 1))(assert (<= Y_0 Y_1))`, /X_0 lacks a bound/],
    [`${declared}${box}(assert (>= X_0 0.75))(assert (<= Y_0 Y_1))`, /leave nothing between them/],
    [`${declared}(assert (<= X_0 2.5))(assert (>= X_0 -1))(assert (<= Y_0 Y_1))`, /leaves \[0,1\]/],
    [`${declared}${box}(assert (<= Y_0 Y_1))(assert (<= Y_0 Y_1))`, /several assertions about Y/],
    [`${declared}${box}(assert (<= Y_0 3))`, /no order of two logits/],
    [`${declared}${box}(assert (and (<= Y_0 Y_1) (<= Y_0 Y_1)))`, /no order of two logits/],
    [`${declared}${box}(assert (or (<= Y_0 Y_1) (<= Y_1 Y_0)))`, /no label in common/],
    [`${declared}${box}(assert (<= Y_0 Y_7))`, /declares 2 logits, and speaks of Y_7/],
    [`${declared}${box}(assert (<= Y_0 Y_0))`, /with itself/],
  ])('are refused in one line (%#)', async (text, message) => {
    const error = await read(text).catch((thrown: Error) => thrown)
    expect(error).toMatchObject({ code: 'ERR_FILE', message: expect.stringMatching(message) })
    expect((error as Error).message).toMatch(
      /property.vnnlib is no robustness property in VNN-LIB: [^\n]{1,200}$/,
    )
  })
})
