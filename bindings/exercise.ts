/**
 * Everything that training, evaluation and verification use of a device, once, on a small network: what it computes must
 * be what the CPU computes in fp32. On the CPU itself this tells that the arithmetic is as precise as it should be.
 */
import type {
  CompileRequest,
  Device,
  Floats,
  NativeAddon,
  NativeDataset,
  NativeNetwork,
  TrainRequest,
} from './native.js'
import type { NetworkSpec } from './spec.js'

/** One thing that was tried. */
export interface Exercise {
  name: string
  /** |found − expected| / |expected|, where it could be told. */
  difference?: number
  /** What went wrong. */
  problem?: string
}

const base = { stride: 1, padding: 1, kernel: 3, bias: true, init: 'kaimingFanOut' } as const

/** Convolutions with and without what they can be fused with, each of Coppice's own kernels, an odd number of channels. */
const spec: NetworkSpec = {
  name: 'exercise',
  input: [3, 16, 16],
  nodes: [
    { name: 'norm', op: 'normalize', inputs: ['image'], mean: [0.5, 0.4, 0.3], std: [0.2, 0.25, 0.3] },
    { ...base, name: 'conv1', op: 'conv2d', inputs: ['norm'], channels: 32, bias: false },
    { name: 'bn1', op: 'batchNorm2d', inputs: ['conv1'], epsilon: 1e-5, momentum: 0.1 },
    { name: 'relu1', op: 'relu', inputs: ['bn1'] },
    { ...base, name: 'conv2', op: 'conv2d', inputs: ['relu1'], channels: 32 },
    { name: 'add', op: 'add', inputs: ['conv2', 'relu1'] },
    { name: 'relu2', op: 'relu', inputs: ['add'] },
    { name: 'pool', op: 'maxPool2d', inputs: ['relu2'], kernel: 2, stride: 2 },
    { ...base, name: 'conv3', op: 'conv2d', inputs: ['pool'], channels: 33, stride: 2 },
    { name: 'relu3', op: 'relu', inputs: ['conv3'] },
    { name: 'mean', op: 'averagePool2d', inputs: ['relu3'], kernel: 2, stride: 2 },
    { name: 'flat', op: 'flatten', inputs: ['mean'] },
    { name: 'out', op: 'linear', inputs: ['flat'], features: 10, bias: true, init: 'torch' },
  ],
}

const COUNT = 64
const PIXELS = 3 * 16 * 16
const EPSILON = 8 / 255

/** Bytes that are neither alike nor in order. */
const bytes = Uint8Array.from(
  { length: COUNT * PIXELS },
  (_, i) => (Math.imul(i + 1, 2654435761) >>> 16) & 255,
)
const labels = Uint8Array.from({ length: COUNT }, (_, i) => i % 10)
const pixels = (count: number) => Float32Array.from(bytes.subarray(0, count * PIXELS), (byte) => byte / 255)
const batch = (count: number) => ({
  images: pixels(count),
  labels: Int32Array.from(labels.subarray(0, count)),
})

/** A network with the data, on one device. */
interface Side {
  device: Device
  network: NativeNetwork
  data: NativeDataset
}

type Try = (addon: NativeAddon, side: Side) => Promise<Floats>

const STEPS = 8
const attack = {
  kind: 'pgd',
  epsilon: EPSILON,
  stepSize: EPSILON / 4,
  steps: 3,
  restarts: 1,
  start: 'uniform',
}

const training = (
  more: Pick<TrainRequest, 'objective' | 'precision' | 'learn'>,
  steps = STEPS,
): TrainRequest => ({
  order: Uint32Array.from({ length: steps * 16 }, (_, i) => (i * 7) % COUNT),
  batchSize: 16,
  optimiser: { kind: 'sgd', momentum: 0.9, nesterov: false, weightDecay: 5e-4 },
  learningRates: new Float64Array(steps).fill(0.01),
  epsilonFactors: new Float64Array(steps).fill(1),
  cleanWeights: new Float64Array(steps).fill(1),
  robustWeights: new Float64Array(steps).fill(0.5),
  stepsTaken: 0,
  augmentation: { pad: 2, flip: true },
  seed: 1,
  epoch: 1,
  ...more,
})

/** Steps from the same start, on a network of their own. */
const trained =
  (request: TrainRequest, result: 'parameters' | 'scores' | 'losses'): Try =>
  async (addon, { device, network, data }) => {
    const copy = await copyOf(addon, network, device)
    try {
      const found = await addon.train(copy, data, request, null).promise
      const recordable = request.objective.kind !== 'verified'
      if (device !== 'cpu' && recordable && found.replayed === 0)
        throw new Error('its steps could not be recorded as a CUDA graph; they run, but slowly')
      if (result === 'losses') return found.losses
      if (result === 'scores') return found.scores ?? new Float32Array()
      return await copy.read('parameters').promise
    } finally {
      copy.dispose()
    }
  }

const copyOf = async (addon: NativeAddon, of: NativeNetwork, device: Device): Promise<NativeNetwork> => {
  const copy = await addon.createNetwork(spec, { device, type: 'float32' }).promise
  const { parameters, buffers } = await of.snapshot().promise
  await copy.write('parameters', parameters).promise
  await copy.write('buffers', buffers).promise
  return copy
}

const inPrecision =
  (precision: 'fp32' | 'bf16', autograd: boolean): Try =>
  async (addon, { network }) =>
    (await addon.imageGradients(network, batch(32), { folded: true, precision, autograd }).promise).gradients

const gradientsIn =
  (precision: 'fp32' | 'bf16'): Try =>
  async (addon, { network }) => {
    await addon.backward(network, batch(32), { precision }).promise
    return network.read('gradients').promise
  }

const logitsIn =
  (precision: 'fp32' | 'bf16'): Try =>
  (addon, { network }) =>
    addon.forward(network, pixels(32), { precision, training: false }).promise

const marginsBy =
  (method: 'interval' | 'symbolic'): Try =>
  async (addon, { network }) => {
    const options = {
      method,
      epsilon: 1 / 255,
      clip: true,
      intersect: false,
      iterations: 0,
      sound: true,
    } as const
    return (await addon.margins(network, batch(4), options).promise).margins
  }

const engine =
  (type: 'fp32' | 'bf16', kernel?: string): Try =>
  async (addon, { network }) => {
    const request: CompileRequest = {
      ...{ batch: 16, type, threads: addon.getThreads(), dense: kernel === undefined, sparse: true },
      instructions: 'best',
      tuning: null,
      ...(kernel !== undefined && { kernel }),
    }
    const compiled = await addon.compile(network, request).promise
    try {
      return await compiled.run(pixels(32)).promise
    } finally {
      compiled.dispose()
    }
  }

/** What is tried, the largest relative difference, and what the CPU does instead where that is another thing. */
const tries: { name: string; run: Try; within: number; expected?: Try; cuda?: true }[] = [
  { name: 'convolutions, fp32', run: logitsIn('fp32'), within: 1e-4 },
  { name: 'convolutions, bf16', run: logitsIn('bf16'), within: 0.05, expected: logitsIn('fp32') },
  { name: 'gradients of weights, fp32', run: gradientsIn('fp32'), within: 1e-3 },
  {
    name: 'gradients of weights, bf16',
    run: gradientsIn('bf16'),
    within: 0.15,
    expected: gradientsIn('fp32'),
  },
  { name: 'gradients of pixels, fp32', run: inPrecision('fp32', false), within: 1e-3 },
  {
    name: 'gradients of pixels, bf16',
    run: inPrecision('bf16', false),
    within: 0.25,
    expected: inPrecision('fp32', true),
  },
  {
    name: 'adversarial steps, fp32',
    run: trained(
      training({ objective: { kind: 'adversarial', attack }, precision: 'fp32', learn: { kind: 'weights' } }),
      'parameters',
    ),
    within: 0.02,
  },
  {
    name: 'adversarial steps, bf16',
    run: trained(
      training({ objective: { kind: 'adversarial', attack }, precision: 'bf16', learn: { kind: 'weights' } }),
      'losses',
    ),
    within: 0.1,
    expected: trained(
      training({ objective: { kind: 'adversarial', attack }, precision: 'fp32', learn: { kind: 'weights' } }),
      'losses',
    ),
  },
  {
    name: 'learned scores',
    run: trained(
      training({
        objective: { kind: 'natural' },
        precision: 'fp32',
        learn: { kind: 'scores', keep: 0.5, scores: null },
      }),
      'scores',
    ),
    within: 0.02,
  },
  {
    name: 'steps on bounds',
    run: trained(
      training(
        {
          objective: { kind: 'verified', epsilon: 1 / 255, bound: 'symbolic', images: 1, gradient: 'full' },
          precision: 'fp32',
          learn: { kind: 'weights' },
        },
        2,
      ),
      'parameters',
    ),
    within: 0.02,
  },
  { name: 'interval bounds', run: marginsBy('interval'), within: 1e-3 },
  { name: 'symbolic bounds', run: marginsBy('symbolic'), within: 1e-3 },
  { name: 'inference engine, fp32', run: engine('fp32'), within: 1e-3, expected: logitsIn('fp32') },
  { name: 'inference engine, bf16', run: engine('bf16'), within: 0.1, expected: logitsIn('fp32') },
  ...(['reference', 'simple o32', 'jobs p4'] as const).map((kernel) => ({
    ...{ name: `sparse kernel ${kernel}`, run: engine('fp32', kernel), within: 1e-3 },
    ...{ expected: logitsIn('fp32'), cuda: true as const },
  })),
  {
    ...{ name: 'sparse kernel mma o32 p4 i64', run: engine('bf16', 'mma o32 p4 i64'), within: 0.1 },
    ...{ expected: logitsIn('fp32'), cuda: true as const },
  },
]

/** Tries everything on a device, one after another; what fails does not keep the rest from being tried. */
export async function exercise(addon: NativeAddon, device: Device): Promise<Exercise[]> {
  const cpu = await sideOn(addon, 'cpu')
  try {
    const side = device === 'cpu' ? cpu : await sideOn(addon, device, cpu.network)
    try {
      const found: Exercise[] = []
      for (const one of tries)
        if (!one.cuda || device !== 'cpu') found.push(await tryOne(addon, one, side, cpu))
      return found
    } finally {
      if (side !== cpu) dispose(side)
    }
  } finally {
    dispose(cpu)
  }
}

const tryOne = async (
  addon: NativeAddon,
  { name, run, within, expected = run }: (typeof tries)[number],
  side: Side,
  cpu: Side,
): Promise<Exercise> => {
  try {
    const found = await run(addon, side)
    // On the CPU there may be nothing else to compare with.
    const known = side === cpu && expected === run
    const difference = relative(found, known ? found : await expected(addon, cpu))
    if (difference <= within) return { name, difference }
    return {
      name,
      difference,
      problem: `it differs from the CPU by ${difference.toExponential(1)} of its size`,
    }
  } catch (error) {
    return { name, problem: error instanceof Error ? error.message : String(error) }
  }
}

const sideOn = async (addon: NativeAddon, device: Device, like?: NativeNetwork): Promise<Side> => {
  const data = await addon.createDataset(bytes, labels, { shape: [3, 16, 16], classes: 10, device }).promise
  if (like !== undefined) return { device, data, network: await copyOf(addon, like, device) }
  const network = await addon.createNetwork(spec, { device, type: 'float32' }).promise
  await network.initialise(1).promise
  return { device, data, network }
}

const dispose = ({ network, data }: Side): void => {
  network.dispose()
  data.dispose()
}

/** |found − expected| / |expected|; infinite where anything is not finite. */
const relative = (found: Floats, expected: Floats): number => {
  let error = 0
  let size = 0
  if (found.length !== expected.length || found.length === 0) return Number.POSITIVE_INFINITY
  for (const [i, want] of expected.entries()) {
    error += (Number(found[i]) - want) ** 2
    size += want ** 2
  }
  const ratio = Math.sqrt(error / size)
  return Number.isNaN(ratio) ? Number.POSITIVE_INFINITY : ratio
}
