// One trial of Coppice's side: adversarial PGD-10 training steps.
// usage: coppice.mjs NETWORK PRECISION STEPS BATCH THREADS DEVICE [SCALE]   (prints one line of JSON)
// A job of so many steps is timed against one of as many more, so that what a job begins with counts for nothing: on
// CUDA a step is recorded in a job's first steps, and replayed from then on.
import { addon } from '../../dist/bindings/load.js'
import { networkSpec } from '../../dist/lib/networks/index.js'

const [network, precision, steps, batch, threads, device, scale = '1'] = process.argv.slice(2)
const native = addon()
native.setThreads(Number(threads))
const n = Number(batch)
const spec = networkSpec(network, { scale: Number(scale) })
const net = await native.createNetwork(spec, { device, type: 'float32' }).promise
await net.initialise(0).promise
const images = Uint8Array.from({ length: n * 3072 }, (_, i) => (i * 2654435761) >>> 24)
const labels = Uint8Array.from({ length: n }, (_, i) => i % 10)
const data = await native.createDataset(images, labels, { shape: [3, 32, 32], classes: 10, device }).promise
const attack = { kind: 'pgd', epsilon: 8 / 255, stepSize: 2 / 255, steps: 10, restarts: 1, start: 'uniform' }

let epoch = 0
async function job(count) {
  const each = (value) => new Float64Array(count).fill(value)
  const request = {
    order: Uint32Array.from({ length: n * count }, (_, i) => i % n),
    batchSize: n,
    objective: { kind: 'adversarial', attack },
    optimiser: { kind: 'sgd', momentum: 0.9, nesterov: false, weightDecay: 1e-4 },
    ...{ learningRates: each(0.01), epsilonFactors: each(1), cleanWeights: each(1), robustWeights: each(0) },
    stepsTaken: 0,
    augmentation: { pad: 4, flip: true },
    ...{ precision, seed: 0, epoch: epoch++, learn: { kind: 'weights' } },
  }
  return native.train(net, data, request, null).promise
}

const WARM_UP = device === 'cpu' ? 1 : 5
await job(WARM_UP)
const milliseconds = []
let replayed = 0
for (let i = 0; i < 3; ++i) {
  const less = await job(WARM_UP)
  const more = await job(WARM_UP + Number(steps))
  replayed = more.replayed
  milliseconds.push((1000 * (more.seconds - less.seconds)) / Number(steps))
}
const peakBytes = device === 'cpu' ? process.resourceUsage().maxRSS * 1024 : native.memory(device).peak
const { builtAgainst: torch } = native.info()
console.log(JSON.stringify({ milliseconds, peakBytes, torch, parameters: net.parameterCount, replayed }))
