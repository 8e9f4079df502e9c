import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { Dataset } from '../../../lib/data/dataset.js'
import { labelledImages } from '../../../lib/data/images.js'
import { evaluate } from '../../../lib/evaluation/evaluate.js'
import { importTorch } from '../../../lib/formats/torch/import.js'
import { parseSpec } from '../../../lib/networks/parse.js'
import { pythonWithTorch } from '../../parity/pytorch.js'

const data = resolve('../shared/data')
const isHere = existsSync(join(data, 'verify')) && existsSync(join(data, 'cifar10'))
const missing = isHere ? '' : ' (skipped: ../shared/data is not here)'
const python = pythonWithTorch()

const networks = ['oval_base', 'cifar_conv_small_pgd'] as const
const weights = (name: string) => join(data, 'verify', `${name}.pth`)
const load = (name: string) =>
  importTorch(
    weights(name),
    parseSpec(JSON.parse(readFileSync(join(__dirname, `../../fixtures/${name}.spec.json`), 'utf8'))),
  )

/** Builds the network of a spec of convolutions and linear layers, and prints the logits of images from stdin. */
const REFERENCE = `
import json, sys, torch
file, spec, count = sys.argv[1], json.load(open(sys.argv[2])), int(sys.argv[3])
images = torch.frombuffer(bytearray(sys.stdin.buffer.read()), dtype=torch.uint8).reshape(count, 3, 32, 32) / 255
state = list(torch.load(file, map_location='cpu')['state_dict'][0].values())
for node in spec['nodes']:
    op = node['op']
    if op == 'normalize':
        images = (images - torch.tensor(node['mean']).view(3, 1, 1)) / torch.tensor(node['std']).view(3, 1, 1)
    if op == 'conv2d':
        images = torch.conv2d(images, state.pop(0), state.pop(0), node['stride'], node['padding'])
    if op == 'relu':
        images = images.relu()
    if op == 'flatten':
        images = images.flatten(1)
    if op == 'linear':
        images = torch.nn.functional.linear(images, state.pop(0), state.pop(0))
print(json.dumps(images.flatten().tolist()))
`

describe.runIf(isHere)(`published networks on the test images of CIFAR-10${missing}`, () => {
  let records: Buffer
  let test: Dataset
  beforeAll(async () => {
    const packed = join(data, 'cifar10/test_batch.bin.xz')
    records = execFileSync('xz', ['-dc', packed], { maxBuffer: 2 ** 26 })
    const count = records.length / 3073
    const images = Buffer.concat(
      Array.from({ length: count }, (_, index) => records.subarray(index * 3073 + 1, (index + 1) * 3073)),
    )
    const labels = Uint8Array.from({ length: count }, (_, index) => records[index * 3073] ?? 0)
    test = await Dataset.create(
      labelledImages({
        name: 'test',
        images: new Uint8Array(images),
        labels,
        shape: [3, 32, 32],
        classes: 10,
      }),
    )
  })

  it('cifar_conv_small_pgd has 630 of the first 1,000 right', async () => {
    const { accuracy } = await evaluate(await load('cifar_conv_small_pgd'), test, { images: 1000 })
    expect(accuracy.successes).toBe(630)
  })

  it('oval_base has those right, of all 10,000, for which a margin is published', async () => {
    const { perSample } = await evaluate(await load('oval_base'), test)
    const published = readFileSync(join(data, 'verify/oval_base.fastlin-margins.csv'), 'utf8')
      .trim()
      .split('\n')
      .slice(1)
      .map((line) => !line.endsWith(',nan'))
    expect(published).toHaveLength(10_000)
    expect([...perSample.predictions].map((label, index) => label === perSample.labels[index])).toEqual(
      published,
    )
  })

  it.skipIf(python === undefined)(
    'have the logits that PyTorch computes (needs a Python with it)',
    async () => {
      const count = 8
      const pixels = Buffer.concat(
        Array.from({ length: count }, (_, index) => records.subarray(index * 3073 + 1, (index + 1) * 3073)),
      )
      for (const name of networks) {
        const spec = join(__dirname, `../../fixtures/${name}.spec.json`)
        const args = ['-c', REFERENCE, weights(name), spec, `${count}`]
        const theirs = JSON.parse(execFileSync(python ?? '', args, { input: pixels, encoding: 'utf8' }))
        const network = await load(name)
        const ours = await network.logits(Float32Array.from(pixels, (byte) => byte / 255))
        const largest = Math.max(
          ...theirs.map((logit: number, index: number) => Math.abs(logit - (ours[index] ?? NaN))),
        )
        expect(theirs).toHaveLength(80)
        expect(largest).toBeLessThan(1e-4)
      }
    },
  )
})
