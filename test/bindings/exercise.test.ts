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
    const broken: NativeAddon = Object.assign(Object.create(addon()), {
      forward: (...[network, images, options]: Parameters<NativeAddon['forward']>) => {
        const job = addon().forward(network, images, options)
        const twice = () => ({ ...job, promise: job.promise.then((all) => all.map((x) => 2 * x)) })
        return options.precision === 'bf16' ? twice() : job
      },
      margins: () => {
        throw new Error('no bounds today')
      },
    })
    const wrong = (await exercise(broken, 'cpu')).filter(({ problem }) => problem !== undefined)
    expect(wrong).toEqual([
      {
        name: 'convolutions, bf16',
        difference: expect.closeTo(1, 1),
        problem: expect.stringContaining('differs'),
      },
      { name: 'interval bounds', problem: 'no bounds today' },
      { name: 'symbolic bounds', problem: 'no bounds today' },
    ])
  })
})
