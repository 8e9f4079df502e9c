// One training step of MixTrain, k = 10, on cifarLarge at quarter width, batch 128: node bench/verify/mixtrain.mjs
//   [--steps 12] [--threads 2] [--scale 0.25] [--k 10] [--ramp 1]
// From random weights. With the ramp ε grows over all steps, as training starts; with --ramp 0 it is full at once, which
// leaves many more neurons unstable than a network in training ever has. Every step bounds its k images (convex mix).
import { cpus } from 'node:os'
import { parseArgs } from 'node:util'
import { addon } from '../../dist/bindings/load.js'
import { builtin, cifarLarge, mixTrain, train } from '../../dist/lib/index.js'
import { median } from './report.mjs'

const { values: options } = parseArgs({
  options: {
    steps: { type: 'string', default: '12' },
    threads: { type: 'string', default: String(cpus().length) },
    scale: { type: 'string', default: '0.25' },
    k: { type: 'string', default: '10' },
    ramp: { type: 'string', default: '1' },
  },
})

const BATCH = 128
/** Steps that are timed together: an epoch of so few images. */
const TOGETHER = 4
addon().setThreads(Number(options.threads))
const data = await builtin({ train: TOGETHER * BATCH, test: 10, validation: 0 })
const net = await cifarLarge({ scale: Number(options.scale), seed: 0 })
const epochs = Math.ceil(Number(options.steps) / TOGETHER)
const milliseconds = []
let started = performance.now()
await train(net, data.train, {
  ...{
    objective: mixTrain({ k: Number(options.k), mix: 'convex' }),
    epochs,
    batchSize: BATCH,
    augment: 'none',
    schedule: 'steps',
  },
  ...{ naturalEpochs: 0, rampEpochs: Number(options.ramp) * epochs, rampPower: 1 },
  learningRate: 0.001,
  onEpoch: () => {
    milliseconds.push((performance.now() - started) / TOGETHER)
    started = performance.now()
  },
})
const ms = (value) => value.toFixed(0)
console.log(
  `MixTrain step, cifarLarge × ${options.scale}, k ${options.k}, batch ${BATCH}, ${cpus()[0].model}, ${options.threads} threads, ` +
    `${epochs * TOGETHER} steps, ε ${options.ramp === '0' ? 'full from the start' : 'growing'}: ` +
    `median ${ms(median(milliseconds))} ms, at most ${ms(Math.max(...milliseconds))} ms`,
)
