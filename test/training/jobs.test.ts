import { beforeAll, expect, it } from 'vitest'
import { compress } from '../../lib/compression/compress.js'
import type { Dataset } from '../../lib/data/dataset.js'
import { evaluate } from '../../lib/evaluation/evaluate.js'
import { Network } from '../../lib/models/network.js'
import { adversarial, natural } from '../../lib/objectives/index.js'
import { train } from '../../lib/training/train.js'
import { verify } from '../../lib/verification/verify.js'
import { tinyImages, tinySpec } from '../helpers.js'
import { trainInterrupted } from './interrupted.js'

let data: Dataset
beforeAll(async () => {
  data = await tinyImages(200)
})

const objective = adversarial({ epsilon: 4 / 255, steps: 2 })
const quiet = { onWarning: () => undefined }
const settings = { ...quiet, objective, epochs: 3, batchSize: 32, augment: 'none' } as const
const pruning = { ...quiet, objective, sparsity: 0.5, steps: 2, epochsPerStep: 1, batchSize: 32 } as const

const fresh = () => Network.create(tinySpec(), { seed: 1 })

it('a training that is stopped and gone on with again and again ends in the same bits', async () => {
  const straight = await fresh()
  const whole = await train(straight, data, settings)
  const network = await fresh()
  let job = train(network, data, settings)
  let stops = 0
  for (; ; job = job.resume()) {
    const { stopped, ...summary } = await job.stop()
    if (!stopped) {
      expect(summary).toEqual(whole)
      break
    }
    expect(++stops).toBeLessThan(100)
  }
  expect(stops).toBeGreaterThan(2)
  expect((await network.read()).parameters).toEqual((await straight.read()).parameters)
})

it('a training that averages its weights does so too, with the statistics of batch norm', async () => {
  const averaged = { ...settings, averaging: 0.9, labelSmoothing: 0.1 }
  const straight = await fresh()
  await train(straight, data, averaged)
  const network = await fresh()
  let job = train(network, data, averaged)
  let stops = 0
  for (; (await job.stop()).stopped; job = job.resume()) expect(++stops).toBeLessThan(100)
  expect(stops).toBeGreaterThan(2)
  const [one, other] = [await network.read(), await straight.read()]
  expect(one.parameters).toEqual(other.parameters)
  expect(one.buffers).toEqual(other.buffers)
})

it('an abort after the last epoch leaves the last weights, not their mean; what was saved ends in the same bits', async () => {
  const averaged = { ...settings, averaging: 0.9 }
  const straight = await fresh()
  await train(straight, data, averaged)
  const last = await fresh()
  await train(last, data, settings)
  const network = await fresh()
  const controller = new AbortController()
  const job = train(network, data, { ...averaged, signal: controller.signal })
  const watched = async () => {
    for await (const { epoch } of job) if (epoch === settings.epochs) controller.abort()
  }
  await expect(watched()).rejects.toMatchObject({ name: 'AbortError' })
  expect((await network.read()).parameters).toEqual((await last.read()).parameters)
  const { state } = await trainInterrupted(await (await fresh()).read(), data, averaged)
  expect(state.parameters).toEqual((await straight.read()).parameters)
})

it('a training gives its epochs, and holds between them', async () => {
  const network = await fresh()
  const epochs: number[] = []
  for await (const { epoch } of train(network, data, settings)) {
    epochs.push(epoch)
    const before = await network.read()
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect((await network.read()).parameters).toEqual(before.parameters)
  }
  expect(epochs).toEqual([1, 2, 3])
})

it('a compression that is stopped and gone on with again and again ends in the same bits', async () => {
  const straight = await fresh()
  straight.history = { objective }
  const network = await Network.from(await straight.read())
  const whole = await compress(straight, data, pruning)
  expect(whole).toMatchObject({ step: 2, sparsity: expect.closeTo(0.5, 2), matched: true })
  let job = compress(network, data, pruning)
  for (let stops = 0; ; job = job.resume()) {
    const { stopped, ...step } = await job.stop()
    if (!stopped) {
      expect(step).toEqual(whole)
      break
    }
    expect(++stops).toBeLessThan(100)
  }
  const [one, other] = [await network.read(), await straight.read()]
  expect(one.parameters).toEqual(other.parameters)
  expect(one.mask).toEqual(other.mask)
})

it('an evaluation that is left in the middle keeps the images so far, and goes on with the others', async () => {
  const network = await fresh()
  await train(network, data, { ...settings, objective: natural() })
  const options = { robust: objective, batchSize: 10, verifier: 'interval', epsilon: 1 / 255 } as const
  const whole = await evaluate(network, data, options)
  const job = evaluate(network, data, options)
  let seen = 0
  for await (const { index, prediction } of job) {
    expect([index, prediction]).toEqual([seen, whole.perSample.predictions[seen]])
    if (++seen === 25) break
  }
  const part = await job
  expect(part.stopped).toBe(true)
  expect(part.n).toBeGreaterThanOrEqual(25)
  expect(part.n).toBeLessThan(200)
  expect(part.perSample.losses).toEqual(whole.perSample.losses.slice(0, part.n))
  expect(await job.resume()).toEqual(whole)
})

it('a verification gives its verdicts, and goes on', async () => {
  const network = await fresh()
  const options = { epsilon: 1 / 255, verifier: 'crown', batchSize: 8, images: 40 } as const
  const whole = (await verify(network, data, options)).perSample
  const job = verify(network, data, options)
  let seen = 0
  for await (const { verdict } of job) {
    expect(verdict).toBeDefined()
    if (++seen === 10) break
  }
  const part = await job
  expect([part.stopped, part.n < 40]).toEqual([true, true])
  const { perSample } = await job.resume()
  expect(perSample.verdicts).toEqual(whole.verdicts)
})
