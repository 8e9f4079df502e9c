// Damaged files of all kinds, and what every command says to them: node bench/hostile/files.mjs [--files 500] [--seed 1]
// [--seconds 30] [--gib 2] [--json] [--show]. Each must end in time and within the memory, done or with an exit code and one
// line: no stack, no "defect", no dump. `npm run build:ts` first. Exits with 1 where one does not.
import { fork } from 'node:child_process'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { stringify } from 'yaml'
import { damagedBytes, damagedData, damagedFile, damagedYaml, dice, replaceByOther } from './mutate.mjs'

const { values: options } = parseArgs({
  options: {
    files: { type: 'string', default: '500' },
    seed: { type: 'string', default: '1' },
    /** For one case. */
    seconds: { type: 'string', default: '30' },
    gib: { type: 'string', default: '2' },
    workers: { type: 'string', default: '2' },
    json: { type: 'boolean', default: false },
    /** Prints what was said to each. */
    show: { type: 'boolean', default: false },
  },
})
const MOST_SECONDS = Number(options.seconds)
const MOST_BYTES = Number(options.gib) * 2 ** 30
/** After which a run that was not refused is interrupted. */
const INTERRUPT_MS = 1500
const LONGEST_LINE = 700

const root = join(import.meta.dirname, '..', '..')
const scratch = mkdtempSync(join(tmpdir(), 'coppice-hostile-'))
process.on('exit', () => rmSync(scratch, { recursive: true, force: true }))

/** Flags with which `coppice verify` of a run takes a second. */
const QUICK_VERIFY = [
  ...['--checkpoint', 'dense', '--verifier', 'interval', '--images', '3', '--epsilon', '1/255'],
  ...['--threads', '1'],
]

/** A process that runs one command line at a time, and its largest memory meanwhile. */
class Worker {
  async run(job) {
    this.child ??= fork(join(import.meta.dirname, 'worker.mjs'), [], {
      env: { ...process.env, COPPICE_CACHE: join(scratch, 'cache') },
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    })
    const { child } = this
    let peak = 0
    let complaint
    let noise = ''
    const listen = (text) => {
      noise += text
    }
    child.stderr.on('data', listen)
    const started = performance.now()
    const watch = setInterval(() => {
      peak = Math.max(peak, residentBytes(child.pid))
      if (peak > MOST_BYTES) complaint ??= `took ${(peak / 2 ** 30).toFixed(1)} GiB`
      if (performance.now() - started > 1000 * MOST_SECONDS)
        complaint ??= `did not end within ${MOST_SECONDS} s`
      if (complaint !== undefined) child.kill('SIGKILL')
    }, 20)
    try {
      const answer = await new Promise((resolve) => {
        child.once('message', resolve)
        child.once('exit', (code, signal) => resolve({ died: signal ?? code }))
        child.send(job)
      })
      if (answer.died === undefined) return { ...answer, peak }
      this.child = undefined
      return {
        complaint: complaint ?? `the process died (${answer.died}) ${noise.slice(-300)}`,
        stderr: noise,
        peak,
      }
    } finally {
      clearInterval(watch)
      child.removeAllListeners('message')
      child.removeAllListeners('exit')
      child.stderr.off('data', listen)
    }
  }

  stop() {
    this.child?.kill()
  }
}

const residentBytes = (pid) => {
  try {
    return 4096 * Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1])
  } catch {
    return 0
  }
}

/** What is wrong with how a command ended, if anything. */
const complaintAbout = ({ complaint, code, stderr }) => {
  if (complaint !== undefined) return complaint
  const lines = stderr.split('\n').filter((line) => line !== '')
  const long = lines.find((line) => line.length > LONGEST_LINE)
  if (long !== undefined) return `says a line of ${long.length} characters: ${long.slice(0, 200)}`
  if (/this is a defect of Coppice|^\s+at .+:\d+/m.test(stderr))
    return `is not understood: ${stderr.slice(0, 500)}`
  const told = lines.filter((line) => line.startsWith('coppice: '))
  if (code === 0) return told.length === 0 ? undefined : `ends with 0, but says ${told[0]}`
  if (told.length !== 1) return `ends with ${code} and ${told.length} lines: ${stderr.slice(0, 300)}`
  return undefined
}

const RECIPE = {
  name: 'small',
  seed: 1,
  threads: 1,
  data: { set: 'builtin', train: 32, test: 8, validation: 4, seed: 0 },
  network: { name: 'cifarLarge', scale: 0.02 },
  pretrain: {
    objective: { kind: 'adversarial', epsilon: '8/255', stepSize: '2/255', steps: 1 },
    optimiser: { kind: 'adam', beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.0001 },
    schedule: { kind: 'steps', at: [0.5], factor: 0.1 },
    ...{ epochs: 1, batchSize: 16, learningRate: 0.001, rampEpochs: 0, augment: { pad: 2, flip: true } },
  },
  prune: {
    sparsity: 0.75,
    steps: 2,
    epochsPerStep: 1,
    milestones: [0.5],
    exclude: ['fc3'],
    learningRate: 0.001,
  },
  finetune: ['none', 'matched', { kind: 'mixTrain', k: 1, bound: 'interval', alpha: 0.5 }],
  evaluate: {
    attack: { steps: 1, restarts: 1, epsilon: '8/255' },
    verify: { verifiers: [{ kind: 'interval', memory: '64MB' }], images: 2, epsilon: '1/255' },
    ...{ images: 8, batchSize: 4, precision: 'fp32' },
  },
}
const SPEC = {
  name: 'small',
  input: [3, 32, 32],
  nodes: [
    { op: 'normalize', name: 'n', mean: [0.5, 0.5, 0.5], std: [0.2, 0.2, 0.2] },
    { op: 'conv2d', name: 'c', channels: 4, kernel: 3, stride: 4, padding: 1 },
    { op: 'batchNorm2d', name: 'b', epsilon: 1e-5 },
    { op: 'relu', name: 'r' },
    { op: 'flatten', name: 'f' },
    { op: 'linear', name: 'l', features: 10 },
  ],
}
const ASSIGNMENTS = [
  'prune.steps=1e8',
  'evaluate.attack=pgd1000000000x100000',
  `${'a.'.repeat(5000)}b=1`,
  'finetune.4000000000=none',
  'data.train=1e9',
  'data.train=99999999999999999999',
  'pretrain.objective=&a [*a]',
  'network=!!js/function x',
  'prune.milestones=[0.1, 0.2, 0.3]',
  'evaluate.verify.verifiers=[{ kind: crown, memory: 1 }]',
  'evaluate.precision=fp64',
  'prune.precision=fp64',
  'pretrain.schedule.factor=1e5',
  'network.scale=1000',
  'network=wideResNet-99999994-1',
  'threads=4096',
  'pretrain.augment.pad=100000',
  'pretrain.optimiser.epsilon=1e-300',
  'pretrain.optimiser.beta2=0.99999999',
  'pretrain.batchSize=1e8',
  'seed=1e300',
  'data=/dev/zero',
  '__proto__.x=1',
  'constructor.prototype.x=1',
]

/** What is damaged, from things that are whole. */
async function prepared(worker) {
  const file = (name) => join(scratch, name)
  const must = async (...argv) => {
    const { code, stderr } = await worker.run({ argv, env: {}, interruptAfter: 2 ** 30 })
    if (code !== 0) throw new Error(`coppice ${argv.join(' ')}: ${stderr}`)
  }
  writeFileSync(file('whole.yaml'), stringify(RECIPE))
  writeFileSync(file('spec.json'), JSON.stringify(SPEC))
  await must('run', file('whole.yaml'), '-o', file('run'))
  await must('data', 'export', 'builtin', '-o', file('npz'), '--train', '12', '--test', '12')
  await must('verify', file('run'), ...QUICK_VERIFY)
  const model = join(file('run'), 'checkpoints', 'dense.safetensors')
  for (const format of ['onnx', 'pth'])
    await must('export', model, '-o', file(`whole.${format}`), '--no-card')
  // One that was interrupted: its rolling checkpoint says where it goes on.
  const argv = ['run', file('whole.yaml'), '-o', file('open'), '--set', 'pretrain.epochs=100000']
  const { code, stderr } = await worker.run({ argv, env: {}, interruptAfter: INTERRUPT_MS })
  if (code !== 130 || !existsSync(join(file('open'), 'checkpoints', 'latest.safetensors')))
    throw new Error(stderr)
  return { file, model }
}

const filesIn = (folder) =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))

/** The kinds of damage: each makes a file, and says which command is to meet it. */
const kindsOf = ({ file, model }) => {
  const recipe = (at) => ['run', at, '-o', `${at}.run`]
  const jsonOr = (bytes) => {
    try {
      const value = JSON.parse(bytes.toString())
      return (random) => JSON.stringify(damagedData(value, random))
    } catch {
      return undefined
    }
  }
  const inRun = (whole, commands) => (at, random) => {
    cpSync(file(whole), at, { recursive: true })
    const victim = random.pick(filesIn(at))
    const bytes = readFileSync(victim)
    const lines = /json[l]?$|ndjson$/.test(victim) && random.below(2) === 0
    const how = lines ? damagedLine(victim, bytes, random) : damagedFile(victim, bytes, random, jsonOr(bytes))
    return { what: `${victim.slice(at.length + 1)} (${how})`, argv: random.pick(commands)(at) }
  }
  return {
    recipe: (at, random) => {
      writeFileSync(`${at}.json`, JSON.stringify(damagedData(RECIPE, random)))
      return { what: 'a value', argv: recipe(`${at}.json`) }
    },
    yaml: (at, random) => {
      writeFileSync(`${at}.yaml`, damagedYaml(stringify(RECIPE), random))
      return { what: 'text', argv: recipe(`${at}.yaml`) }
    },
    recipeFile: (at, random) => ({ what: replaceByOther(`${at}.yaml`, random), argv: recipe(`${at}.yaml`) }),
    set: (at, random) => {
      const assignment = random.pick(ASSIGNMENTS)
      return {
        what: assignment.slice(0, 60),
        argv: [...recipe(file('whole.yaml')).with(3, `${at}.run`), '--set', assignment],
      }
    },
    spec: (at, random) => {
      const how = damagedFile(`${at}.json`, Buffer.from(JSON.stringify(SPEC)), random, (r) =>
        JSON.stringify(damagedData(SPEC, r)),
      )
      return { what: how, argv: ['describe', `${at}.json`] }
    },
    model: (at, random) => {
      const path = `${at}.safetensors`
      const how = damagedFile(path, readFileSync(model), random)
      const evaluate = [
        'evaluate',
        path,
        '--data',
        join(file('npz'), 'test.npz'),
        '--images',
        '2',
        '--threads',
        '1',
      ]
      return {
        what: how,
        argv: random.pick([['describe', path], evaluate, ['compact', path, '-o', `${at}.small.safetensors`]]),
      }
    },
    npz: (at, random) => {
      const how = damagedFile(`${at}.npz`, readFileSync(join(file('npz'), 'test.npz')), random)
      return { what: how, argv: ['data', 'info', `${at}.npz`] }
    },
    cifar: (at, random) => {
      mkdirSync(at)
      const names = [1, 2, 3, 4, 5].map((n) => `data_batch_${n}`).concat('test_batch')
      const suffix = random.pick(['', '.bin'])
      for (const name of names)
        writeFileSync(join(at, `${name}${suffix}`), damagedBytes(Buffer.alloc(100), random))
      const how = random.below(2) === 0 ? 'short' : replaceByOther(join(at, `data_batch_1${suffix}`), random)
      return {
        what: how,
        argv: random.pick([
          ['data', 'info', at],
          [...recipe(file('whole.yaml')).with(3, `${at}.run`), '--data', at],
        ]),
      }
    },
    pth: (at, random) => {
      const folder = join(root, 'test', 'fixtures', 'torch')
      const name = random.pick(readdirSync(folder).filter((each) => each.endsWith('.pth')))
      const how = damagedFile(`${at}.pth`, readFileSync(join(folder, name)), random)
      return {
        what: `${name} (${how})`,
        argv: ['import', `${at}.pth`, '--spec', file('spec.json'), '-o', `${at}.safetensors`],
      }
    },
    onnx: (at, random) => {
      const how = damagedFile(`${at}.onnx`, readFileSync(file('whole.onnx')), random)
      return { what: how, argv: ['import', `${at}.onnx`, '-o', `${at}.safetensors`] }
    },
    guessed: (at, random) => {
      const how = damagedFile(`${at}.pth`, readFileSync(file('whole.pth')), random)
      return { what: how, argv: ['import', `${at}.pth`, '-o', `${at}.safetensors`] }
    },
    finishedRun: inRun('run', [
      (at) => ['resume', at],
      (at) => ['evaluate', at, '--images', '2', '--threads', '1'],
      (at) => ['verify', at, ...QUICK_VERIFY],
    ]),
    openRun: inRun('open', [(at) => ['resume', at]]),
    lock: (at, random) => {
      cpSync(file('open'), at, { recursive: true })
      writeFileSync(join(at, 'lock'), JSON.stringify({ pid: 1, started: '', place: 'x', host: 'h' }))
      const how = damagedFile(join(at, 'lock'), readFileSync(join(at, 'lock')), random, (r) =>
        JSON.stringify(damagedData({ pid: 1, started: '1', place: '', host: 'h' }, r)),
      )
      return { what: how, argv: ['resume', at] }
    },
  }
}

/** A line of a file with lines, damaged as the data it is. */
const damagedLine = (path, bytes, random) => {
  const lines = bytes.toString().trimEnd().split('\n')
  const at = random.below(lines.length)
  try {
    lines[at] = JSON.stringify(damagedData(JSON.parse(lines[at]), random))
  } catch {
    lines[at] = random.pick(['null', '[]', '{}', '"x"'])
  }
  writeFileSync(path, `${lines.join('\n')}\n`)
  return `line ${at + 1}`
}

const workers = Array.from({ length: Number(options.workers) }, () => new Worker())
const kinds = Object.entries(kindsOf(await prepared(workers[0])))
const count = Number(options.files)
const faults = []
const tally = { done: 0, refused: 0, interrupted: 0 }
let [next, peak, slowest] = [0, 0, 0]

async function work(worker) {
  while (next < count) {
    const index = next++
    const [kind, make] = kinds[index % kinds.length]
    const at = join(scratch, `${index}`)
    const { what, argv } = make(at, dice(Number(options.seed) * 1_000_003 + index))
    const end = await worker.run({ argv, env: {}, interruptAfter: INTERRUPT_MS })
    const complaint = complaintAbout(end)
    if (options.show) console.error(`${index} ${kind}, ${what} -> ${end.code}: ${end.stderr?.trim()}`)
    if (complaint !== undefined) {
      faults.push({ index, kind, what, command: argv.join(' ').slice(0, 200), complaint })
      if (!options.json) console.error(`${index} ${kind}, ${what}: ${complaint}`)
    }
    tally[end.code === 0 ? 'done' : end.code === 130 ? 'interrupted' : 'refused']++
    peak = Math.max(peak, end.peak)
    slowest = Math.max(slowest, end.seconds ?? 0)
    for (const name of readdirSync(scratch)) {
      if (name === `${index}` || name.startsWith(`${index}.`))
        rmSync(join(scratch, name), { recursive: true, force: true })
    }
  }
}

await Promise.all(workers.map(work))
for (const worker of workers) worker.stop()
const summary = {
  files: count,
  seed: Number(options.seed),
  ...tally,
  peakMiB: Math.round(peak / 2 ** 20),
  slowestSeconds: slowest,
  faults,
}
if (options.json) console.log(JSON.stringify(summary, null, 2))
else {
  console.log(
    `${count} files: ${tally.refused} refused in one line, ${tally.done} harmless, ${tally.interrupted} ran until interrupted; ` +
      `at most ${summary.peakMiB} MiB and ${slowest.toFixed(1)} s; ${faults.length} faults`,
  )
}
process.exitCode = faults.length === 0 ? 0 : 1
