/** Everything that training and verification use on CUDA devices; skipped, with a message, where none is. */
import { describe, expect, it } from 'vitest'
import { exercise } from '../../bindings/exercise.js'
import { addon } from '../../bindings/load.js'
import type { Device } from '../../bindings/native.js'

const { cudaAvailable, cudaKernels, cudaDevices } = addon().info()
const there = cudaAvailable && cudaKernels
if (!there) console.warn('test/gpu: skipped, there is no CUDA device or the addon has no CUDA kernels.')

describe.skipIf(!there)('a CUDA device', () => {
  it.each(cudaDevices)('computes what the CPU does: $device', async ({ device }) => {
    const found = await exercise(addon(), device as Device)
    expect(found.filter(({ problem }) => problem !== undefined)).toEqual([])
  })

  it('gives the same bits every time where algorithms are deterministic', async () => {
    addon().setDeterministic(true)
    try {
      const [first, again] = [await exercise(addon(), 'cuda'), await exercise(addon(), 'cuda')]
      expect(again).toEqual(first)
    } finally {
      addon().setDeterministic(false)
    }
  })
})
