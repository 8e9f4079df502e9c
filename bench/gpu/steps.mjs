// A few adversarial steps of a small network, alone in a process: node steps.mjs DEVICE.
import { addon } from '../../dist/bindings/load.js'
import { networkSpec } from '../../dist/lib/networks/index.js'

/** Begins so many steps. */
export async function startTraining(device, steps) {
  const native = addon()
  const spec = networkSpec('vgg16', { scale: 0.25 })
  const network = await native.createNetwork(spec, { device, type: 'float32' }).promise
  await network.initialise(1).promise
  const size = 32
  const bytes = Uint8Array.from({ length: size * 3072 }, (_, i) => (i * 2654435761) >>> 24)
  const labels = Uint8Array.from({ length: size }, (_, i) => i % 10)
  const data = await native.createDataset(bytes, labels, { shape: [3, 32, 32], classes: 10, device }).promise
  const each = (value) => new Float64Array(steps).fill(value)
  const attack = { kind: 'pgd', epsilon: 8 / 255, stepSize: 2 / 255, steps: 2, restarts: 1, start: 'uniform' }
  const request = {
    order: Uint32Array.from({ length: size * steps }, (_, i) => i % size),
    batchSize: size,
    objective: { kind: 'adversarial', attack },
    optimiser: { kind: 'sgd', momentum: 0.9, nesterov: false, weightDecay: 1e-4 },
    ...{ learningRates: each(0.01), epsilonFactors: each(1), cleanWeights: each(1), robustWeights: each(0) },
    ...{ stepsTaken: 0, augmentation: { pad: 4, flip: true }, precision: 'bf16', seed: 0, epoch: 0 },
    learn: { kind: 'weights' },
  }
  return { job: native.train(network, data, request, null), network }
}

if (process.argv[1] === import.meta.filename) {
  const { job } = await startTraining(process.argv[2], 6)
  const { steps, replayed } = await job.promise
  console.log(JSON.stringify({ steps, replayed }))
}
