import { describe, expect, it } from 'vitest'
import { exercise } from '../../bindings/exercise.js'
import { addon } from '../../bindings/load.js'
import type { NativeAddon } from '../../bindings/native.js'
import { canLoad } from './folders.js'

describe.runIf(canLoad)('trying everything on a device', () => {
  it('finds the CPU as precise as it should be', async () => {
    const found = await exercise(addon(), 'cpu')
    expect(found.length).toBeGreaterThan(10)
    expect(found.filter(({ problem }) => problem !== undefined)).toEqual([])
    // bf16 is there, and is no fp32.
    expect(found.find(({ name }) => name === 'convolutions, bf16')?.difference).toBeGreaterThan(1e-4)
  })

  it('names what is wrong, what throws, and nothing else', async () => {
    let passes = 0
    const broken: NativeAddon = Object.assign(Object.create(addon()), {
      forward: (...args: Parameters<NativeAddon['forward']>) => {
        const job = addon().forward(...args)
        // The first is of the device, the second what is expected of it.
        return passes++ === 0 ? { ...job, promise: job.promise.then((all) => all.map((x) => 2 * x)) } : job
      },
      margins: () => {
        throw new Error('no bounds today')
      },
    })
    const wrong = (await exercise(broken, 'cpu')).filter(({ problem }) => problem !== undefined)
    expect(wrong).toEqual([
      { name: 'convolutions, fp32', difference: 1, problem: expect.stringContaining('1.0e+0') },
      { name: 'interval bounds', problem: 'no bounds today' },
      { name: 'symbolic bounds', problem: 'no bounds today' },
    ])
  })
})
