import { expect, it } from 'vitest'
import { addon } from '../../bindings/load.js'
import type { Floats, NativeDataset, NativeNetwork, NativeTrainJob } from '../../bindings/native.js'
import { everyOperation } from '../parity/everyOperation.js'
import { attack, dataset, images, network, request } from './helpers.js'

const native = addon()
const cpu = { device: 'cpu', type: 'float32' } as const
const indices = (count: number) => Uint32Array.from({ length: count }, (_, i) => i)
const evaluation = { indices: indices(32), batchSize: 32, precision: 'fp32', attack: null, seed: 0 } as const
const forever = request({ kind: 'natural' }, 200_000)

/** Trains for so long that whoever waits for the end is not answered; `pause` ends it. */
const training = (net: NativeNetwork, data: NativeDataset): NativeTrainJob =>
  native.train(net, data, forever, null)

it('brief jobs are answered while a long one runs, those of the network that it writes included', async () => {
  const [net, other, data] = [await network(), await network(2), await dataset()]
  const job = training(net, data)
  const pixels = Float32Array.from(images(8), (byte) => byte / 255)
  await net.read('mask').promise
  await net.snapshot().promise
  await native.forward(net, pixels, { precision: 'fp32', training: false }).promise
  const { predictions } = await native.evaluate(net, data, evaluation, null).promise
  expect(predictions).toHaveLength(32)
  await other.write('parameters', new Float32Array(other.parameterCount)).promise
  expect((await other.read('parameters').promise).every((value) => value === 0)).toBe(true)
  const created = await native.createNetwork(everyOperation, cpu).promise
  await created.initialise(1).promise
  await dataset(16)
  job.pause()
  const { steps } = await job.promise
  expect(steps).toBeLessThan(200_000)
})

it('a job that was asked for before a long one of its network ran sees the network as it was', async () => {
  const [net, other, data] = [await network(), await network(2), await dataset()]
  const before = await net.read('parameters').promise
  const first = training(other, data)
  // Neither can begin before the first one ends.
  const second = training(net, data)
  const read = net.read('parameters').promise
  expect(await read).toEqual(before)
  first.pause()
  second.pause()
  expect((await second.promise).steps).toBe(0)
})

it('whoever writes what a long job uses waits for its end, and who reads that waits too', async () => {
  const [net, data] = [await network(), await dataset()]
  const ended: string[] = []
  const tell = (name: string) => (): void => {
    ended.push(name)
  }
  const job = training(net, data)
  const parameters = new Float32Array(net.parameterCount).fill(0.5)
  const all = [
    job.promise.then(tell('train')),
    net.write('parameters', parameters).promise.then(tell('write')),
    net.read('parameters').promise.then((values) => {
      expect(values).toEqual(parameters)
      ended.push('read')
    }),
    net.read('mask').promise.then(tell('read')),
  ]
  await native.createNetwork(everyOperation, cpu).promise
  expect(ended).toEqual([])
  job.pause()
  await Promise.all(all)
  expect(ended).toEqual(['train', 'write', 'read', 'read'])
})

it('long jobs wait for one another', async () => {
  const [net, data] = [await network(), await dataset()]
  const ended: string[] = []
  const job = training(net, data)
  const attacked = native.evaluate(net, data, { ...evaluation, attack }, null).promise
  const long = native.evaluate(net, data, { ...evaluation, batchSize: 16 }, null).promise
  const all = [
    job.promise.then(() => ended.push('train')),
    attacked.then(() => ended.push('attacked')),
    long.then(() => ended.push('long')),
  ]
  await net.read('mask').promise
  job.pause()
  await Promise.all(all)
  expect(ended).toEqual(['train', 'attacked', 'long'])
})

it('a network that is evaluated or verified is read between two batches', async () => {
  const [net, data] = [await network(), await dataset()]
  const order = Uint32Array.from({ length: 300_000 }, (_, i) => i % 64)
  const bounds = { method: 'interval', intersect: false, epsilon: 0.01, clip: true, memory: 2 ** 20 } as const
  const jobs = [
    native.evaluate(net, data, { ...evaluation, indices: order, batchSize: 8 }, null),
    native.verify(net, data, { ...bounds, iterations: 0, indices: order, batchSize: 8 }, null),
  ]
  for (const job of jobs) {
    let running = true
    const ended = job.promise
      .catch(() => undefined)
      .finally(() => {
        running = false
      })
    await net.snapshot().promise
    expect(running).toBe(true)
    job.cancel()
    await ended
  }
})

it('what is read while a network is trained is its state after a whole number of batches', async () => {
  const data = await dataset()
  const steps = 24
  const all = request({ kind: 'adversarial', attack }, steps)
  const passed = await network()
  const key = (state: { parameters: Floats; buffers: Floats }) =>
    JSON.stringify([...Array.from(state.parameters.slice(0, 50)), ...Array.from(state.buffers)])
  const states = [key(await passed.snapshot().promise)]
  for (let step = 0; step < steps; ++step) {
    const one = { order: all.order.slice(16 * step, 16 * step + 16), stepsTaken: step }
    await native.train(passed, data, request({ kind: 'adversarial', attack }, 1, one), null).promise
    states.push(key(await passed.snapshot().promise))
  }
  const net = await network()
  const job = native.train(net, data, all, null)
  let running = true
  const ended = job.promise.finally(() => {
    running = false
  })
  const seen: number[] = []
  while (running) seen.push(states.indexOf(key(await net.snapshot().promise)))
  await ended
  expect(seen).not.toContain(-1)
  expect(seen).toEqual(seen.toSorted((a, b) => a - b))
  expect(new Set(seen).size).toBeGreaterThan(1)
  // Being looked at changes nothing.
  expect(key(await net.snapshot().promise)).toBe(states[steps])
})

it('while scores are learned the weights that are read are the frozen ones', async () => {
  const [net, data] = [await network(), await dataset()]
  const frozen = await net.read('parameters').promise
  const learn = { kind: 'scores', keep: 0.3, scores: null } as const
  const job = native.train(net, data, { ...forever, learn }, null)
  for (let i = 0; i < 5; ++i) expect(await net.read('parameters').promise).toEqual(frozen)
  job.pause()
  await job.promise
})
