import { describe, expect, it } from 'vitest'
import { addon } from '../../bindings/load.js'
import type { Device, NativeNetwork, NativeObjective, TrainRequest } from '../../bindings/native.js'
import { attack, dataset, network, request } from './helpers.js'

const native = addon()

const objectives = {
  natural: { kind: 'natural' },
  adversarial: { kind: 'adversarial', attack },
  trades: { kind: 'trades', attack, beta: 4 },
  verified: { kind: 'verified', bound: 'crownIbp', epsilon: 0.01, images: 3, gradient: 'full' },
  interval: { kind: 'verified', bound: 'interval', epsilon: 0.01, images: 0, gradient: 'full' },
} satisfies Record<string, NativeObjective>

const cpus = (count: number): Device[] => Array.from({ length: count }, () => 'cpu')

/** Prunes half of the weights that are smallest in magnitude, as one mask over the arena. */
const prune = async (net: NativeNetwork) => {
  const weights = await net.read('parameters').promise
  const threshold = [...weights].map(Math.abs).sort((a, b) => a - b)[weights.length >> 1] ?? 0
  const mask = Uint8Array.from(weights, (w) => (Math.abs(w) < threshold ? 0 : 1))
  await net.write('mask', mask).promise
  return mask
}

/** Ten steps, pruning, ten more with momentum and decay; the last batch of each ten is short. */
const course = async (
  objective: NativeObjective,
  moreDevices: Device[],
  changes: Partial<TrainRequest> = {},
) => {
  const net = await network(1, 'float64')
  const data = await dataset()
  const weights = {
    robustWeights: new Float64Array(10).fill(0.3),
    cleanWeights: new Float64Array(10).fill(0.7),
  }
  const order = Uint32Array.from({ length: 9 * 16 + 5 }, (_, i) => (i * 7) % 64)
  const part = {
    ...request(objective, 10),
    ...weights,
    order,
    precision: 'fp64' as const,
    moreDevices,
    ...changes,
  }
  const first = await native.train(net, data, part, null).promise
  const mask = await prune(net)
  const second = await native.train(net, data, { ...part, epoch: 1, stepsTaken: 10 }, null).promise
  return {
    mask,
    parameters: await net.read('parameters').promise,
    buffers: await net.read('buffers').promise,
    losses: [...first.losses, ...second.losses],
    correct: first.correct + second.correct,
  }
}

const farthest = (a: ArrayLike<number>, b: ArrayLike<number>) =>
  Array.from(a).reduce((most, value, i) => Math.max(most, Math.abs(value - Number(b[i]))), 0)

describe('training on several devices', () => {
  it.each(Object.entries(objectives))(
    '%s: is that on one device, but for the order of sums',
    async (_, objective) => {
      const one = await course(objective, [])
      for (const others of [1, 2]) {
        const several = await course(objective, cpus(others))
        expect(several.mask).toEqual(one.mask)
        expect(farthest(several.parameters, one.parameters)).toBeLessThan(1e-8)
        expect(farthest(several.buffers, one.buffers)).toBeLessThan(1e-8)
        expect(farthest(several.losses, one.losses)).toBeLessThan(1e-8)
        expect(several.correct).toBe(one.correct)
      }
    },
  )

  it('gives the same bits every time', async () => {
    const [a, b] = [
      await course(objectives.adversarial, cpus(2)),
      await course(objectives.adversarial, cpus(2)),
    ]
    expect(a.parameters).toEqual(b.parameters)
    expect(a.losses).toEqual(b.losses)
  })

  it('takes batches of fewer images than devices', async () => {
    const few = { order: Uint32Array.from({ length: 20 }, (_, i) => i), batchSize: 2 }
    const one = await course(objectives.adversarial, [], few)
    const several = await course(objectives.adversarial, cpus(3), few)
    expect(farthest(several.parameters, one.parameters)).toBeLessThan(1e-8)
    expect(several.correct).toBe(one.correct)
  })

  it('learns scores as one device does', async () => {
    const learned = async (moreDevices: Device[]) => {
      const net = await network(1, 'float64')
      const learn = { kind: 'scores', keep: 0.4, scores: null } as const
      const part = { ...request(objectives.adversarial, 6), precision: 'fp64' as const, learn, moreDevices }
      const { scores } = await native.train(net, await dataset(), part, null).promise
      return scores ?? []
    }
    expect(farthest(await learned(cpus(2)), await learned([]))).toBeLessThan(1e-8)
  })

  it('stops together when it is paused or aborted, and goes on from there', async () => {
    const [net, data] = [await network(1, 'float64'), await dataset()]
    const part = { ...request(objectives.adversarial, 200), precision: 'fp64' as const, moreDevices: cpus(2) }
    const paused = native.train(net, data, part, () => paused.pause())
    const { steps } = await paused.promise
    expect(steps).toBeGreaterThan(0)
    expect(steps).toBeLessThan(200)
    const aborted = native.train(net, data, part, () => aborted.cancel())
    await expect(aborted.promise).rejects.toMatchObject({ code: 'ERR_ABORTED' })
    const again = await native.train(
      net,
      data,
      { ...request(objectives.adversarial, 2), precision: 'fp64' },
      null,
    ).promise
    expect(again.steps).toBe(2)
  })

  it('ends where one of them fails', async () => {
    const [net, data] = [await network(1, 'float64'), await dataset()]
    const rates = new Float64Array(10).fill(1e6)
    const part = { ...request(objectives.natural, 10), precision: 'fp64' as const, learningRates: rates }
    const diverging = native.train(net, data, { ...part, moreDevices: cpus(2) }, null).promise
    await expect(diverging).rejects.toThrow(/the loss became/)
  })

  it('refuses a device that is not there, and too many', async () => {
    const [net, data] = [await network(), await dataset()]
    const part = request(objectives.natural, 1)
    expect(() => native.train(net, data, { ...part, moreDevices: ['cuda:7'] }, null)).toThrow(/cuda:7/)
    expect(() => native.train(net, data, { ...part, moreDevices: cpus(300) }, null)).toThrow(/at most 255/)
  })
})
