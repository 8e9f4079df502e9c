/** Gradients of losses on bounds, against finite differences and between the two types of arithmetic. */
import { beforeAll, expect, it } from 'vitest'
import { addon } from '../../../bindings/load.js'
import type { NativeDataset, NativeNetwork, NativeVerified, TrainRequest } from '../../../bindings/native.js'
import type { NetworkSpecInput, NodeInput } from '../../../lib/networks/parse.js'
import { onNativeSide } from './plain.js'
import { random, withRandomNumbers } from './randomNetworks.js'

const native = addon()
// Small networks are faster without threads that wait for each other.
beforeAll(() => native.setThreads(1))

const batchSize = 4

/** Statistics as good as fixed: gradients take them for constants. */
const norm = (name: string): NodeInput => ({ op: 'batchNorm2d', name, momentum: 1e-12 })
const written = (name: string, nodes: NodeInput[]): NetworkSpecInput => ({ name, input: [2, 6, 6], nodes })
const head: NodeInput[] = [
  { op: 'flatten', name: 'flatten' },
  { op: 'linear', name: 'fc1', features: 6 },
  { op: 'relu', name: 'reluFc' },
  { op: 'linear', name: 'fc2', features: 3 },
]
const networks = {
  convolutions: written('convolutions', [
    { op: 'normalize', name: 'normalize', mean: [0.5, 0.25], std: [0.25, 0.5] },
    { op: 'conv2d', name: 'conv1', channels: 3, kernel: 3, padding: 1 },
    { op: 'relu', name: 'relu1' },
    { op: 'conv2d', name: 'conv2', channels: 3, kernel: 4, stride: 2, padding: 1 },
    { op: 'relu', name: 'relu2' },
    { op: 'conv2d', name: 'conv3', channels: 4, kernel: 2 },
    { op: 'relu', name: 'relu3' },
    ...head,
  ]),
  residual: written('residual', [
    { op: 'conv2d', name: 'conv1', channels: 3, kernel: 3, stride: 2, padding: 1, bias: false },
    norm('norm1'),
    { op: 'relu', name: 'relu1' },
    { op: 'conv2d', name: 'conv2', channels: 3, kernel: 3, padding: 1 },
    norm('norm2'),
    { op: 'relu', name: 'relu2' },
    { op: 'conv2d', name: 'conv3', channels: 3, kernel: 1 },
    { op: 'add', name: 'sum', inputs: ['conv3', 'relu1'] },
    norm('norm3'),
    { op: 'relu', name: 'relu3' },
    { op: 'averagePool2d', name: 'pool', kernel: 2, stride: 1 },
    ...head,
  ]),
  maxAfterRelu: written('maxAfterRelu', [
    { op: 'conv2d', name: 'conv1', channels: 3, kernel: 3, padding: 1 },
    { op: 'relu', name: 'relu1' },
    { op: 'conv2d', name: 'conv2', channels: 3, kernel: 3, padding: 1 },
    { op: 'relu', name: 'relu2' },
    { op: 'maxPool2d', name: 'pool', kernel: 2 },
    ...head,
  ]),
  maxBeforeRelu: written('maxBeforeRelu', [
    { op: 'conv2d', name: 'conv1', channels: 3, kernel: 3, padding: 1 },
    { op: 'relu', name: 'relu1' },
    { op: 'conv2d', name: 'conv2', channels: 3, kernel: 3, padding: 1 },
    { op: 'maxPool2d', name: 'pool', kernel: 2 },
    { op: 'relu', name: 'relu2' },
    ...head,
  ]),
}
type Name = keyof typeof networks

const data = (): Promise<NativeDataset> => {
  const chance = random(3)
  const images = Uint8Array.from({ length: batchSize * 72 }, () => chance.whole(0, 255))
  const options = { shape: [2, 6, 6] as [number, number, number], classes: 3, device: 'cpu' as const }
  return native.createDataset(images, Uint8Array.of(0, 1, 2, 0), options).promise
}

/** One step that moves no weight. */
const request = (objective: NativeVerified, net: NativeNetwork, cleanWeight: number): TrainRequest => ({
  order: Uint32Array.from({ length: batchSize }, (_, i) => i),
  batchSize,
  objective,
  optimiser: { kind: 'sgd', momentum: 0, nesterov: false, weightDecay: 0 },
  learningRates: Float64Array.of(0),
  epsilonFactors: Float64Array.of(1),
  cleanWeights: Float64Array.of(cleanWeight),
  robustWeights: Float64Array.of(0.7),
  stepsTaken: 0,
  augmentation: null,
  precision: net.type === 'float64' ? 'fp64' : 'fp32',
  seed: 1,
  epoch: 0,
  learn: { kind: 'weights' },
})

const objective = (
  bound: NativeVerified['bound'],
  gradient: NativeVerified['gradient'] = 'full',
  epsilon = 0.02,
): NativeVerified => ({ kind: 'verified', epsilon, bound, images: 0, gradient })

interface Step {
  loss: number
  gradients: Float64Array
}

const stepOf = async (name: Name, type: 'float32' | 'float64') => {
  const net = await onNativeSide(withRandomNumbers(networks[name], random(17)), type)
  const dataset = await data()
  const statistics = await net.read('buffers').promise
  const step = async (of: NativeVerified, cleanWeight = 0.3): Promise<Step> => {
    // The last step moved them, if by little.
    if (statistics.length > 0) await net.write('buffers', statistics).promise
    const { losses } = await native.train(net, dataset, request(of, net, cleanWeight), null).promise
    return {
      loss: Number(losses[0]),
      gradients: Float64Array.from(await net.read('gradients').promise),
    }
  }
  return { net, step }
}

const bounds = ['interval', 'crownIbp', 'symbolic', 'crown'] as const
const names = Object.keys(networks) as Name[]
const cases = names.flatMap((name) => bounds.map((bound) => [name, bound] as const))

it.each(cases)(
  '%s, %s: the gradient is that of finite differences, tensor by tensor',
  async (name, bound) => {
    const { net, step } = await stepOf(name, 'float64')
    const of = objective(bound)
    const parameters = Float64Array.from(await net.read('parameters').promise)
    const { gradients } = await step(of)
    const lossAt = async (weights: Float64Array) => {
      await net.write('parameters', weights).promise
      return (await step(of)).loss
    }
    const chance = random(23)
    const norm = Math.hypot(...gradients)
    const seen: string[] = []
    for (const { name: tensor, arena, offset, size } of net.layout) {
      if (arena !== 'parameters') continue
      const direction = parameters.map((_, i) => (i >= offset && i < offset + size ? chance.normal() : 0))
      const along = direction.reduce((sum, d, i) => sum + d * Number(gradients[i]), 0)
      const width = 1e-7
      const moved = (by: number) => lossAt(parameters.map((w, i) => w + by * Number(direction[i])))
      const difference = ((await moved(width)) - (await moved(-width))) / (2 * width)
      if (!(Math.abs(along - difference) <= 1e-5 * norm))
        seen.push(`${tensor}: gradient ${along}, difference ${difference}`)
    }
    expect(seen).toEqual([])
  },
)

it.each(cases)('%s, %s: fp32 gives the gradient of float64', async (name, bound) => {
  const [single, double] = [await stepOf(name, 'float32'), await stepOf(name, 'float64')]
  for (const gradient of ['full', 'detached'] as const)
    for (const epsilon of [0.02, 0.1]) {
      const of = objective(bound, gradient, epsilon)
      const [a, b] = [await single.step(of), await double.step(of)]
      expect(Math.abs(a.loss - b.loss)).toBeLessThanOrEqual(1e-4 * Math.abs(b.loss))
      const apart = Math.hypot(...a.gradients.map((value, i) => value - Number(b.gradients[i])))
      expect(apart / Math.hypot(...b.gradients)).toBeLessThanOrEqual(1e-3)
    }
})

it.each(['symbolic', 'crown'] as const)(
  '%s: without the gradient of the denominators the loss is the same, and the gradient unless no neuron is unstable',
  async (bound) => {
    for (const name of names) {
      const { step } = await stepOf(name, 'float64')
      const [full, detached] = [await step(objective(bound)), await step(objective(bound, 'detached'))]
      expect(detached.loss).toBe(full.loss)
      expect(detached.gradients).not.toEqual(full.gradients)
      const point = objective(bound, 'full', 0)
      const still = await step({ ...point, gradient: 'detached' })
      expect(still.gradients).toEqual((await step(point)).gradients)
    }
  },
)
