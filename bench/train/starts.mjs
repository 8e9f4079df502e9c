// Does a training start? Trains cifarLarge and prints the accuracy on training images that were left out, and how many
// of the first 100 of them are proved robust against 2/255: node bench/train/starts.mjs [--data CIFAR-10]
//   [--network cifarLarge] [--scale 0.25] [--images 6000] [--epochs 2] [--batch 128] [--objective adversarial]
//   [--bound crownIbp] [--mix convex] [--steps 5] [--seeds 0,1,2] [--threads 1]
//   [--natural N] [--ramp N] [--power N] [--rate N]
// Without --data on the built-in images. All that is not given is the library's default. The test images are not touched.
import { parseArgs } from 'node:util'
import { addon } from '../../dist/bindings/load.js'
import { builtin, cifar10, evaluate, Network, networkSpec, train, verify } from '../../dist/lib/index.js'

const number = (text) => (text === undefined ? undefined : Number(text))
const { values: options } = parseArgs({
  options: {
    data: { type: 'string' },
    network: { type: 'string', default: 'cifarLarge' },
    scale: { type: 'string', default: '0.25' },
    images: { type: 'string', default: '6000' },
    epochs: { type: 'string', default: '2' },
    batch: { type: 'string', default: '128' },
    objective: { type: 'string', default: 'adversarial' },
    bound: { type: 'string', default: 'crownIbp' },
    mix: { type: 'string', default: 'convex' },
    steps: { type: 'string', default: '5' },
    seeds: { type: 'string', default: '0,1,2' },
    threads: { type: 'string', default: '1' },
    natural: { type: 'string' },
    ramp: { type: 'string' },
    power: { type: 'string' },
    rate: { type: 'string' },
  },
})
const { objective: kind, bound, mix } = options
const own =
  kind === 'mixTrain' ? { bound, mix } : kind === 'adversarial' ? { steps: Number(options.steps) } : {}
const method = kind === 'ibp' ? 'interval' : kind === 'mixTrain' ? bound : 'crownIbp'
const LEFT_OUT = 1000
const images = Number(options.images)

addon().setThreads(Number(options.threads))
const data =
  options.data === undefined
    ? await builtin({ train: images + LEFT_OUT, test: 1, validation: LEFT_OUT })
    : await cifar10(options.data, { validation: LEFT_OUT })
const chosen = data.train.take(Math.min(images, data.train.length))

for (const seed of options.seeds.split(',').map(Number)) {
  const net = await Network.create(networkSpec(options.network, { scale: Number(options.scale) }), { seed })
  const started = performance.now()
  const epochs = []
  await train(net, chosen, {
    objective: { kind, ...own },
    epochs: Number(options.epochs),
    batchSize: Number(options.batch),
    seed,
    naturalEpochs: number(options.natural),
    rampEpochs: number(options.ramp),
    rampPower: number(options.power),
    learningRate: number(options.rate),
    onEpoch: ({ accuracy }) => epochs.push(accuracy.toFixed(0)),
  })
  const minutes = ((performance.now() - started) / 6e4).toFixed(1)
  const { accuracy } = await evaluate(net, data.validation)
  const { vra } = await verify(net, data.validation, { epsilon: 2 / 255, verifier: method, images: 100 })
  console.log(
    `${options.network} × ${options.scale}, ${kind}${kind === 'mixTrain' ? ` ${bound} ${mix}` : ''}, ` +
      `${chosen.length} images, ${options.epochs} epochs, seed ${seed}: by epoch ${epochs.join(' ')}, ` +
      `benign ${accuracy.value.toFixed(1)} % (n = ${accuracy.n}), VRA by ${method} ${vra.value.toFixed(0)} % (n = 100), ${minutes} min`,
  )
}
