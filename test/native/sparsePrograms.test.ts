/** Every program of an inference engine by itself, with every kind of kernel that this CPU can run or imitate. */
import { describe, expect, it } from 'vitest'
import { addon } from '../../bindings/load.js'
import type { CompileRequest, EngineType } from '../../bindings/native.js'
import { parseSpec } from '../../lib/networks/parse.js'
import { build, type Pattern, pixels, relativeError, request } from './engines.js'

const patterns: Pattern[] = ['dense', 'single', 'vectors', 'empty']
const limits: Record<EngineType, number> = { fp32: 1e-5, bf16: 0.1, fp16: 0.02 }

/** Error of one program's logits on batches of several sizes. */
const errorOf = async (
  pattern: Pattern,
  kernel: string,
  instructions: CompileRequest['instructions'],
  batch: number,
): Promise<number> => {
  const network = await build(pattern)
  const type = kernel.split(' ')[1] as EngineType
  const asked = { ...request(batch, type), threads: 2, kernel, instructions, dense: false }
  const engine = await addon().compile(network, asked).promise
  expect(engine.candidates.map(({ name }) => name)).toEqual([
    expect.stringMatching(kernel.replace('s ', ' lanes ')),
  ])
  let worst = 0
  for (const count of [batch, 1, batch + 3]) {
    const images = pixels(count + 1)
    const want = await addon().forward(network, images, { precision: 'fp32', training: false }).promise
    const error = relativeError(await engine.run(images).promise, want)
    // NaN must not pass for small.
    if (!(error <= worst)) worst = error
  }
  engine.dispose()
  network.dispose()
  return worst
}

describe.each(patterns)('with %s weights, logits are those of the forward pass', (pattern) => {
  it.each([
    ['pixels fp32', 'best', [1, 2, 5]],
    ['pixels fp32', 'portable', [1, 4]],
    ['images fp32', 'best', [1, 16, 33, 80, 130]],
    ['images fp32', 'portable', [16, 40, 96]],
    ['images bf16', 'best', [1, 16, 33, 80, 130]],
    ['images bf16', 'portable', [16, 64]],
    ['images bf16', 'imitated', [16, 64]],
    ['images fp16', 'portable', [32]],
  ] as const)('by %s lanes, %s instructions, batches of %j', async (kernel, instructions, batches) => {
    for (const batch of batches) {
      const error = await errorOf(pattern, kernel, instructions, batch)
      expect({ batch, error, right: error < limits[kernel.split(' ')[1] as EngineType] }).toMatchObject({
        right: true,
      })
    }
  })
})

/** Pooling within a stage, by windows of 2 and of 3, and on its own; the pixel that is NaN comes first in its windows. */
const pooled = parseSpec({
  name: 'pooled',
  input: [2, 12, 12],
  nodes: [
    { op: 'conv2d', name: 'conv1', channels: 5, kernel: 1 },
    { op: 'maxPool2d', name: 'pool1', kernel: 2 },
    { op: 'conv2d', name: 'conv2', channels: 6, kernel: 1 },
    { op: 'relu', name: 'relu2' },
    { op: 'maxPool2d', name: 'pool2', kernel: 3 },
    { op: 'maxPool2d', name: 'pool3', kernel: 2, stride: 1 },
    { op: 'flatten', name: 'flatten' },
    { op: 'linear', name: 'fc', features: 3 },
  ],
})

it.each([
  ['pixels fp32', 'best'],
  ['pixels fp32', 'portable'],
  ['images fp32', 'best'],
  ['images bf16', 'best'],
  ['images bf16', 'imitated'],
  ['images fp16', 'portable'],
] as const)('NaN passes through pooling, by %s lanes, %s instructions', async (kernel, instructions) => {
  const network = await addon().createNetwork(pooled, { device: 'cpu', type: 'float32' }).promise
  await network.initialise(1).promise
  const type = kernel.split(' ')[1] as EngineType
  const asked = { ...request(16, type), threads: 2, kernel, instructions, dense: false }
  const engine = await addon().compile(network, asked).promise
  const images = Float32Array.from({ length: 3 * 2 * 144 }, (_, i) => (i % 7) / 7)
  images[0] = Number.NaN
  const want = await addon().forward(network, images, { precision: 'fp32', training: false }).promise
  const got = await engine.run(images).promise
  expect([...got].map(Number.isNaN)).toEqual([...want].map(Number.isNaN))
  expect([...got].map(Number.isNaN)).toEqual([true, true, true, ...Array<boolean>(6).fill(false)])
  engine.dispose()
  network.dispose()
})

it('tells of a program that there is not', async () => {
  const network = await build('single')
  await expect(
    addon().compile(network, { ...request(4, 'fp32'), kernel: 'images fp64' }).promise,
  ).rejects.toThrow('no program is left')
})
