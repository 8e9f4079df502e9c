import { expect, it } from 'vitest'
import { addon } from '../../bindings/load.js'
import type { NativeObjective } from '../../bindings/native.js'
import { hash32 } from '../../lib/base/hash.js'
import { parseSpec } from '../../lib/networks/parse.js'
import { attack, dataset, images, network, request } from './helpers.js'

const native = addon()
const weak = { ...attack, epsilon: 0.01, stepSize: 0.005 }
const objectives: NativeObjective[] = [
  { kind: 'natural' },
  { kind: 'adversarial', attack: weak },
  { kind: 'trades', attack: weak, beta: 1 },
]

for (const optimiser of [
  { kind: 'sgd', momentum: 0.9, nesterov: true, weightDecay: 1e-2 },
  { kind: 'adam', beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 1e-2 },
] as const)
  it(`a pruned weight stays zero through 100 steps of ${optimiser.kind} with momentum and decay`, async () => {
    const net = await network()
    const data = await dataset()
    // Momentum first, so that there is something that could revive a pruned weight.
    await native.train(net, data, request({ kind: 'natural' }, 5, { optimiser }), null).promise
    const mask = Uint8Array.from({ length: net.parameterCount }, (_, i) => (hash32(5, i) % 4 === 0 ? 1 : 0))
    await net.write('mask', mask).promise
    await native.train(net, data, request({ kind: 'natural' }, 100, { optimiser }), null).promise
    for (const arena of ['parameters', 'moment1'] as const) {
      const values = await net.read(arena).promise
      expect(values.every((value, i) => mask[i] === 1 || value === 0)).toBe(true)
      expect(values.some((value, i) => mask[i] === 1 && value !== 0)).toBe(true)
    }
  })

for (const objective of objectives) {
  it(`${objective.kind}: the same seed gives the same bits, another seed gives others`, async () => {
    const data = await dataset()
    const after = async (seed: number) => {
      const net = await network()
      await native.train(net, data, request(objective, 3, { seed }), null).promise
      return [await net.read('parameters').promise, await net.read('buffers').promise]
    }
    expect(await after(7)).toEqual(await after(7))
    expect(await after(8)).not.toEqual(await after(7))
  })

  it(`${objective.kind}: two jobs of two steps end where one job of four does`, async () => {
    const data = await dataset()
    const whole = await network()
    const all = request(objective, 4)
    await native.train(whole, data, all, null).promise
    const parts = await network()
    for (const begin of [0, 2])
      await native.train(
        parts,
        data,
        request(objective, 2, { order: all.order.slice(16 * begin, 16 * begin + 32), stepsTaken: begin }),
        null,
      ).promise
    expect(await parts.read('parameters').promise).toEqual(await whole.read('parameters').promise)
  })

  it(`${objective.kind}: the loss falls on a batch that is seen again and again`, async () => {
    const net = await network()
    const data = await dataset()
    const order = Uint32Array.from({ length: 40 * 16 }, (_, i) => i % 16)
    const { losses } = await native.train(
      net,
      data,
      request(objective, 40, { order, augmentation: null }),
      null,
    ).promise
    expect(losses[39]).toBeLessThan(0.6 * Number(losses[0]))
  })
}

it('an ε factor of 0 makes adversarial training natural', async () => {
  const data = await dataset()
  const epsilonFactors = new Float64Array(3)
  const [adversarial, natural] = [await network(), await network()]
  await native.train(adversarial, data, request({ kind: 'adversarial', attack }, 3, { epsilonFactors }), null)
    .promise
  await native.train(natural, data, request({ kind: 'natural' }, 3), null).promise
  expect(await adversarial.read('parameters').promise).toEqual(await natural.read('parameters').promise)
})

it('pause ends the job after the running batch with what was done', async () => {
  const net = await network()
  const data = await dataset()
  const job = native.train(net, data, request({ kind: 'adversarial', attack }, 500), () => job.pause())
  const result = await job.promise
  expect(result.steps).toBeGreaterThan(0)
  expect(result.steps).toBeLessThan(500)
  expect(result.losses).toHaveLength(result.steps)
})

it('cancel rejects with ERR_ABORTED', async () => {
  const net = await network()
  const data = await dataset()
  const job = native.train(net, data, request({ kind: 'adversarial', attack }, 500), () => job.cancel())
  await expect(job.promise).rejects.toMatchObject({ code: 'ERR_ABORTED' })
})

it('what a listener throws stops the job and is what its promise rejects with', async () => {
  const net = await network()
  const data = await dataset()
  const error = new Error('from the listener')
  const throws = () => {
    throw error
  }
  const job = native.train(net, data, request({ kind: 'adversarial', attack }, 500), throws)
  await expect(job.promise).rejects.toBe(error)
})

it('a loss that overflows is an error, not a result', async () => {
  const net = await network()
  const data = await dataset()
  const learningRates = new Float64Array(50).fill(1e6)
  await expect(
    native.train(net, data, request({ kind: 'natural' }, 50, { learningRates }), null).promise,
  ).rejects.toMatchObject({ code: 'ERR_DIVERGED' })
})

it('learned scores leave the weights alone and change with training', async () => {
  const net = await network()
  const data = await dataset()
  const before = await net.read('parameters').promise
  const learn = (scores: Float32Array | null) =>
    request({ kind: 'adversarial', attack }, 10, { learn: { kind: 'scores', keep: 0.5, scores } })
  const first = (await native.train(net, data, learn(null), null).promise).scores
  expect(first).toHaveLength(net.parameterCount)
  const second = (await native.train(net, data, learn(first as Float32Array), null).promise).scores
  expect(await net.read('parameters').promise).toEqual(before)
  expect(second).not.toEqual(first)
})

it('a score s moves against ∂L/∂w · w · sign(s), as HYDRA masks by |s|', async () => {
  const net = await network(1, 'float64')
  const indices = Uint32Array.from({ length: 16 }, (_, i) => i)
  const pixels = images(16)
  const batch = {
    images: Float64Array.from(pixels, (byte) => byte / 255),
    labels: Int32Array.from(indices, (i) => i % 10),
  }
  await native.backward(net, batch, { precision: 'fp64' }).promise
  const gradients = await net.read('gradients').promise
  const weights = await net.read('parameters').promise
  const scores = Float64Array.from(weights, (_, i) => (hash32(3, i) % 2 === 0 ? 1 : -1) * (1 + (i % 7)))
  const { scores: moved } = await native.train(
    net,
    await dataset(16, pixels),
    request({ kind: 'natural' }, 1, {
      order: indices,
      optimiser: { kind: 'sgd', momentum: 0, nesterov: false, weightDecay: 0 },
      learningRates: Float64Array.of(0.5),
      augmentation: null,
      precision: 'fp64',
      learn: { kind: 'scores', keep: 1, scores },
    }),
    null,
  ).promise
  const expected = scores.map((s, i) => s - 0.5 * Number(gradients[i]) * Number(weights[i]) * Math.sign(s))
  const error = Math.max(...expected.map((s, i) => Math.abs(s - Number(moved?.[i]))))
  expect(error).toBeLessThan(1e-10)
  expect(expected.some((s, i) => Math.abs(s - Number(scores[i])) > 1e-6)).toBe(true)
})

it('refuses to train batch norm on one value per channel', async () => {
  const spec = parseSpec({
    name: 'narrow',
    input: [3, 12, 12],
    nodes: [
      { op: 'conv2d', name: 'c', channels: 4, kernel: 12 },
      { op: 'batchNorm2d', name: 'b' },
      { op: 'flatten', name: 'f' },
      { op: 'linear', name: 'l', features: 10 },
    ],
  })
  const net = await native.createNetwork(spec, { device: 'cpu', type: 'float32' }).promise
  await net.initialise(1).promise
  const one = request({ kind: 'natural' }, 1, { order: Uint32Array.of(0) })
  await expect(native.train(net, await dataset(), one, null).promise).rejects.toMatchObject({
    code: 'ERR_INVALID_ARGUMENT',
  })
  expect((await net.read('buffers').promise).every(Number.isFinite)).toBe(true)
})

it('refuses the name of a device without a number', () => {
  expect(() => native.memory('cuda:' as 'cpu')).toThrow('has no valid number')
})
