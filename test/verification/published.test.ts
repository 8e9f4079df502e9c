import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { Dataset } from '../../lib/data/dataset.js'
import { labelledImages } from '../../lib/data/images.js'
import { parseSpec } from '../../lib/networks/parse.js'
import { importTorch } from '../../lib/torch/import.js'
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

describe.runIf(isHere)(`verified accuracy of published networks${missing}`, () => {
  let test: Dataset
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
  })

  it.each(
    ['oval_base', 'cifar_conv_small_pgd'].flatMap((name) =>
      (Object.keys(METHODS) as (keyof typeof METHODS)[]).map((verifier) => [name, verifier] as const),
    ),
  )('of %s by %s is that of auto_LiRPA, image by image', async (name, verifier) => {
    const file = join(data, 'verify', `${name}.bounds.json`)
    const answers = JSON.parse(readFileSync(file, 'utf8')) as Answers
    const margins = answers.margin_lower_bounds[METHODS[verifier]].map((row) => Math.min(...row))
    const right = answers.labels.map((label, image) => answers.predictions[image] === label)
    const expected = margins.map((margin, image) => (margin > 0 ? right[image] : false))
    const found = await verify(await load(name), test, { verifier, epsilon: 2 / 255, images: 100 })
    expect(found.perSample.verdicts.map((verdict) => verdict === 'verified')).toEqual(expected)
    expect([...found.perSample.labels]).toEqual(answers.labels)
    expect(found.accuracy.successes).toBe(right.filter(Boolean).length)
    found.perSample.margins.forEach((margin, image) => {
      // With rounding errors subtracted, a margin is never above that of plain arithmetic.
      if (right[image]) expect(margin).toBeLessThanOrEqual((margins[image] ?? 0) + 1e-4)
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
  })
})
