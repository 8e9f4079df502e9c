// Bounds of cifarLarge's margins, Coppice against auto_LiRPA: node bench/verify/run.mjs [--lirpa CHECKOUT]
//   [--python PYTHON] [--data CIFAR-10] [--model NAME=FILE …] [--methods symbolic,crown,interval,crownIbp] [--images 8]
//   [--batches 1,2,4,8] [--trials 3] [--threads 2] [--device cpu] [--memory 1024 (MiB)] [--epsilon 2/255] [--seed 0]
//   [--name results]
// Weights are random and those of the model files given, the same on both sides; without --lirpa Coppice runs alone.
// Each trial is a process of its own. First every setting of a side is tried once; then the fastest of each side take
// turns. auto_LiRPA runs as it is and with an allocator that keeps freed memory, which spares it most page faults.
// Writes NAME.json and NAME.md beside this file.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { builtinImages, readCifar10 } from '../../dist/lib/data/index.js'
import { writeSafetensors } from '../../dist/lib/files/safetensors.js'
import { loadNetwork, Network } from '../../dist/lib/models/network.js'
import { boundMacs } from './macs.mjs'
import { median, report } from './report.mjs'

const { values: options } = parseArgs({
  options: {
    lirpa: { type: 'string' },
    python: { type: 'string', default: 'python3' },
    data: { type: 'string' },
    model: { type: 'string', multiple: true, default: [] },
    methods: { type: 'string', default: 'symbolic,crown,interval,crownIbp' },
    images: { type: 'string', default: '8' },
    batches: { type: 'string', default: '1,2,4,8' },
    trials: { type: 'string', default: '3' },
    threads: { type: 'string', default: String(cpus().length) },
    device: { type: 'string', default: 'cpu' },
    memory: { type: 'string', default: '1024' },
    epsilon: { type: 'string', default: '2/255' },
    seed: { type: 'string', default: '0' },
    name: { type: 'string', default: 'results' },
  },
})
const { python, device } = options
const threads = Number(options.threads)
const [numerator, denominator = 1] = options.epsilon.split('/').map(Number)
/** Interval methods are timed at one large batch, which suits both sides. */
const LARGE = 64
const KEEP = {
  MALLOC_MMAP_THRESHOLD_: `${2 ** 35}`,
  MALLOC_TRIM_THRESHOLD_: `${2 ** 35}`,
  MALLOC_TOP_PAD_: `${2 ** 30}`,
}
const TIME_LIMIT = 300_000

const here = import.meta.dirname
const scratch = mkdtempSync(join(tmpdir(), 'coppice-bench-'))
process.on('exit', () => rmSync(scratch, { recursive: true, force: true }))
const images = join(scratch, 'images.safetensors')

/** Pixels in [0,1] and labels, for both sides. */
async function writeImages(count) {
  const set = options.data
    ? (await readCifar10(options.data)).test
    : builtinImages({ train: 10, test: count }).test
  const shape = [count, ...set.shape]
  const size = shape.reduce((a, b) => a * b)
  const pixels = Float32Array.from(set.images.subarray(0, size), (value) => value / 255)
  const labels = Int32Array.from(set.labels.subarray(0, count))
  const tensors = [
    { name: 'images', dtype: 'F32', shape, data: pixels },
    { name: 'labels', dtype: 'I32', shape: [count], data: labels },
  ]
  await writeSafetensors(images, { metadata: {}, tensors })
}

async function writeRandom() {
  const path = join(scratch, 'random.safetensors')
  const net = await Network.create('cifarLarge', { seed: Number(options.seed) })
  await net.save(path)
  net.dispose()
  return path
}

function trial(command, args, env = {}) {
  const settings = {
    encoding: 'utf8',
    timeout: TIME_LIMIT,
    maxBuffer: 2 ** 28,
    stdio: ['ignore', 'pipe', 'pipe'],
  }
  const output = execFileSync(command, args, { ...settings, env: { ...process.env, ...env } })
  return JSON.parse(output.trim().split('\n').at(-1))
}

/** The sides, and the settings to try of each; `run` takes a setting and how many images and passes to time. */
function sides(model, method) {
  const backward = method === 'symbolic' || method === 'crown'
  const batches = backward ? options.batches.split(',').map(Number) : [LARGE]
  const common = { model, images, method, epsilon: numerator / denominator, threads, device }
  const coppice = {
    settings: batches.map((batch) => ({ batch })),
    run: (setting, count, repeats) => {
      const request = { ...common, ...setting, count, repeats, memory: Number(options.memory) * 2 ** 20 }
      return trial(process.execPath, [join(here, 'coppice.mjs'), JSON.stringify(request)])
    },
  }
  if (options.lirpa === undefined) return { coppice }
  const lirpa = (env) => ({
    settings: [
      ...batches.map((batch) => ({ mode: 'patches', batch, rows: 0 })),
      ...(backward ? batches.slice(0, 2).map((batch) => ({ mode: 'patches', batch, rows: 512 })) : []),
      // Dense matrices of the inner layers' neurons would not fit into memory here.
      ...(backward ? [] : batches.map((batch) => ({ mode: 'matrix', batch, rows: 0 }))),
    ],
    run: (setting, count, repeats) => {
      const request = { ...common, ...setting, count, repeats, skip: true, lirpa: resolve(options.lirpa) }
      return trial(python, [join(here, 'lirpa.py'), JSON.stringify(request)], env)
    },
  })
  return { coppice, lirpa: lirpa({}), ...(device === 'cpu' && { kept: lirpa(KEEP) }) }
}

const reason = (error) => {
  if (error.code === 'ETIMEDOUT') return `more than ${TIME_LIMIT / 1000} s`
  if (error.signal) return `ended by ${error.signal}`
  return String(error.stderr || error.message)
    .trim()
    .split('\n')
    .at(-1)
}

/** The setting with the fewest milliseconds an image; those that fail are told and left out. */
function fastest(name, { settings, run }, backward) {
  const tried = settings.flatMap((setting) => {
    try {
      const count = backward ? Math.max(setting.batch, 4) : setting.batch
      const { milliseconds } = run(setting, count, backward ? 1 : 5)
      console.error(`  ${name} ${JSON.stringify(setting)}: ${median(milliseconds).toFixed(2)} ms an image`)
      return [{ setting, milliseconds: median(milliseconds) }]
    } catch (error) {
      console.error(`  ${name} ${JSON.stringify(setting)} failed: ${reason(error)}`)
      return [{ setting, failed: reason(error) }]
    }
  })
  const best = tried
    .filter((entry) => entry.milliseconds !== undefined)
    .toSorted((a, b) => a.milliseconds - b.milliseconds)[0]
  if (best === undefined) throw new Error(`${name}: no setting worked`)
  return { tried, setting: best.setting }
}

/** Biggest difference between the margins of two sides. */
const difference = (a, b) => {
  if (a.length !== b.length) throw new Error(`${a.length} margins against ${b.length}`)
  return a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i])), 0)
}

function measure(weights, model, spec, method) {
  console.error(`${weights}, ${method}`)
  const backward = method === 'symbolic' || method === 'crown'
  const contenders = sides(model, method)
  const chosen = Object.entries(contenders).map(([side, contender]) => ({
    side,
    run: contender.run,
    ...fastest(side, contender, backward),
    milliseconds: [],
    peakBytes: 0,
    baselineBytes: 0,
  }))
  const gflops = []
  for (let i = 0; i < Number(options.trials); ++i) {
    if (options.lirpa) gflops.push(trial(python, [join(here, 'peak.py'), String(threads), device]).gflops)
    for (const side of chosen) {
      const result = side.run(side.setting, backward ? Number(options.images) : LARGE, backward ? 1 : 20)
      side.milliseconds.push(...result.milliseconds)
      side.baselineBytes = result.baselineBytes
      side.peakBytes = Math.max(side.peakBytes, result.peakBytes)
      side.last = result
    }
  }
  const row = { weights, method, images: backward ? Number(options.images) : LARGE }
  for (const { side, setting, tried, milliseconds, peakBytes, baselineBytes, last } of chosen) {
    const times = {
      median: median(milliseconds),
      fastest: Math.min(...milliseconds),
      slowest: Math.max(...milliseconds),
    }
    row[side] = {
      setting,
      tried,
      ...times,
      peakBytes,
      baselineBytes,
      unstable: last.unstable,
      torch: last.torch,
    }
  }
  const [{ last: ours }, theirs] = chosen
  row.gmacs = boundMacs(spec, method) / 1e9
  // Interval bounds are two forward passes, which the addon does not count.
  row.gmacsDone = backward ? ours.macs / 1e9 : row.gmacs
  if (theirs === undefined) return row
  const { margins, unstableNeurons, neurons, version } = theirs.last
  row.lirpa.version = version
  row.layers = neurons.map((size, i) => unstableNeurons[i] / size)
  row.difference = difference(ours.margins, margins)
  row.largest = margins.reduce((most, value) => Math.max(most, Math.abs(value)), 0)
  row.peakGflops = median(gflops)
  return row
}

const methods = options.methods.split(',')
await writeImages(Math.max(LARGE, Number(options.images), ...options.batches.split(',').map(Number)))
const cases = [['random', await writeRandom()], ...options.model.map((text) => text.split('='))]
const rows = []
for (const [weights, model] of cases) {
  const net = await loadNetwork(resolve(model))
  const { spec } = net
  net.dispose()
  for (const method of methods) rows.push(measure(weights, resolve(model), spec, method))
}

const command = `node bench/verify/run.mjs ${process.argv.slice(2).join(' ')}`
  .replace(/(--(?:python|lirpa|data) )\S+/g, (_, flag) => `${flag}${flag.trim().slice(2).toUpperCase()}`)
  .replace(/(--model \w+=)\S*\//g, '$1')
  .trim()
const hardware = device === 'cpu' ? `${cpus()[0].model}, ${threads} threads` : device
report(join(here, options.name), {
  command,
  hardware,
  epsilon: options.epsilon,
  data: options.data ? 'CIFAR-10 test' : 'built-in',
  rows,
})
