import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { Dataset } from '../../lib/data/dataset.js'
import { labelledImages } from '../../lib/data/images.js'
import { importTorch } from '../../lib/formats/torch/import.js'
import { parseSpec } from '../../lib/networks/parse.js'
import { margins } from '../../lib/verification/bounds.js'
import { verify } from '../../lib/verification/verify.js'

const data = resolve('../shared/data')
const isHere = existsSync(join(data, 'verify')) && existsSync(join(data, 'cifar10'))
const missing = isHere ? '' : ' (skipped: ../shared/data is not here)'

const load = (name: string) =>
  importTorch(
    join(data, 'verify', `${name}.pth`),
    parseSpec(JSON.parse(readFileSync(join(__dirname, `../fixtures/${name}.spec.json`), 'utf8'))),
  )

interface Answers {
  labels: number[]
  predictions: number[]
  /** Of each image nine lower bounds. */
  margin_lower_bounds: Record<'ibp' | 'crown_ibp' | 'fastlin' | 'crown', number[][]>
}

const METHODS = { interval: 'ibp', crownIbp: 'crown_ibp', symbolic: 'fastlin', crown: 'crown' } as const

const networksAndMethods = ['oval_base', 'cifar_conv_small_pgd'].flatMap((name) =>
  (Object.keys(METHODS) as (keyof typeof METHODS)[]).map((verifier) => [name, verifier] as const),
)

const readAnswers = (name: string): Answers =>
  JSON.parse(readFileSync(join(data, 'verify', `${name}.bounds.json`), 'utf8')) as Answers

describe.runIf(isHere)(`verified accuracy of published networks${missing}`, () => {
  let test: Dataset
  /** Pixels in [0,1] and labels of the first images. */
  let first: (count: number) => [pixels: Float32Array, labels: Int32Array]
  beforeAll(async () => {
    const records = execFileSync('xz', ['-dc', join(data, 'cifar10/test_batch.bin.xz')], {
      maxBuffer: 2 ** 25,
    })
    const count = 1000
    const images = new Uint8Array(count * 3072)
    for (let image = 0; image < count; image++) {
      images.set(records.subarray(image * 3073 + 1, (image + 1) * 3073), image * 3072)
    }
    const labels = Array.from({ length: count }, (_, image) => records[image * 3073] ?? 0)
    test = await Dataset.create(labelledImages({ images, labels, shape: [3, 32, 32], classes: 10 }))
    first = (number) => [
      Float32Array.from(images.subarray(0, number * 3072), (value) => value / 255),
      Int32Array.from(labels.slice(0, number)),
    ]
  })

  it.each(networksAndMethods)(
    'margins of %s by %s are those of auto_LiRPA within 1e-4',
    async (name, verifier) => {
      const answers = readAnswers(name).margin_lower_bounds[METHODS[verifier]]
      const options = { verifier, epsilon: 2 / 255, sound: false }
      const found = await margins(await load(name), ...first(answers.length), options)
      const expected = answers.flat()
      expect(found.length).toBe(expected.length)
      const differences = Array.from(found, (margin, i) => Math.abs(margin - (expected[i] ?? 0)))
      expect(Math.max(...differences)).toBeLessThan(1e-4)
    },
  )

  it.each(networksAndMethods)('of %s by %s is that of auto_LiRPA, image by image', async (name, verifier) => {
    const answers = readAnswers(name)
    const bounds = answers.margin_lower_bounds[METHODS[verifier]].map((row) => Math.min(...row))
    const right = answers.labels.map((label, image) => answers.predictions[image] === label)
    const expected = bounds.map((margin, image) => (margin > 0 ? right[image] : false))
    const found = await verify(await load(name), test, { verifier, epsilon: 2 / 255, images: 100 })
    expect(found.perSample.verdicts.map((verdict) => verdict === 'verified')).toEqual(expected)
    expect([...found.perSample.labels]).toEqual(answers.labels)
    expect(found.accuracy.successes).toBe(right.filter(Boolean).length)
    found.perSample.margins.forEach((margin, image) => {
      // With rounding errors subtracted, a margin is never above that of plain arithmetic.
      if (right[image]) expect(margin).toBeLessThanOrEqual((bounds[image] ?? 0) + 1e-4)
    })
  })

  it('of oval_base at its published ε is that of its authors, whose box is not clipped', async () => {
    const published = readFileSync(join(data, 'verify/oval_base.fastlin-margins.csv'), 'utf8')
      .trim()
      .split('\n')
      .slice(1, 1 + test.length)
      .map((line) => Number(line.split(',')[1]))
    const verifier = { kind: 'symbolic', clip: false } as const
    const { perSample } = await verify(await load('oval_base'), test, { verifier, epsilon: 0.0348 * 0.225 })
    expect(perSample.verdicts.map((verdict) => verdict === 'verified')).toEqual(
      published.map((margin) => margin > 0),
    )
    expect(perSample.verdicts.map((verdict) => verdict === 'misclassified')).toEqual(
      published.map(Number.isNaN),
    )
    const options = { verifier, epsilon: 0.0348 * 0.225, sound: false }
    const found = await margins(await load('oval_base'), ...first(test.length), options)
    published.forEach((margin, image) => {
      const least = Math.min(...found.subarray(image * 9, image * 9 + 9))
      if (!Number.isNaN(margin)) expect(Math.abs(least - margin)).toBeLessThan(1e-4)
    })
  })
})
