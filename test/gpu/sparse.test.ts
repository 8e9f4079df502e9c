/** Inference engines on a CUDA device; skipped, with a message, where none is. */
import { describe, expect, it } from 'vitest'
import { addon } from '../../bindings/load.js'
import type { EngineType, NativeNetwork } from '../../bindings/native.js'
import { build, type Pattern, pixels, relativeError, request } from '../native/engines.js'

const there = addon().info().cudaAvailable && addon().info().cudaKernels
if (!there) console.warn('test/gpu: skipped, there is no CUDA device or the addon has no CUDA kernels.')

const patterns: Pattern[] = ['dense', 'single', 'vectors', 'empty']
const tolerance = (type: EngineType) => (type === 'fp32' ? 1e-4 : 0.1)

const forward = (network: NativeNetwork, images: Float32Array) =>
  addon().forward(network, images, { precision: 'fp32', training: false }).promise

describe.skipIf(!there)('an engine on CUDA', () => {
  it.each(patterns)('has the logits of the network: %s', async (pattern) => {
    const network = await build(pattern, 'cuda')
    // Whole batches replay a graph, more than half of one fill it up, fewer images run kernel by kernel.
    for (const type of ['fp32', 'bf16', 'fp16'] as const) {
      const engine = await addon().compile(network, request(128, type)).promise
      for (const n of [1, 63, 64, 128, 300]) {
        const images = pixels(n)
        const got = await engine.run(images).promise
        expect(relativeError(got, await forward(network, images))).toBeLessThan(tolerance(type))
      }
      expect(engine.candidates.some(({ name }) => name.startsWith('dense'))).toBe(true)
      engine.dispose()
    }
  })

  it.each(
    ['reference', 'simple o32', 'jobs p1', 'jobs p2', 'jobs p4', 'jobs p8'].flatMap((kernel) =>
      patterns.map((pattern) => [kernel, pattern] as const),
    ),
  )('computes with %s in fp32 and bf16 what the forward pass does: %s', async (kernel, pattern) => {
    const network = await build(pattern, 'cuda')
    const images = pixels(200)
    const want = await forward(network, images)
    for (const type of ['fp32', 'bf16'] as const) {
      const engine = await addon().compile(network, { ...request(128, type), dense: false, kernel }).promise
      expect(relativeError(await engine.run(images).promise, want)).toBeLessThan(tolerance(type))
      engine.dispose()
    }
  })

  it.each(
    [32, 64].flatMap((outputs) =>
      ['p1 i64', 'p1 i128', 'p2 i64', 'p4 i64'].flatMap((tile) =>
        patterns.map((pattern) => [`mma o${outputs} ${tile}`, pattern] as const),
      ),
    ),
  )('computes on the tensor cores with %s what the reference does: %s', async (kernel, pattern) => {
    const network = await build(pattern, 'cuda')
    const images = pixels(200)
    const engine = await addon().compile(network, { ...request(128, 'bf16'), dense: false, kernel }).promise
    const got = await engine.run(images).promise
    expect(relativeError(got, await forward(network, images))).toBeLessThan(tolerance('bf16'))
    engine.dispose()

    const reference = { ...request(128, 'bf16'), dense: false, kernel: 'reference' }
    const plain = await addon().compile(network, reference).promise
    // Only the order of sums differs, and bf16 roundings that follow from it.
    expect(relativeError(got, await plain.run(images).promise)).toBeLessThan(1e-2)
    plain.dispose()
  })

  it('keeps what it measured, and takes it the next time', async () => {
    const network = await build('vectors', 'cuda')
    const first = await addon().compile(network, request(64, 'bf16')).promise
    expect(Object.keys(first.tuning).length).toBeGreaterThan(0)
    const again = await addon().compile(network, { ...request(64, 'bf16'), tuning: first.tuning }).promise
    expect(again.tuning).toEqual(first.tuning)
  })
})
