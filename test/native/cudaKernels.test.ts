/** The kernels for CUDA, imitated on the CPU thread by thread. */
import { describe, expect, it } from 'vitest'
import { addon } from '../../bindings/load.js'
import { build, type Pattern, pixels, relativeError, request } from './engines.js'

const logits = async (pattern: Pattern, kernel: string, type: 'fp32' | 'bf16', n: number, batch = n) => {
  const network = await build(pattern)
  const images = pixels(n)
  const engine = await addon().compile(network, { ...request(batch, type), kernel, imitate: true }).promise
  expect(engine.candidates.map(({ name }) => name)).toEqual([`planar ${type}, ${kernel}, imitated`])
  const got = await engine.run(images).promise
  const want = await addon().forward(network, images, { precision: 'fp32', training: false }).promise
  expect(got).toHaveLength(want.length)
  return { got, want }
}

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
  it.each(['reference', 'simple o32', 'jobs p1', 'jobs p2', 'jobs p4', 'jobs p8'])(
    'has the logits of the forward pass: %s in fp32',
    async (kernel) => {
      const { got, want } = await logits(pattern, kernel, 'fp32', 5)
      expect(relativeError(got, want)).toBeLessThan(1e-5)
    },
  )

  it.each(['reference', 'simple o64', 'jobs p4', ...onTensorCores.slice(0, pattern === 'vectors' ? 6 : 2)])(
    'has nearly the logits of the forward pass: %s in bf16',
    async (kernel) => {
      const { got, want } = await logits(pattern, kernel, 'bf16', 5)
      expect(relativeError(got, want)).toBeLessThan(2e-2)
    },
  )
})

it('takes blocks of 128 images, and more images than a batch', async () => {
  const { got, want } = await logits('vectors', 'mma o64 p1 i128', 'bf16', 130, 128)
  expect(relativeError(got, want)).toBeLessThan(2e-2)
})

it('names a kernel that is not there, and one that cannot compute a layer', async () => {
  const network = await build('vectors')
  const compile = (kernel: string, type: 'fp32' | 'bf16') =>
    addon().compile(network, { ...request(64, type), kernel, imitate: true }).promise
  await expect(compile('wmma', 'bf16')).rejects.toThrow("kernel 'wmma' is none of reference")
  await expect(compile('mma o32 p1 i64', 'fp32')).rejects.toThrow('cannot compute')
  await expect(compile('mma o32 p1 i128', 'bf16')).rejects.toThrow('cannot compute')
})
