/** What `.help TOPIC` says. Every example is run by the tests, one after another, in one prompt. */
import { didYouMean } from '../../base/numbers.js'

export interface Topic {
  /** A few sentences. */
  readonly about: string
  /** Lines to type; topics rely on those before them. */
  readonly examples: readonly string[]
}

export const topics: Readonly<Record<string, Topic>> = {
  data: {
    about:
      'Images live on a device as bytes. builtin() draws a set; cifar10(FOLDER) reads the official files, dataSet(NAME) ' +
      'any known set, imageSet(ARRAYS) your own. A set has the parts train, validation and test.',
    examples: ['const data = await builtin({ train: 300, test: 60 })', 'data.train', 'data.test.take(10)'],
  },
  networks: {
    about:
      'A network by name, or Network.create(spec) for any spec; loadNetwork(FILE) and net.save(FILE); a trained one is pretrained(NAME), of pretrainedNames(). At the prompt it ' +
      'prints its layers. Options: device, seed, scale (of all hidden widths), classes.',
    examples: ['const net = await allCnn({ scale: 0.1, seed: 1 })', 'net', "await net.weights('conv1')"],
  },
  objectives: {
    about:
      'What the loss of a batch is: natural, adversarial (PGD), trades; on bounds mixTrain, ibp, crownIbp. ε is in pixels ' +
      'of the [0,1] image. The network remembers the objective, and fine-tuning takes it.',
    examples: ['const robust = adversarial({ epsilon: 8 / 255, steps: 2, stepSize: 4 / 255 })'],
  },
  train: {
    about:
      'train(net, data.train, { objective, epochs }) is a job: await it, or loop over its epochs. Ctrl-C stops it and keeps ' +
      'what was learned; await resume() goes on.',
    examples: [
      'await train(net, data.train, { objective: robust, epochs: 1 })',
      'for await (const { epoch, loss } of train(net, data.train, { epochs: 2 })) console.log(epoch, loss)',
    ],
  },
  jobs: {
    about:
      'train, compress, evaluate and verify give jobs, which begin at once: job.progress, job.stop() keeps what was done, ' +
      'job.resume() goes on, job.abort() drops it. Without await the prompt answers at once while the job runs.',
    examples: [
      'const job = train(net, data.train, { epochs: 50 })',
      'job',
      'await job.stop()',
      'await job.resume().stop()',
    ],
  },
  prune: {
    about:
      'net.prune({ sparsity }) removes weights once; compress(net, data.train, { sparsity, steps, epochsPerStep }) does it in ' +
      'steps, fine-tuned with the objective of training. Structures: unstructured, filter, v32x2, block, 2:4.',
    examples: [
      'await compress(net, data.train, { sparsity: 0.8, steps: 2, epochsPerStep: 1 })',
      'await net.mask()',
    ],
  },
  evaluate: {
    about:
      'evaluate(net, data.test, { robust }) measures benign and empirical robust accuracy (ERA), with 95 % intervals; attack ' +
      'and verifier choose others.',
    examples: ['await evaluate(net, data.test, { robust })'],
  },
  verify: {
    about:
      'verify(net, data.test, { epsilon, verifier }) proves image by image that no change within ε makes the network wrong ' +
      '(VRA). Verifiers: interval, crownIbp, symbolic, crown, alphaCrown, cascade.',
    examples: ["await verify(net, data.test, { epsilon: 1 / 255, verifier: 'crownIbp', images: 10 })"],
  },
  compile: {
    about:
      'compile(net, { batch }) makes an inference engine that skips what was pruned, tuned on this machine.',
    examples: [
      'const engine = await compile(net, { batch: 16 })',
      'engine',
      'await engine.predict(data.test.pixels(0, 4))',
    ],
  },
}

/** All topics in brief, or one in full. */
export const explain = (name: string): string => {
  const topic = Object.hasOwn(topics, name) ? topics[name] : undefined
  if (topic !== undefined) return [topic.about, '', ...topic.examples.map((line) => `  ${line}`)].join('\n')
  const names = Object.keys(topics)
  if (name !== '') return `no topic "${name}"${didYouMean(name, names)}; topics: ${names.join(', ')}`
  return [
    `.help TOPIC   ${names.join(', ')}`,
    '.device       devices, and the libtorch in use',
    '.memory       memory of each device and of the process',
    '.runs FOLDER  runs in a folder, and their figures',
    '.jobs         jobs that are running; Ctrl-C stops them, await resume() goes on',
    '.editor .load .save .break .exit as in Node; Tab completes names and options',
  ].join('\n')
}
