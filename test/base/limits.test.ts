import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { settle } from '../../bindings/jobs.js'
import { addon } from '../../bindings/load.js'
import type { NativeJob } from '../../bindings/native.js'
import type { NetworkSpec } from '../../bindings/spec.js'
import { LIMITS, NATIVE } from '../../lib/base/limits.js'
import type { Dataset } from '../../lib/data/dataset.js'
import { Network } from '../../lib/models/network.js'
import { tinyImages, tinySpec } from '../helpers.js'

let network: Network
let data: Dataset
let threads: number
beforeAll(async () => {
  network = await Network.create(tinySpec())
  data = await tinyImages(4)
  threads = addon().getThreads()
})
afterAll(() => {
  addon().setThreads(threads)
  network.dispose()
  data.dispose()
})

/** Whether the addon takes a request: it reads all of it before it starts; what it started is cancelled. */
const takes = async (start: () => NativeJob<unknown> | undefined): Promise<boolean> => {
  try {
    const job = start()
    job?.cancel()
    await job?.promise.catch(() => undefined)
    return true
  } catch (error) {
    expect(error).toMatchObject({ code: 'ERR_INVALID_ARGUMENT' })
    return false
  }
}

const attack = { kind: 'pgd', epsilon: 0.1, stepSize: 0.1, steps: 1, restarts: 1, start: 'none' } as const
const sgd = { kind: 'sgd', momentum: 0.9, nesterov: false, weightDecay: 0 } as const
const adam = { kind: 'adam', beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0 } as const
const verified = { kind: 'verified', epsilon: 0, bound: 'interval', images: 1, gradient: 'full' } as const

const train = (changes: object) => () =>
  addon().train(
    network.handle,
    data.handle,
    {
      ...{ order: Uint32Array.of(0), batchSize: 1, objective: { kind: 'natural' }, optimiser: sgd },
      ...{ learningRates: Float64Array.of(0), epsilonFactors: Float64Array.of(1) },
      ...{ cleanWeights: Float64Array.of(1), robustWeights: Float64Array.of(0), stepsTaken: 0 },
      ...{ augmentation: null, precision: 'fp32', seed: 0, epoch: 0, learn: { kind: 'weights' } },
      ...changes,
    } as Parameters<ReturnType<typeof addon>['train']>[2],
    null,
  )
const evaluate = (changes: object) => () =>
  addon().evaluate(
    network.handle,
    data.handle,
    { indices: Uint32Array.of(0), batchSize: 1, precision: 'fp32', attack, seed: 0, ...changes },
    null,
  )
const bounds = (iterations: number) => () =>
  addon().verify(
    network.handle,
    data.handle,
    {
      ...{ indices: Uint32Array.of(0), batchSize: 1, method: 'interval', intersect: false },
      ...{ epsilon: 0, clip: true, memory: 2 ** 20, iterations },
    },
    null,
  )
/** A network that is not made, for its reading alone: a node that does not fit is told only after. */
const node = (changes: object) => () => {
  const first = { op: 'conv2d', name: 'c', inputs: ['image'], channels: 1, kernel: 1, stride: 1, padding: 0 }
  const rest = { bias: false, init: 'torch', mean: [0], std: [1], epsilon: 1e-5, momentum: 0.1 }
  const spec = { name: 'x', input: [1, 1, 1], nodes: [{ ...first, ...rest, ...changes }] }
  try {
    return addon().createNetwork(spec as unknown as NetworkSpec, { device: 'cpu', type: 'float32' })
  } catch (error) {
    if (/integer between|number between/.test((error as Error).message)) throw error
    return undefined
  }
}
const dataset =
  (shape: number[], classes = 2) =>
  () => {
    const size = shape.reduce((product, each) => product * each, 1)
    const options = { shape: shape as [number, number, number], classes, device: 'cpu' } as const
    return addon().createDataset(new Uint8Array(size), new Uint8Array(1), options)
  }

/** Each limit, and a request with a number in its place. */
const whole: [keyof typeof NATIVE, (value: number) => () => NativeJob<unknown> | undefined][] = [
  ['batchSize', (batchSize) => train({ batchSize })],
  ['batchSize', (batchSize) => evaluate({ batchSize })],
  ['pad', (pad) => train({ augmentation: { pad, flip: false } })],
  ['attackSteps', (steps) => evaluate({ attack: { ...attack, steps } })],
  ['attackSteps', (steps) => train({ objective: { kind: 'adversarial', attack: { ...attack, steps } } })],
  ['restarts', (restarts) => evaluate({ attack: { ...attack, restarts } })],
  ['boundedImages', (images) => train({ objective: { ...verified, images } })],
  ['iterations', (iterations) => bounds(iterations)],
  ['learningRate', (rate) => train({ learningRates: Float64Array.of(rate) })],
  ['lossWeight', (beta) => train({ objective: { kind: 'trades', attack, beta } })],
  ['lossWeight', (weight) => train({ cleanWeights: Float64Array.of(weight) })],
  ['weightDecay', (weightDecay) => train({ optimiser: { ...sgd, weightDecay } })],
  ['size', (channels) => node({ channels })],
  ['size', (padding) => node({ padding })],
  ['deviation', (normal) => node({ init: { normal } })],
  ['imageSide', (side) => dataset([1, 1, side])],
  ['classes', (classes) => dataset([1, 1, 1], classes)],
  [
    'threads',
    (count) => () => {
      addon().setThreads(count)
      return undefined
    },
  ],
]

describe('the table of limits', () => {
  it('is that of the addon', () => {
    expect(addon().limits).toEqual(NATIVE)
  })

  it.each(whole)('knows what the addon takes: %s', async (name, request) => {
    const limit = NATIVE[name] as number
    expect(await takes(request(limit)), `${limit}`).toBe(true)
    expect(await takes(request(limit + 1)), `${limit + 1}`).toBe(false)
  })

  it.each([
    ['beta', (beta2: number) => train({ optimiser: { ...adam, beta2 } }), [0, NATIVE.beta], [0.99999995, 1]],
    [
      'adamEpsilon',
      (epsilon: number) => train({ optimiser: { ...adam, epsilon } }),
      NATIVE.adamEpsilon,
      [0, 2],
    ],
    [
      'batchNormEpsilon',
      (epsilon: number) => node({ op: 'batchNorm2d', epsilon }),
      NATIVE.batchNormEpsilon,
      [1e-13, 2],
    ],
    [
      'normalisation',
      (mean: number) => node({ op: 'normalize', mean: [mean] }),
      [-NATIVE.normalisation, NATIVE.normalisation],
      [-2e30, 2e30],
    ],
  ] as const)('knows between what the addon takes: %s', async (_name, request, inside, outside) => {
    for (const value of inside) expect(await takes(request(value)), `${value}`).toBe(true)
    for (const value of outside) expect(await takes(request(value)), `${value}`).toBe(false)
  })

  it('knows what inference engines take', async () => {
    const compile = (changes: object) => () =>
      addon().compile(network.handle, {
        ...{ batch: 1, type: 'fp32', threads: 1, dense: true, sparse: false, instructions: 'best' },
        ...{ tuning: null, ...changes },
      } as Parameters<ReturnType<typeof addon>['compile']>[1])
    expect(await takes(compile({ batch: NATIVE.engineBatch + 1 }))).toBe(false)
    expect(await takes(compile({ threads: NATIVE.threads + 1 }))).toBe(false)
    const engine = await settle(compile({}))
    const images = data.pixels(0, 1)
    const time = (runs: number) => () => engine.time(images, { warmup: 0, runs, flush: false })
    expect(await takes(time(NATIVE.runs))).toBe(true)
    expect(await takes(time(NATIVE.runs + 1))).toBe(false)
    engine.dispose()
  })

  it('knows how large a network may be: it is refused before memory is asked for', () => {
    const features = 2 ** 17
    const layer = { op: 'linear', bias: false, init: 'torch' } as const
    const nodes: NetworkSpec['nodes'] = [
      { name: 'flat', op: 'flatten', inputs: ['image'] },
      { ...layer, name: 'first', inputs: ['flat'], features },
      { ...layer, name: 'second', inputs: ['first'], features: NATIVE.elements / features },
    ]
    const spec: NetworkSpec = { name: 'large', input: [1, 1, 1], nodes }
    expect(() => addon().createNetwork(spec, { device: 'cpu', type: 'float32' })).toThrow(
      'too many parameters',
    )
  })

  it('allows no more than the addon does', () => {
    expect(LIMITS).toMatchObject(NATIVE)
    // Epochs are counted in 32 bits, steps of the optimiser in 53.
    expect(LIMITS.epochs).toBeLessThan(2 ** 32)
    expect(LIMITS.epochs * LIMITS.images).toBeLessThanOrEqual(2 ** 53)
  })
})
