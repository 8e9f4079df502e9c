import { describe, expect, it } from 'vitest'
import { settle } from '../../bindings/jobs.js'
import { addon } from '../../bindings/load.js'
import { compress } from '../../lib/compression/compress.js'
import { Network } from '../../lib/models/network.js'
import { adversarial, fgsm, nativeObjective, natural, nFgsm } from '../../lib/objectives/index.js'
import { attackOf } from '../../lib/objectives/target.js'
import { sgd } from '../../lib/training/optimiser.js'
import { train } from '../../lib/training/train.js'
import { tinyImages, tinySpec } from '../helpers.js'
import { type attack, dataset, images, network, request } from '../native/helpers.js'

const native = addon()

describe('averaged weights', () => {
  it('are the mean with these shares, which masks hold for too', async () => {
    const data = await dataset()
    const shares = [1, 0.5, 0.25, 0.125]
    const averaged = await network()
    const mask = Uint8Array.from({ length: averaged.parameterCount }, (_, i) => Number(i % 3 > 0))
    await averaged.write('mask', mask).promise
    const stepwise = await network()
    await stepwise.write('mask', mask).promise
    const all = request({ kind: 'natural' }, 4)
    await native.train(averaged, data, { ...all, averageShares: Float64Array.from(shares) }, null).promise
    let mean: number[] = []
    for (const [step, share] of shares.entries()) {
      const one = request({ kind: 'natural' }, 1, {
        order: all.order.slice(16 * step, 16 * step + 16),
        stepsTaken: step,
      })
      await native.train(stepwise, data, one, null).promise
      const now = await stepwise.read('parameters').promise
      mean = Array.from(now, (value, i) => (1 - share) * (mean[i] ?? 0) + share * value)
    }
    expect(await averaged.read('parameters').promise).toEqual(await stepwise.read('parameters').promise)
    const kept = await averaged.read('average').promise
    kept.forEach((value, i) => void expect(value).toBeCloseTo(Number(mean[i]), 6))
    expect(kept.every((value, i) => mask[i] === 1 || value === 0)).toBe(true)
    await averaged.resetMoments().promise
    expect((await averaged.read('average').promise).every((value) => value === 0)).toBe(true)
  })

  it('are what training ends with, with statistics of their own', async () => {
    const data = await tinyImages(60)
    const options = { objective: natural(), epochs: 2, batchSize: 20, optimiser: sgd(), learningRate: 0.1 }
    const last = await Network.create(tinySpec(), { seed: 1 })
    await train(last, data, options)
    const averaged = await Network.create(tinySpec(), { seed: 1 })
    await train(averaged, data, { ...options, averaging: 0.9 })
    const [a, b] = [await last.read(), await averaged.read()]
    expect(b.parameters).not.toEqual(a.parameters)
    expect(b.parameters).toEqual(await settle(() => averaged.handle.read('average')))
    expect(b.buffers).not.toEqual(a.buffers)
    // A mean that forgets everything at once is the last weights.
    const forgetful = await Network.create(tinySpec(), { seed: 1 })
    await train(forgetful, data, { ...options, averaging: 0 })
    expect((await forgetful.read()).parameters).toEqual(a.parameters)
  })

  it('begin anew after each pruning step, and leave pruned weights pruned', async () => {
    const data = await tinyImages(60)
    const net = await Network.create(tinySpec(), { seed: 1 })
    await train(net, data, { objective: natural(), epochs: 1, batchSize: 20, averaging: 0.9 })
    const steps = compress(net, data, {
      sparsity: 0.75,
      steps: 2,
      epochsPerStep: 1,
      batchSize: 20,
      averaging: 0.9,
    })
    for await (const { sparsity } of steps) {
      const { parameters, mask } = await net.read()
      expect(parameters.every((value, i) => mask[i] === 1 || value === 0)).toBe(true)
      expect(parameters).toEqual(await settle(() => net.handle.read('average')))
      expect(sparsity).toBeGreaterThan(0.4)
    }
  })

  it('are refused outside [0,1]', async () => {
    const net = await Network.create(tinySpec(), { seed: 1 })
    const data = await tinyImages(20)
    await expect(train(net, data, { epochs: 1, averaging: 1.5 })).rejects.toThrow(
      /averaging.*between 0 and 1/,
    )
    await expect(train(net, data, { epochs: 1, labelSmoothing: -1 })).rejects.toThrow(/labelSmoothing/)
  })
})

it('smoothed labels mix the loss with that of all classes alike', async () => {
  const data = await dataset()
  const loss = async (labelSmoothing: number) => {
    const still = request({ kind: 'natural' }, 1, { learningRates: Float64Array.of(0), labelSmoothing })
    return Number((await native.train(await network(), data, still, null).promise).losses[0])
  }
  const [hard, mixed, uniform] = [await loss(0), await loss(0.3), await loss(1)]
  expect(mixed).toBeCloseTo(0.7 * hard + 0.3 * uniform, 5)
  // The uniform target's cross-entropy is at least its entropy.
  expect(uniform).toBeGreaterThan(Math.log(10) - 1e-6)
  expect(await loss(0)).toBe(hard)
})

describe('objectives of a single step', () => {
  const batch = {
    images: Float32Array.from(images(20), (byte) => byte / 255),
    labels: Int32Array.from({ length: 20 }, (_, i) => i % 10),
  }
  const moved = async (objective: { attack?: unknown }) => {
    const given = { start: null, folded: true, precision: 'fp32', seed: 3 } as const
    const found = await native.attack(await network(), batch, {
      ...given,
      attack: objective.attack as typeof attack,
    }).promise
    return Array.from(found.images, (pixel, i) => ({ pixel, by: Math.abs(pixel - Number(batch.images[i])) }))
  }

  it('fgsm stays in the ε-box; nFgsm leaves it, by no more than its noise and its step', async () => {
    const epsilon = 0.02
    const inside = await moved(nativeObjective(fgsm({ epsilon })) as object)
    const outside = await moved(nativeObjective(nFgsm({ epsilon })) as object)
    for (const { pixel, by } of inside) {
      expect(by).toBeLessThanOrEqual(epsilon + 1e-6)
      expect(pixel).toBeGreaterThanOrEqual(0)
      expect(pixel).toBeLessThanOrEqual(1)
    }
    for (const { pixel, by } of outside) {
      expect(by).toBeLessThanOrEqual(3 * epsilon + 1e-6)
      expect(pixel).toBeGreaterThanOrEqual(0)
      expect(pixel).toBeLessThanOrEqual(1)
    }
    // Uniform in ±2ε, moved by ε: half of it ends outside the ε-box.
    expect(outside.filter(({ by }) => by > epsilon).length).toBeGreaterThan(outside.length / 4)
  })

  it('are measured by PGD-10 within their ε, as adversarial training is', () => {
    const { epsilon, stepSize, steps } = adversarial({ epsilon: 4 / 255, stepSize: 1 / 255 })
    for (const objective of [fgsm({ epsilon: 4 / 255 }), nFgsm({ epsilon: 4 / 255 })])
      expect(attackOf(objective)).toMatchObject({ epsilon, stepSize, steps, restarts: 1 })
  })
})
