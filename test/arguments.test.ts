import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import * as coppice from '../lib/index.js'
import { temporaryFolder, tinyImages, tinySpec } from './helpers.js'

/** Arguments that work, for every public function; what a caller without types puts in their place must be told. */
type Call = { of: (...args: never[]) => unknown; args: unknown[] }

const folder = temporaryFolder('file')
// A text is a path, too: what is written there lies in this folder.
process.chdir(folder)
const calls = new Map<string, Call>()
const junk: [string, unknown][] = [
  ['undefined', undefined],
  ['null', null],
  ['a number', 42],
  ['NaN', Number.NaN],
  ['a text', join(folder, 'nonsense')],
  ['a list', [1, 2]],
  ['an object', { what: 1 }],
  ['a function', () => 1],
  ['a promise', Promise.resolve(1)],
  ['a symbol', Symbol('s')],
  ['bytes', new Uint8Array(3)],
]

let network: coppice.Network
let data: coppice.Dataset
let engine: coppice.SparseEngine
beforeAll(async () => {
  process.env.COPPICE_CACHE = 'off'
  network = await coppice.Network.create(tinySpec(), { seed: 1 })
  data = await tinyImages(8)
  engine = await coppice.compile(network, { batch: 2, threads: 1 })
  const state = await network.read()
  const path = join(folder, 'model.safetensors')
  await network.save(path)
  const recipe = join(folder, 'recipe.yaml')
  writeFileSync(recipe, 'data: builtin\nnetwork: cifarLarge\npretrain: { epochs: 1 }\n')
  const images = data.pixels(0, 2)
  const labels = Int32Array.from(data.labels.subarray(0, 2))
  const narrow = { scale: 0.02 }
  const add = (name: string, of: (...args: never[]) => unknown, ...args: unknown[]): void => {
    calls.set(name, { of, args })
  }
  const run = { epochs: 1, batchSize: 4 }
  add('train', coppice.train, network, data, run)
  add('compress', steps, network, data, { sparsity: 0.1, steps: 1, epochsPerStep: 0 })
  add('evaluate', coppice.evaluate, network, data, { attack: coppice.pgd({ steps: 1 }) })
  add('verify', coppice.verify, network, data, { epsilon: 0.01, verifier: 'interval' })
  add('margins', coppice.margins, network, images, labels, { epsilon: 0.01, verifier: 'interval' })
  add('nodeBounds', coppice.nodeBounds, network, images, 'fc2', { epsilon: 0.01, verifier: 'interval' })
  add('compile', coppice.compile, network, { batch: 2, threads: 1 })
  add('evaluateEngine', coppice.evaluateEngine, engine, data, { images: 2 })
  add('adversarialExamples', coppice.adversarialExamples, network, images, labels, {
    attack: coppice.pgd({ steps: 1 }),
  })
  add('predictSpeedup', coppice.predictSpeedup, 'nowhere', { structure: 'filter', sparsity: 0.5 })
  const { vgg16, cifarLarge, allCnn } = coppice
  for (const [name, make] of Object.entries({ vgg16, cifarLarge, allCnn })) add(name, make, narrow)
  add('wideResNet', coppice.wideResNet, { depth: 10, widen: 1, scale: 0.1 })
  add('loadNetwork', coppice.loadNetwork, path, { device: 'cpu' })
  add('pretrained', coppice.pretrained, 'cifarLarge-mixTrain-90', { device: 'cpu' })
  add('pretrainedNames', coppice.pretrainedNames)
  add('Network.create', coppice.Network.create, tinySpec(), { seed: 1 })
  add('Network.from', coppice.Network.from, state, {})
  add('Network.load', coppice.Network.load, path, {})
  add('logits', network.logits.bind(network), images, {})
  add('write', network.write.bind(network), state)
  add('save', network.save.bind(network), join(folder, 'again.safetensors'))
  add('builtin', coppice.builtin, { train: 20, test: 2, validation: 2 })
  add('cifar10', coppice.cifar10, '/nowhere', {})
  add('dataSet', coppice.dataSet, { set: 'builtin', train: 20, test: 2 }, { device: 'cpu' })
  add('fetchData', coppice.fetchData, 'cifar10', join(folder, 'recipe.yaml'), {})
  add('fetchCifar10', coppice.fetchCifar10, join(folder, 'recipe.yaml'), {})
  const arrays = { images: new Uint8Array(12), labels: [0], shape: [3, 2, 2] }
  add('imageSet', coppice.imageSet, arrays, {})
  add(
    'Dataset.create',
    coppice.Dataset.create,
    { ...arrays, name: 'x', labels: Uint8Array.of(0), classes: 2 },
    {},
  )
  add('take', data.take.bind(data), 2)
  add('subset', data.subset.bind(data), [1])
  add('split', data.split.bind(data), { validation: 2 })
  add('engine.run', engine.run.bind(engine), images, {})
  add('engine.predict', engine.predict.bind(engine), images, {})
  add('engine.time', engine.time.bind(engine), images, { runs: 1, warmup: 0 })
  add('engine.profile', engine.profile.bind(engine), images, {})
  const { adversarial, trades, fgsm, nFgsm, mixTrain, ibp, crownIbp, sgd, adam } = coppice
  const { pgd, apgd, fab, square, autoAttack } = coppice
  const made = {
    ...{ adversarial, trades, fgsm, nFgsm, mixTrain, ibp, crownIbp, sgd, adam },
    ...{ pgd, apgd, fab, square, autoAttack },
  }
  for (const [name, make] of Object.entries(made)) add(name, make, {})
  add('natural', coppice.natural)
  add('objective', coppice.objective, 'trades')
  add('runningJobs', coppice.runningJobs)
  add('describeObjective', coppice.describeObjective, coppice.natural())
  add('sameObjective', coppice.sameObjective, coppice.natural(), coppice.trades())
  add('describeAttack', coppice.describeAttack, coppice.pgd())
  add('parseAttack', coppice.parseAttack, 'pgd10', {})
  add('attackWithin', coppice.attackWithin, 0.1, 'pgd10')
  add('verifier', coppice.verifier, 'crown')
  add('describeVerifier', coppice.describeVerifier, coppice.verifier('crown'))
  add('verdictsOf', coppice.verdictsOf, (await coppice.verify(network, data, { epsilon: 0 })).perSample)
  add('defaultOptimiser', coppice.defaultOptimiser, 'vgg16')
  add('networkSpec', coppice.networkSpec, 'vgg16', {})
  add('parseSpec', coppice.parseSpec, tinySpec())
  add('describeNetwork', coppice.describeNetwork, tinySpec())
  add('patternsOf', coppice.patternsOf, state.spec, network.parameterLayout, state.mask)
  add('pruneMask', coppice.pruneMask, {
    ...{ spec: state.spec, layout: state.layout, parameters: state.parameters },
    ...{ structure: 'unstructured', sparsity: 0.5 },
  })
  add('proportion', coppice.proportion, 1, 2)
  add('wilson', coppice.wilson, 1, 2)
  add('parseRecipe', coppice.parseRecipe, { data: 'builtin', network: 'vgg16', pretrain: {} })
  add('readRecipeFile', coppice.readRecipeFile, recipe)
  add('setValue', coppice.setValue, {}, 'seed=1')
  add('runRecipe', coppice.runRecipe, { data: 'nowhere' }, join(folder, 'run'), {})
  add('resumeRun', coppice.resumeRun, '/nowhere', {})
  add('importTorch', coppice.importTorch, '/nowhere', tinySpec(), {})
  add('readTorchModel', coppice.readTorchModel, '/nowhere', tinySpec(), {})
  add('importOnnx', coppice.importOnnx, '/nowhere', {})
  add('readOnnxModel', coppice.readOnnxModel, '/nowhere', {})
  add('readVnnlib', coppice.readVnnlib, '/nowhere')
  add('exportOnnx', coppice.exportOnnx, network, join(folder, 'x.onnx'), {})
  add('exportTorch', coppice.exportTorch, network, join(folder, 'x.pth'), {})
  add('torchModule', coppice.torchModule, tinySpec())
  add('vnnlibProperty', coppice.vnnlibProperty, images.subarray(0, images.length / 2), {
    ...{ epsilon: 0.01, label: 0, classes: 10 },
  })
  add('foldBatchNorm', coppice.foldBatchNorm, state)
  add('specSchema', coppice.specSchema)
  add('diagnose', () => undefined)
})
afterAll(() => {
  engine.dispose()
  network.dispose()
  data.dispose()
})

/** Of a generator, the first value. */
const steps = (...args: Parameters<typeof coppice.compress>) => coppice.compress(...args).next()

const outcome = async ({ of, args }: Call, changed: unknown[]): Promise<unknown> => {
  try {
    const value = await (of as (...all: unknown[]) => unknown)(...changed)
    if (value instanceof coppice.Network && args[0] !== value) value.dispose()
    return undefined
  } catch (error) {
    return error
  }
}

describe('every public function', () => {
  it('is tried here', () => {
    const isClass = (value: unknown) => /^class /.test(String(value))
    const functions = Object.entries(coppice).filter(([, value]) => typeof value === 'function')
    const untried = functions.filter(([name, value]) => !isClass(value) && !calls.has(name))
    expect(untried.map(([name]) => name)).toEqual([])
  })

  it('says in one line what is wrong with an argument, whatever is in its place', async () => {
    const complaints: string[] = []
    for (const [name, call] of calls) {
      for (const place of call.args.keys()) {
        for (const [what, value] of junk) {
          // Where there is a default, nothing stands for it.
          if (value === undefined && place >= call.of.length) continue
          const error = await outcome(call, call.args.with(place, value))
          const complaint = complaintAbout(error, value, call.args[place])
          if (complaint !== undefined) complaints.push(`${name}, argument ${place}, ${what}: ${complaint}`)
        }
      }
    }
    expect(complaints).toEqual([])
  })
})

/** What is wrong with how a wrong argument was answered, if anything. */
const complaintAbout = (error: unknown, given: unknown, expected: unknown): string | undefined => {
  if (error === undefined) {
    const taken =
      given === null || typeof given === 'symbol' || (given === 42 && typeof expected !== 'number')
    return taken ? 'was taken' : undefined
  }
  if (!(error instanceof coppice.CoppiceError)) return `threw ${String(error)}`
  const { message, code } = error
  if (!['ERR_INVALID_ARGUMENT', 'ERR_FILE'].includes(code)) return `has the code ${code}: ${message}`
  return message.includes('\n') || message.length > 600 ? `is too long: ${message}` : undefined
}

describe('a data set that is not there', () => {
  it('is missed by name, and its parts are suggested', async () => {
    const parts: Record<string, coppice.Dataset> = { train: data, test: data }
    await expect(coppice.train(network, parts.tran as coppice.Dataset, { epochs: 1 })).rejects.toMatchObject({
      code: 'ERR_INVALID_ARGUMENT',
      message: expect.stringMatching(/train: the data set is missing.*data\.train/),
    })
    const all = parts as unknown as coppice.Dataset
    await expect(coppice.evaluate(network, all)).rejects.toThrow('choose one, such as data.train')
    const promised = Promise.resolve(network) as unknown as coppice.Network
    await expect(coppice.evaluate(promised, data)).rejects.toThrow('is an await missing?')
  })
})
