/** A small network and a small data set on the native side. */
import { addon } from '../../bindings/load.js'
import type {
  NativeAttack,
  NativeDataset,
  NativeNetwork,
  NativeObjective,
  ParameterType,
  TrainRequest,
} from '../../bindings/native.js'
import { hash32 } from '../../lib/base/hash.js'
import { everyOperation } from '../parity/everyOperation.js'

export const attack = {
  kind: 'pgd',
  epsilon: 0.05,
  stepSize: 0.02,
  steps: 4,
  restarts: 1,
  start: 'uniform',
} satisfies NativeAttack

export async function network(seed = 1, type: ParameterType = 'float32'): Promise<NativeNetwork> {
  const net = await addon().createNetwork(everyOperation, { device: 'cpu', type }).promise
  await net.initialise(seed).promise
  return net
}

export const images = (n: number): Uint8Array =>
  Uint8Array.from({ length: n * 3 * 144 }, (_, i) => hash32(11, i))

export const dataset = (n = 64, pixels = images(n)): Promise<NativeDataset> =>
  addon().createDataset(
    pixels,
    Uint8Array.from({ length: n }, (_, i) => i % 10),
    {
      shape: [3, 12, 12],
      classes: 10,
      device: 'cpu',
    },
  ).promise

/** `steps` steps of SGD with momentum and decay on the first samples. */
export const request = (
  objective: NativeObjective,
  steps: number,
  changes: Partial<TrainRequest> = {},
): TrainRequest => ({
  order: Uint32Array.from({ length: steps * 16 }, (_, i) => i % 64),
  batchSize: 16,
  objective,
  optimiser: { kind: 'sgd', momentum: 0.9, nesterov: false, weightDecay: 1e-3 },
  learningRates: new Float64Array(steps).fill(0.05),
  epsilonFactors: new Float64Array(steps).fill(1),
  cleanWeights: new Float64Array(steps).fill(1),
  robustWeights: new Float64Array(steps),
  stepsTaken: 0,
  augmentation: { pad: 2, flip: true },
  precision: 'fp32',
  seed: 7,
  epoch: 0,
  learn: { kind: 'weights' },
  ...changes,
})
