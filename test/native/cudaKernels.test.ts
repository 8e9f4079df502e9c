/** The kernels for CUDA, imitated on the CPU thread by thread. */
import { describe, expect, it } from 'vitest'
import { addon } from '../../bindings/load.js'
import type { NativeNetwork } from '../../bindings/native.js'
import { build, type Pattern, pixels, relativeError, request } from './engines.js'

const imitated = async (
  network: NativeNetwork,
  kernel: string,
  type: 'fp32' | 'bf16',
  batch: number,
  images: Float32Array,
) => {
  const engine = await addon().compile(network, { ...request(batch, type), kernel, imitate: true }).promise
  expect(engine.candidates.map(({ name }) => name)).toEqual([`planar ${type}, ${kernel}, imitated`])
  return engine.run(images).promise
}

const forward = (network: NativeNetwork, images: Float32Array) =>
  addon().forward(network, images, { precision: 'fp32', training: false }).promise

const patterns: Pattern[] = ['dense', 'single', 'vectors', 'empty']
/** One of them is slow to imitate: every pattern meets two, and one pattern all. */
const onTensorCores = [
  'mma o32 p1 i64',
  'mma o64 p4 i64',
  'mma o64 p1 i64',
  'mma o32 p2 i64',
  'mma o64 p2 i64',
  'mma o32 p4 i64',
]

describe.each(patterns)('a network pruned to %s weights', (pattern) => {
  const images = pixels(5)

  it.each(['reference', 'simple o32', 'jobs p1', 'jobs p2', 'jobs p4', 'jobs p8'])(
    'has the logits of the forward pass: %s in fp32',
    async (kernel) => {
      const network = await build(pattern)
      const want = await forward(network, images)
      expect(relativeError(await imitated(network, kernel, 'fp32', 5, images), want)).toBeLessThan(1e-5)
    },
  )

  it('has the logits of the reference in bf16, and nearly those of the forward pass', async () => {
    const network = await build(pattern)
    const want = await imitated(network, 'reference', 'bf16', 5, images)
    expect(relativeError(want, await forward(network, images))).toBeLessThan(0.1)
    // Only the order of the sums differs.
    for (const kernel of ['simple o64', 'jobs p4', ...onTensorCores.slice(0, pattern === 'vectors' ? 6 : 2)])
      expect(relativeError(await imitated(network, kernel, 'bf16', 5, images), want), kernel).toBeLessThan(
        1e-2,
      )
  })
})

it('takes blocks of 128 images, and more images than a batch', async () => {
  const network = await build('vectors')
  const images = pixels(130)
  const got = await imitated(network, 'mma o64 p1 i128', 'bf16', 128, images)
  expect(relativeError(got, await imitated(network, 'reference', 'bf16', 128, images))).toBeLessThan(1e-2)
})

it('names a kernel that is not there, and one that cannot compute a layer', async () => {
  const network = await build('vectors')
  const compile = (kernel: string, type: 'fp32' | 'bf16') =>
    addon().compile(network, { ...request(64, type), kernel, imitate: true }).promise
  await expect(compile('wmma', 'bf16')).rejects.toThrow("kernel 'wmma' is none of reference")
  const refused = {
    code: 'ERR_UNSUPPORTED',
    message: expect.stringMatching(/^kernel 'mma .* treat node '\w+'/),
  }
  await expect(compile('mma o32 p1 i64', 'fp32')).rejects.toMatchObject(refused)
  await expect(compile('mma o32 p1 i128', 'bf16')).rejects.toMatchObject(refused)
})
