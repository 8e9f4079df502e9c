// Calls every entry point of the addon with wrong types, shapes, values and handles: fuzz.mjs CALLS SEED
// Each call must return, or fail with a CoppiceError (or with what a hostile getter threw). Prints a JSON summary.
import { addon } from '../../dist/bindings/load.js'
import { CoppiceError } from '../../dist/lib/base/errors.js'
import { randomStream } from '../../dist/lib/base/hash.js'
import { parseSpec } from '../../dist/lib/networks/parse.js'

const [calls, seed] = process.argv.slice(2).map(Number)
const next = randomStream(seed)
const random = (n) => next() % n
const pick = (list) => list[random(list.length)]
const native = addon()
native.setThreads(1)

const spec = parseSpec({
  name: 'tiny',
  input: [3, 8, 8],
  nodes: [
    { op: 'normalize', name: 'n', mean: [0.5, 0.5, 0.5], std: [0.2, 0.2, 0.2] },
    { op: 'conv2d', name: 'c1', channels: 4, kernel: 3, padding: 1 },
    { op: 'batchNorm2d', name: 'b1' },
    { op: 'relu', name: 'r1' },
    { op: 'maxPool2d', name: 'p1', kernel: 2 },
    { op: 'conv2d', name: 'c2', channels: 4, kernel: 3, padding: 1 },
    { op: 'add', name: 'a', inputs: ['p1', 'c2'] },
    { op: 'averagePool2d', name: 'p2', kernel: 2 },
    { op: 'flatten', name: 'f' },
    { op: 'linear', name: 'l', features: 4 },
  ],
})
const options = { device: 'cpu', type: 'float32' }
const sentinel = new Error('thrown by a getter')
const hostile = {
  get kind() {
    throw sentinel
  },
  get length() {
    throw sentinel
  },
}
const trap = new Proxy(
  {},
  {
    get() {
      throw sentinel
    },
  },
)
const detached = new Float32Array(16)
structuredClone(detached.buffer, { transfer: [detached.buffer] })

async function valid() {
  const network = await native.createNetwork(spec, options).promise
  await network.initialise(1).promise
  const images = Uint8Array.from({ length: 16 * 192 }, () => random(256))
  const labels = Uint8Array.from({ length: 16 }, () => random(4))
  const data = { shape: [3, 8, 8], classes: 4, device: 'cpu' }
  const dataset = await native.createDataset(images, labels, data).promise
  return { network, dataset, images, labels, data }
}
const good = await valid()
const gone = await valid()
gone.network.dispose()
gone.dataset.dispose()
const deep = await native.createNetwork(spec, { device: 'cpu', type: 'float64' }).promise

const junk = () =>
  pick([
    undefined,
    null,
    true,
    Number.NaN,
    Number.POSITIVE_INFINITY,
    -1,
    0,
    1,
    0.5,
    1.5,
    7,
    2 ** 31,
    2 ** 53,
    -(2 ** 40),
    '',
    'cpu',
    'cuda:9',
    'cuda:x',
    'natural',
    'x'.repeat(5000),
    Symbol('s'),
    10n,
    () => 1,
    () => {
      throw sentinel
    },
    [],
    [1, 2, 3],
    [[[]]],
    new Array(5),
    {},
    hostile,
    trap,
    Object.create(null),
    new Map(),
    new Date(),
    Promise.resolve(),
    new Float32Array(0),
    new Float32Array(192).fill(0.5),
    new Float32Array(192).fill(Number.NaN),
    new Float64Array(192),
    new Float32Array(1000),
    new Uint8Array(3),
    new Uint8Array(good.network.parameterCount).fill(1),
    new Uint32Array([0, 5]),
    new Uint32Array([99]),
    new Int32Array([-1, 2]),
    new BigInt64Array(4),
    new DataView(new ArrayBuffer(8)),
    new Float32Array(new SharedArrayBuffer(64)),
    detached,
    good.network,
    good.dataset,
    gone.network,
    gone.dataset,
    deep,
    { ...good.network },
    Object.create(good.network),
    native,
  ])

const attack = () => ({
  kind: 'pgd',
  epsilon: 0.03,
  stepSize: 0.01,
  steps: 2,
  restarts: 1,
  start: pick(['uniform', 'gaussian', 'none']),
})
/** Attacks that only measure, and a cascade of them. */
const measuring = () =>
  pick([
    {
      kind: 'apgd',
      epsilon: 0.03,
      loss: pick(['ce', 'dlr', 'targetedDlr']),
      steps: 2,
      restarts: 1,
      targets: 2,
    },
    { kind: 'fab', epsilon: 0.03, steps: 2, restarts: 2, targets: 2 },
    { kind: 'square', epsilon: 0.03, queries: 3, restarts: 1 },
  ])
const anyAttack = () =>
  pick([attack(), measuring(), { kind: 'cascade', attacks: [measuring(), attack(), measuring()] }])
const objective = () =>
  pick([
    { kind: 'natural' },
    { kind: 'adversarial', attack: attack() },
    { kind: 'trades', attack: attack(), beta: 6 },
  ])
const optimiser = () =>
  pick([
    { kind: 'sgd', momentum: 0.9, nesterov: false, weightDecay: 1e-4 },
    { kind: 'adam', beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0 },
  ])
const batch = () => ({ images: new Float32Array(2 * 192).fill(0.4), labels: new Int32Array([0, 3]) })

/** Arguments that work, by entry point; called on `this` of another kind now and then. */
const entries = {
  info: () => [],
  setThreads: () => [1],
  getThreads: () => [],
  setDeterministic: () => [true],
  memory: () => ['cpu'],
  resetPeakMemory: () => ['cpu'],
  emptyCache: () => [],
  createNetwork: () => [structuredClone(spec), { ...options }],
  createDataset: () => [good.images, good.labels, { ...good.data }],
  train: () => [
    good.network,
    good.dataset,
    {
      order: Uint32Array.from({ length: 8 }, (_, i) => i),
      batchSize: 4,
      objective: objective(),
      optimiser: optimiser(),
      learningRates: new Float64Array(2).fill(0.01),
      epsilonFactors: new Float64Array(2).fill(1),
      cleanWeights: new Float64Array(2).fill(1),
      robustWeights: new Float64Array(2),
      averageShares: pick([null, new Float64Array(2).fill(0.5)]),
      labelSmoothing: pick([0, 0.1]),
      stepsTaken: 0,
      augmentation: pick([null, { pad: 2, flip: true }]),
      precision: pick(['fp32', 'bf16']),
      seed: 1,
      epoch: 0,
      learn: pick([{ kind: 'weights' }, { kind: 'scores', keep: 0.5, scores: null }]),
    },
    pick([null, () => {}]),
  ],
  evaluate: () => [
    good.network,
    good.dataset,
    {
      indices: new Uint32Array([0, 1, 2]),
      batchSize: 2,
      precision: 'fp32',
      attack: pick([null, anyAttack()]),
      seed: 0,
    },
    pick([null, () => {}]),
  ],
  gradients: () => [
    good.network,
    good.dataset,
    {
      indices: new Uint32Array([0, 1, 2]),
      batchSize: 2,
      objective: objective(),
      cleanWeight: 1,
      robustWeight: 0,
      precision: 'fp32',
      seed: 0,
    },
    pick([null, () => {}]),
  ],
  forward: () => [good.network, new Float32Array(192), { precision: 'fp32', training: false }],
  backward: () => [good.network, batch(), { precision: 'fp32' }],
  step: () => [good.network, { optimiser: optimiser(), learningRate: 0.1, stepsTaken: 0 }],
  attack: () => [
    good.network,
    batch(),
    { attack: anyAttack(), start: null, folded: true, precision: 'fp32', seed: 0 },
  ],
  'network.read': () => [
    pick(['parameters', 'gradients', 'mask', 'moment1', 'moment2', 'average', 'buffers']),
  ],
  'network.write': () => ['parameters', new Float32Array(good.network.parameterCount).fill(0.1)],
  'network.initialise': () => [3],
  'network.resetMoments': () => [],
  'network.dispose': () => [],
  'dataset.dispose': () => [],
}

/** Replaces or removes one thing somewhere in the arguments. */
function spoil(args) {
  if (args.length === 0 || random(8) === 0) return [junk(), ...args]
  const at = random(args.length)
  const value = args[at]
  const plain =
    value !== null &&
    typeof value === 'object' &&
    [Object.prototype, Array.prototype].includes(Object.getPrototypeOf(value))
  const copy = [...args]
  if (!plain || [hostile, trap, native, good.network, good.dataset].includes(value) || random(3) === 0) {
    copy[at] = junk()
    return copy
  }
  const node = Array.isArray(value) ? [...value] : { ...value }
  const keys = Object.keys(node)
  if (keys.length === 0) return copy
  const key = pick(keys)
  if (random(6) === 0) delete node[key]
  else node[key] = spoil([node[key]])[0]
  copy[at] = node
  return copy
}

const outcomes = { fulfilled: 0, refused: 0, thrownByCaller: 0 }
async function call(name) {
  let args = entries[name]()
  const spoils = random(3)
  for (let i = 0; i < spoils; ++i) args = spoil(args)
  const [owner, method] = name.includes('.') ? name.split('.') : ['native', name]
  const scratch = name.endsWith('dispose') ? await valid() : undefined
  const target = owner === 'native' ? native : (scratch ?? pick([good, gone]))[owner]
  try {
    const self = pick([target, target, good.dataset, {}, undefined])
    const job = target[method].apply(self, args)
    if (random(10) === 0) job?.cancel?.()
    if (random(10) === 0) job?.pause?.()
    // A junk number of steps may ask for hours: every job can be told to stop.
    const timer = job?.cancel && setTimeout(() => job.cancel(), 300)
    try {
      const result = await job?.promise
      result?.dispose?.()
    } finally {
      clearTimeout(timer)
    }
    ++outcomes.fulfilled
  } catch (error) {
    if (error === sentinel) ++outcomes.thrownByCaller
    else if (error instanceof CoppiceError && !error.message.includes('\n')) ++outcomes.refused
    else throw new Error(`${name} failed with something else`, { cause: error })
  } finally {
    scratch?.network.dispose()
    scratch?.dataset.dispose()
  }
}

const names = Object.keys(entries)
const memory = []
for (let i = 0; i < calls; ++i) {
  await call(names[i % names.length])
  if ((i + 1) % Math.floor(calls / 4) === 0) {
    globalThis.gc?.()
    await new Promise((done) => setImmediate(done))
    native.emptyCache()
    memory.push({ allocated: native.memory('cpu').allocated, rss: process.memoryUsage().rss })
  }
}
console.log(JSON.stringify({ outcomes, memory }))
