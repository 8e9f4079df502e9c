// The pruned networks whose speed is measured: node bench/sparse/networks.mjs --data CIFAR-10 --out FOLDER
//   --network vgg16|wideResNet-28-5|cifarLarge [--dense FILE] [--structures unstructured,v32x2,filter]
//   [--sparsities 0.8,0.9,0.95] [--train N] [--steps 4] [--epochs-per-step 1] [--learning-rate 0.01] [--batch 128]
//   [--precision bf16] [--augment standard] [--pgd-steps N] [--exclude LAYERS] [--macs 0.1] [--test 1000]
//   [--threads 2] [--device cpu] [--seed 0]
// Starts from a trained dense network (default: FOLDER/NETWORK-dense.safetensors) and prunes it by magnitude, scope
// layer, in geometric steps with its own objective (--pgd-steps changes its attack, which makes it another one). The
// sparsities are milestones of one run for each structure; each is saved as FOLDER/NETWORK-STRUCTURE-SPARSITY. Filters
// are pruned to a fraction of the multiply-accumulates instead, and saved compacted too; 2:4 has one sparsity, 0.5.
// Files that exist are kept: interrupted, it goes on after the last one, in the same bits. Beside each model a JSON file
// has its figures; each is printed as a line.

import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { addon } from '../../dist/bindings/load.js'
import { planSteps } from '../../dist/lib/compression/plan.js'
import { cifar10, compress, evaluate, loadNetwork, pgd, pruneMask } from '../../dist/lib/index.js'
import { remainingMacs } from '../../dist/lib/pruning/sparsity.js'
import { FIRST_STEP } from '../../dist/lib/training/plan.js'

const { values: options } = parseArgs({
  options: {
    data: { type: 'string' },
    out: { type: 'string' },
    network: { type: 'string' },
    dense: { type: 'string' },
    structures: { type: 'string', default: 'unstructured,v32x2,filter' },
    sparsities: { type: 'string', default: '0.8,0.9,0.95' },
    train: { type: 'string' },
    steps: { type: 'string', default: '4' },
    'epochs-per-step': { type: 'string', default: '1' },
    'learning-rate': { type: 'string', default: '0.01' },
    batch: { type: 'string', default: '128' },
    precision: { type: 'string', default: 'bf16' },
    augment: { type: 'string', default: 'standard' },
    'pgd-steps': { type: 'string' },
    exclude: { type: 'string' },
    macs: { type: 'string', default: '0.1' },
    test: { type: 'string', default: '1000' },
    threads: { type: 'string', default: String(cpus().length) },
    device: { type: 'string', default: 'cpu' },
    seed: { type: 'string', default: '0' },
  },
})
for (const flag of ['data', 'out', 'network'])
  if (options[flag] === undefined)
    throw new Error(`--${flag} is missing; the first lines of this file say how`)
const { out, network: name, device, precision } = options
const densePath = options.dense ?? join(out, `${name}-dense.safetensors`)
if (!existsSync(densePath)) throw new Error(`--dense: there is no ${densePath}; train it and save it there`)

mkdirSync(out, { recursive: true })
addon().setThreads(Number(options.threads))
const data = await cifar10(options.data, { device })
const images = options.train === undefined ? data.train : data.train.take(Number(options.train))
const attack = pgd({ epsilon: 8 / 255, stepSize: 2 / 255, steps: 10 })
const dense = await loadNetwork(densePath, { device })
const layout = dense.parameterLayout
const { objective } = dense.history
const tuning =
  options['pgd-steps'] === undefined ? {} : { objective: withSteps(Number(options['pgd-steps'])) }
const exclude = options.exclude?.split(',')
const denseMacs = remainingMacs(dense.spec, layout, new Uint8Array(dense.parameterCount).fill(1))
await figures(densePath, 'dense', () => dense)

for (const structure of options.structures.split(',')) {
  const targets = await targetsOf(structure)
  const last = targets.at(-1)
  const steps = Math.max(Number(options.steps), targets.length)
  const settings = {
    structure,
    sparsity: last.sparsity,
    milestones: targets.map(({ sparsity }) => sparsity),
    schedule: 'geometric',
    steps,
    scope: 'layer',
    exclude,
    score: 'magnitude',
    residual: 'grouped',
    epochsPerStep: Number(options['epochs-per-step']),
    learningRate: Number(options['learning-rate']),
    batchSize: Number(options.batch),
    precision,
    augment: options.augment,
    seed: Number(options.seed),
    ...tuning,
  }
  const planned = planSteps('geometric', last.sparsity, steps, settings.milestones)
  const stepOf = ({ sparsity }) =>
    planned.milestones.find((milestone) => milestone.sparsity === sparsity)?.step ?? 0
  const done = targets.findLastIndex(({ path }) => existsSync(path))
  for (const target of targets.slice(0, done + 1)) if (existsSync(target.path)) await show(structure, target)
  if (done + 1 === targets.length) continue
  const network = await loadNetwork(done < 0 ? densePath : targets[done].path, { device })
  const first = done < 0 ? 1 : stepOf(targets[done]) + 1
  const start = { cursor: { step: first, phase: 'prune', train: FIRST_STEP } }
  for await (const step of compress(network, images, {
    ...settings,
    start,
    onProgress: progress(structure),
  })) {
    const target = targets.find((entry) => stepOf(entry) === step.step)
    if (target === undefined) continue
    await network.save(target.path)
    await show(structure, target, step, network)
  }
  network.dispose()
}

/** The dense network's objective with another number of PGD steps. */
function withSteps(count) {
  if (objective?.steps === undefined) throw new Error(`--pgd-steps: ${densePath} was not trained with PGD`)
  return { ...objective, steps: count }
}

/** What a structure is pruned to: sparsities in rising order, and the files they are saved in. */
async function targetsOf(structure) {
  const without = exclude === undefined ? '' : `-without-${exclude.join('-')}`
  const file = (what) => join(out, `${name}-${structure.replace(':', 'of')}${without}-${what}.safetensors`)
  if (structure === 'filter') {
    const macs = Number(options.macs)
    return [
      {
        sparsity: await filterFraction(macs),
        path: file(`macs${macs}`),
        compact: file(`macs${macs}-compact`),
      },
    ]
  }
  const sparsities = structure === '2:4' ? [0.5] : options.sparsities.split(',').map(Number)
  return sparsities.toSorted((a, b) => a - b).map((sparsity) => ({ sparsity, path: file(sparsity) }))
}

/** The fraction of filters that leaves a fraction of the multiply-accumulates: how many go decides it, not which. */
async function filterFraction(wanted) {
  const { spec, parameters, mask: previous } = await dense.read()
  let [low, high] = [0, 1]
  for (let step = 0; step < 16; ++step) {
    const sparsity = (low + high) / 2
    const request = {
      spec,
      layout,
      parameters,
      previous,
      structure: 'filter',
      residual: 'grouped',
      sparsity,
      exclude,
    }
    // What goes too far, so that a layer would lose its last filter, is too much as well.
    const macs = await pruneMask(request).then(
      ({ mask }) => remainingMacs(spec, layout, mask),
      () => 0,
    )
    if (macs > wanted * denseMacs) low = sparsity
    else high = sparsity
  }
  return Math.ceil(high * 1e5) / 1e5
}

/** Prints a model's line, and that of its compacted copy, which is made where it is missing. */
async function show(structure, target, step, held) {
  const { path, compact } = target
  await figures(path, structure, () => held ?? loadNetwork(path, { device }), step)
  if (compact === undefined) return
  if (!existsSync(compact)) {
    const network = held ?? (await loadNetwork(path, { device }))
    const smaller = await network.compact()
    await smaller.save(compact)
    smaller.dispose()
    if (network !== held) network.dispose()
  }
  await figures(compact, `${structure}, compacted`, () => loadNetwork(compact, { device }))
}

/** Prints a model's figures, measured or as they were measured before. */
async function figures(path, what, open, step) {
  const file = path.replace(/(\.safetensors)?$/, '.json')
  if (!existsSync(file)) {
    const network = await open()
    const { mask } = await network.read()
    const macs = remainingMacs(network.spec, network.parameterLayout, mask)
    const count = Number(options.test)
    const { n, accuracy, era, perSample } = await evaluate(network, data.test, { attack, images: count })
    const row = {
      network: name,
      what,
      sparsity: await network.sparsity(),
      macs: { left: macs, fraction: macs / denseMacs },
      loss: perSample.losses.reduce((sum, loss) => sum + loss, 0) / n,
      n,
      accuracy,
      era,
      attack,
      objective: network.history.fineTunedWith ?? network.history.objective ?? null,
      ...(step && { target: step.target, matched: step.matched, trainingLoss: step.loss, tuned: tuned() }),
    }
    writeFileSync(file, `${JSON.stringify(row, null, 2)}\n`)
    if (network !== dense && step === undefined) network.dispose()
  }
  const row = JSON.parse(readFileSync(file, 'utf8'))
  const percent = (fraction) => `${(100 * fraction).toFixed(2)} %`
  const interval = ({ value, low, high }) => `${value.toFixed(1)} [${low.toFixed(1)}, ${high.toFixed(1)}] %`
  console.log(
    `${row.network} ${row.what}: sparsity ${percent(row.sparsity)}, ${percent(row.macs.fraction)} of the MACs, ` +
      `loss ${row.loss.toFixed(3)}, accuracy ${interval(row.accuracy)}, ERA ${interval(row.era)} (n = ${row.n})  ${path}`,
  )
}

/** How a network was fine-tuned. */
function tuned() {
  const { train, steps, batch, seed } = options
  const [epochsPerStep, learningRate] = [options['epochs-per-step'], options['learning-rate']]
  return { images: train ?? 'all', exclude, steps, epochsPerStep, learningRate, batch, precision, seed }
}

/** A line on stderr about every ten seconds. */
function progress(structure) {
  let next = performance.now() + 1e4
  return ({ pruneStep, pruneSteps, samples, totalSamples, loss }) => {
    if (performance.now() < next) return
    next = performance.now() + 1e4
    const done = ((100 * samples) / totalSamples).toFixed(0)
    console.error(
      `${name} ${structure} step ${pruneStep}/${pruneSteps}: ${done} %, loss ${loss?.toFixed(3) ?? ''}`,
    )
  }
}
