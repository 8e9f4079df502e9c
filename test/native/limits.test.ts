import { beforeAll, expect, it } from 'vitest'
import { addon } from '../../bindings/load.js'
import type {
  NativeDataset,
  NativeJob,
  NativeLimits,
  NativeNetwork,
  NativeOptimiser,
  NativeSparseEngine,
  TrainRequest,
} from '../../bindings/native.js'
import type { NetworkSpec, NodeSpec } from '../../bindings/spec.js'
import { attack, dataset, network, request } from './helpers.js'

const native = addon()
const { limits } = native
let net: NativeNetwork
let data: NativeDataset
let compiled: NativeSparseEngine
const pixels = new Float32Array(3 * 144)
const adam: NativeOptimiser = { kind: 'adam', beta1: 0.9, beta2: 0.99, epsilon: 1e-8, weightDecay: 0 }

const training = (changes: Partial<TrainRequest>) =>
  native.train(net, data, request({ kind: 'natural' }, 1, changes), null)
const attacked = (changes: Partial<typeof attack>) =>
  training({ objective: { kind: 'adversarial', attack: { ...attack, ...changes } } })
const creating = (node: Record<string, unknown>) =>
  native.createNetwork(
    {
      name: 'limits',
      input: [1, 2, 2],
      nodes: [
        { name: 'normalize', op: 'normalize', inputs: ['image'], mean: [0], std: [1] },
        { name: 'conv', op: 'conv2d', inputs: ['normalize'], ...convolution },
        { name: 'norm', op: 'batchNorm2d', inputs: ['conv'], epsilon: 1e-5, momentum: 0.1 },
        { name: 'flat', op: 'flatten', inputs: ['norm'] },
        { name: 'out', op: 'linear', inputs: ['flat'], features: 2, bias: true, init: 'torch' },
      ].map((other) => (other.op === node.op ? { ...other, ...node } : other)),
    } as NetworkSpec,
    { device: 'cpu', type: 'float32' },
  )
const convolution = { channels: 1, kernel: 1, stride: 1, padding: 0, bias: false, init: 'torch' }
const imageData = (shape: [number, number, number], classes: number) =>
  native.createDataset(new Uint8Array(shape[0] * shape[1] * shape[2]), new Uint8Array(1), {
    shape,
    classes,
    device: 'cpu',
  })
const engine = (batch: number) =>
  native.compile(net, {
    ...{ batch, type: 'fp32', threads: 1, dense: true, sparse: false },
    ...{ instructions: 'best', tuning: null },
  })
const bounds = { method: 'alphaCrown', intersect: false, epsilon: 0, clip: true, memory: 2 ** 20 } as const

beforeAll(async () => {
  net = await network()
  data = await dataset()
  compiled = await engine(1).promise
})

/** What has each limit, with a number of the test's choice in its place. */
const requests: Record<
  Exclude<keyof NativeLimits, 'elements'>,
  (value: number) => NativeJob<unknown> | undefined
> = {
  batchSize: (batchSize) => training({ batchSize }),
  threads: (threads) => {
    const before = native.getThreads()
    native.setThreads(threads)
    native.setThreads(before)
    return undefined
  },
  pad: (pad) => training({ augmentation: { pad, flip: false } }),
  attackSteps: (steps) => attacked({ steps }),
  restarts: (restarts) => attacked({ restarts }),
  boundedImages: (count) =>
    training({
      objective: { kind: 'verified', epsilon: 0, bound: 'interval', images: count, gradient: 'full' },
    }),
  iterations: (iterations) =>
    native.margins(
      net,
      { images: pixels, labels: Int32Array.of(0) },
      { ...bounds, iterations, sound: false },
    ),
  learningRate: (rate) => training({ learningRates: Float64Array.of(rate) }),
  lossWeight: (weight) => training({ cleanWeights: Float64Array.of(weight) }),
  weightDecay: (weightDecay) => training({ optimiser: { ...adam, weightDecay } }),
  beta: (beta1) => training({ optimiser: { ...adam, beta1 } }),
  adamEpsilon: (epsilon) => training({ optimiser: { ...adam, epsilon } }),
  size: (stride) => creating({ op: 'conv2d', stride }),
  normalisation: (mean) => creating({ op: 'normalize', mean: [mean] }),
  batchNormEpsilon: (epsilon) => creating({ op: 'batchNorm2d', epsilon }),
  deviation: (normal) => creating({ op: 'linear', init: { normal } }),
  imageSide: (side) => imageData([side, 1, 1], 2),
  classes: (classes) => imageData([1, 1, 1], classes),
  engineBatch: engine,
  runs: (runs) => compiled.time(pixels, { warmup: 0, runs, flush: false }),
}

/** Arguments are read before a job starts; what becomes of it after that is not asked here. */
const accepts = async (job: NativeJob<unknown> | undefined) => {
  job?.cancel()
  await job?.promise.catch(() => undefined)
}
const refuses = (start: () => unknown) =>
  expect(start).toThrow(expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' }))

for (const [name, start] of Object.entries(requests))
  it(`the limit of ${name} that the addon states is the one that it enforces`, async () => {
    const limit = limits[name as keyof typeof requests]
    const [least, greatest] = Array.isArray(limit) ? limit : [undefined, limit]
    await accepts(start(greatest))
    refuses(() => start(Number.isSafeInteger(greatest) ? greatest + 1 : greatest * (1 + 1e-9)))
    if (least === undefined) return
    await accepts(start(least))
    refuses(() => start(least * (1 - 1e-9)))
  })

it('a network of more elements than the limit is refused before memory is asked for', () => {
  refuses(() => creating({ op: 'linear', features: limits.elements / 4 }))
  const features = 2 ** 17
  const layer = { op: 'linear', bias: false, init: 'torch' } as const
  const nodes: NodeSpec[] = [
    { name: 'flat', op: 'flatten', inputs: ['image'] },
    { ...layer, name: 'first', inputs: ['flat'], features },
    { ...layer, name: 'second', inputs: ['first'], features: limits.elements / features },
  ]
  refuses(() =>
    native.createNetwork({ name: 'large', input: [1, 1, 1], nodes }, { device: 'cpu', type: 'float32' }),
  )
})
