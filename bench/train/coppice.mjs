// One trial of Coppice's side: an adversarial PGD-10 training step.
// usage: coppice.mjs NETWORK PRECISION STEPS BATCH THREADS DEVICE   (prints one line of JSON)
import { addon } from '../../dist/bindings/load.js'
import { networkSpec } from '../../dist/lib/networks/index.js'

const [network, precision, steps, batch, threads, device] = process.argv.slice(2)
const native = addon()
native.setThreads(Number(threads))
const n = Number(batch)
const net = await native.createNetwork(networkSpec(network), { device, type: 'float32' }).promise
await net.initialise(0).promise
const images = Uint8Array.from({ length: n * 3072 }, (_, i) => (i * 2654435761) >>> 24)
const labels = Uint8Array.from({ length: n }, (_, i) => i % 10)
const data = await native.createDataset(images, labels, { shape: [3, 32, 32], classes: 10, device }).promise
const order = Uint32Array.from({ length: n }, (_, i) => i)
const attack = { epsilon: 8 / 255, stepSize: 2 / 255, steps: 10, restarts: 1, start: 'uniform' }

async function step(epoch) {
  const request = {
    order,
    batchSize: n,
    objective: { kind: 'adversarial', attack },
    optimiser: { kind: 'sgd', momentum: 0.9, nesterov: false, weightDecay: 1e-4 },
    learningRates: Float64Array.of(0.01),
    epsilonFactors: Float64Array.of(1),
    cleanWeights: Float64Array.of(1),
    robustWeights: Float64Array.of(0),
    stepsTaken: epoch,
    augmentation: { pad: 4, flip: true },
    precision,
    seed: 0,
    epoch,
    learn: { kind: 'weights' },
  }
  return (await native.train(net, data, request, null).promise).seconds * 1000
}

await step(0)
const milliseconds = []
for (let i = 1; i <= Number(steps); ++i) milliseconds.push(await step(i))
const peakBytes = device === 'cpu' ? process.resourceUsage().maxRSS * 1024 : native.memory(device).peak
console.log(JSON.stringify({ milliseconds, peakBytes, torch: native.info().builtAgainst }))
