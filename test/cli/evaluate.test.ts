import { existsSync, readFileSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, expect, it } from 'vitest'
import { builtin } from '../../lib/data/index.js'
import { Network } from '../../lib/models/network.js'
import { parseSpec } from '../../lib/networks/parse.js'
import { train } from '../../lib/training/train.js'
import { temporaryFolder } from '../helpers.js'
import { coppice } from './command.js'

let model: string
beforeAll(async () => {
  const spec = parseSpec({
    ...{ name: 'small', input: [3, 32, 32] },
    nodes: [
      { op: 'conv2d', name: 'conv', channels: 6, kernel: 4, stride: 4 },
      { op: 'relu', name: 'relu' },
      { op: 'flatten', name: 'flatten' },
      { op: 'linear', name: 'fc', features: 10 },
    ],
  })
  const network = await Network.create(spec, { seed: 1 })
  const { train: images } = await builtin({ train: 600, test: 10, validation: 0 })
  await train(network, images, { epochs: 4, batchSize: 32, learningRate: 0.005, augment: 'none' })
  model = join(temporaryFolder('file'), 'small.safetensors')
  await network.save(model)
})

const evaluated = async (...flags: string[]) => {
  const { code, stdout, stderr } = await coppice(
    ...['evaluate', model, '--data', 'builtin', '--images', '40', '--batch-size', '8', '--json', ...flags],
  )
  expect({ code, stderr }).toMatchObject({ code: 0 })
  return { models: JSON.parse(stdout).models[0], stderr }
}

it('evaluate --attack autoattack leaves a line an image beside the model, and goes on with it', async () => {
  const { models: whole } = await evaluated('--attack', 'autoattack', '--epsilon', '4/255')
  const { file, broken, accuracy, era } = whole
  expect(file).toBe(model.replace('.safetensors', '-autoattack-4_255.jsonl'))
  const sum = Object.values<number>(broken).reduce((all, count) => all + count, 0)
  expect(accuracy.successes - era.successes).toBe(sum)
  expect(sum).toBeGreaterThan(0)
  const text = readFileSync(file)
  expect(text.toString().trim().split('\n')).toHaveLength(41)

  // Killed in the middle of a line.
  truncateSync(file, Math.floor(text.length / 2))
  const again = await evaluated('--attack', 'autoattack', '--epsilon', '4/255')
  expect(again.models).toEqual(whole)
  expect(again.stderr).toMatch(/has 1\d images already/)

  const { code, stderr } = await coppice(
    ...[
      'evaluate',
      model,
      '--data',
      'builtin',
      '--attack',
      'autoattack',
      '--epsilon',
      '4/255',
      '--seed',
      '1',
    ],
  )
  expect({ code, stderr }).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('seed is 0 there, 1 here'),
  })
})

it('evaluate -o keeps the outcomes of any attack; without one, and of others by default, nothing is kept', async () => {
  const folder = temporaryFolder()
  const output = join(folder, 'kept.jsonl')
  const { models: kept } = await evaluated('--attack', 'pgd3', '--epsilon', '4/255', '-o', output)
  expect(kept.file).toBe(output)
  const { models: plain } = await evaluated('--attack', 'pgd3', '--epsilon', '4/255')
  expect({ ...plain, file: output }).toEqual(kept)
  const { code, stderr } = await coppice('evaluate', model, '--attack', 'none', '-o', join(folder, 'other'))
  expect({ code, stderr }).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('--output: is for outcomes'),
  })
  expect(existsSync(join(folder, 'other'))).toBe(false)
})
