/** The gradient of an objective's mean loss over a data set, which scores of weights are made of. */
import { expect, it } from 'vitest'
import { addon } from '../../bindings/load.js'
import type { GradientRequest, NativeDataset, NativeNetwork } from '../../bindings/native.js'
import { attack, dataset, images, network } from './helpers.js'

const native = addon()
const everywhere = (n: number) => Uint32Array.from({ length: n }, (_, i) => i)
const ask = (net: NativeNetwork, data: NativeDataset, changes: Partial<GradientRequest> = {}) =>
  native.gradients(
    net,
    data,
    {
      indices: everywhere(16),
      batchSize: 16,
      objective: { kind: 'natural' },
      cleanWeight: 1,
      robustWeight: 0,
      precision: 'fp64',
      seed: 7,
      ...changes,
    },
    null,
  ).promise

it('is that of a training pass, and changes nothing of the network', async () => {
  const net = await network(1, 'float64')
  const mask = Uint8Array.from({ length: net.parameterCount }, (_, i) => i % 2)
  await net.write('mask', mask).promise
  const before = [await net.read('parameters').promise, await net.read('buffers').promise]
  const { gradients, loss } = await ask(net, await dataset())
  expect([await net.read('parameters').promise, await net.read('buffers').promise]).toEqual(before)
  expect(await net.read('gradients').promise).toEqual(gradients)
  // A pruned weight has a gradient too: it may be worth reviving.
  expect(gradients.some((value, i) => mask[i] === 0 && value !== 0)).toBe(true)

  const batch = {
    images: Float64Array.from(images(16), (byte) => byte / 255),
    labels: Int32Array.from(everywhere(16), (i) => i % 10),
  }
  expect(await native.backward(net, batch, { precision: 'fp64' }).promise).toBeCloseTo(loss, 12)
  const expected = await net.read('gradients').promise
  gradients.forEach((value, i) => void expect(value).toBeCloseTo(Number(expected[i]), 12))
})

it('weighs batches by their images, the last and smaller one too', async () => {
  const net = await network(1, 'float64')
  const data = await dataset()
  const [first, last] = [everywhere(12), everywhere(16).subarray(12)]
  const whole = await ask(net, data, { batchSize: 12 })
  const [a, b] = [await ask(net, data, { indices: first }), await ask(net, data, { indices: last })]
  expect(whole.loss).toBeCloseTo((12 * a.loss + 4 * b.loss) / 16, 12)
  whole.gradients.forEach((value, i) => {
    expect(value).toBeCloseTo((12 * Number(a.gradients[i]) + 4 * Number(b.gradients[i])) / 16, 12)
  })
})

it.each([
  { kind: 'adversarial', attack },
  { kind: 'trades', attack, beta: 2 },
])('of $kind: what a step of plain gradient descent subtracts', async (objective) => {
  const data = await dataset()
  const indices = everywhere(16)
  const [given, stepped] = [await network(1, 'float64'), await network(1, 'float64')]
  const { gradients, loss } = await ask(given, data, { objective })
  const before = await given.read('parameters').promise
  const { losses } = await native.train(
    stepped,
    data,
    {
      order: indices,
      batchSize: 16,
      objective,
      optimiser: { kind: 'sgd', momentum: 0, nesterov: false, weightDecay: 0 },
      learningRates: Float64Array.of(1),
      epsilonFactors: Float64Array.of(1),
      cleanWeights: Float64Array.of(1),
      robustWeights: Float64Array.of(0),
      stepsTaken: 0,
      augmentation: null,
      precision: 'fp64',
      seed: 7,
      epoch: 0,
      learn: { kind: 'weights' },
    },
    null,
  ).promise
  const after = await stepped.read('parameters').promise
  expect(losses[0]).toBeCloseTo(loss, 12)
  expect(gradients.some((value) => Math.abs(value) > 1e-3)).toBe(true)
  gradients.forEach((value, i) => void expect(Number(before[i]) - Number(after[i])).toBeCloseTo(value, 10))
})
