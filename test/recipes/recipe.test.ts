import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { CoppiceError } from '../../lib/base/errors.js'
import { networkSpec } from '../../lib/networks/index.js'
import { CIFAR10_NORMALIZATION } from '../../lib/networks/options.js'
import { mixTrain } from '../../lib/objectives/index.js'
import { parseRecipe } from '../../lib/recipes/recipe.js'
import { readRecipeFile, setValue } from '../../lib/recipes/recipeFile.js'
import { branchesOf, identityOf, resolveNetwork, resolveRecipe } from '../../lib/recipes/resolve.js'
import { temporaryFolder } from '../helpers.js'

const minimal = { data: 'builtin', network: 'cifarLarge', pretrain: { epochs: 3 } }
const surroundings = {
  shape: [3, 32, 32],
  classes: 10,
  trainImages: 6000,
  testImages: 1000,
  augment: 'none',
  normalize: CIFAR10_NORMALIZATION,
} as const
const resolve = (recipe: unknown) =>
  resolveRecipe(parseRecipe(recipe), networkSpec('cifarLarge'), { ...surroundings, shape: [3, 32, 32] })

const refusal = (recipe: unknown): string => {
  try {
    parseRecipe(recipe)
  } catch (error) {
    expect(error).toBeInstanceOf(CoppiceError)
    expect((error as CoppiceError).message).not.toContain('\n')
    return (error as CoppiceError).message
  }
  throw new Error('the recipe was not refused')
}

describe('parseRecipe', () => {
  it('reads fractions, words that stand for objects, and fills in the paper’s defaults', () => {
    const recipe = parseRecipe({
      ...minimal,
      pretrain: { objective: { kind: 'adversarial', epsilon: '4/255' }, epochs: 3 },
      prune: { sparsity: 0.9 },
    })
    expect(recipe.network).toEqual({ name: 'cifarLarge' })
    expect(recipe.pretrain.objective).toEqual({
      kind: 'adversarial',
      epsilon: 4 / 255,
      stepSize: 2 / 255,
      steps: 10,
      start: 'uniform',
    })
    expect(recipe.prune).toMatchObject({
      steps: 40,
      epochsPerStep: 5,
      learningRate: 0.001,
      scope: 'layer',
      schedule: 'geometric',
      structure: 'unstructured',
      score: 'magnitude',
    })
    expect(recipe.finetune).toEqual(['matched'])
  })

  it('names the place of an unknown key and suggests the nearest', () => {
    expect(refusal({ ...minimal, prune: { sparsty: 0.9 } })).toBe(
      'recipe.prune: unknown key "sparsty"; did you mean "sparsity"? (and 1 more)',
    )
    expect(refusal({ ...minimal, pretran: {} })).toContain('unknown key "pretran"; did you mean "pretrain"?')
    expect(refusal({ ...minimal, pretrain: { objective: { kind: 'adversarial', epsilom: 1 } } })).toContain(
      'recipe.pretrain.objective: unknown key "epsilom"; did you mean "epsilon"?',
    )
  })

  it.each([
    [{ prune: { sparsity: 1 } }, 'recipe.prune.sparsity'],
    [{ prune: { sparsity: -0.1 } }, 'recipe.prune.sparsity'],
    [
      { pretrain: { objective: { kind: 'adversarial', epsilon: -0.1 } } },
      'recipe.pretrain.objective.epsilon',
    ],
    [
      { pretrain: { objective: { kind: 'adversarial', epsilon: '300/255' } } },
      'recipe.pretrain.objective.epsilon',
    ],
    [{ pretrain: { objective: 'adversrial' } }, 'did you mean "adversarial"?'],
    [{ pretrain: { epochs: 1.5 } }, 'recipe.pretrain.epochs'],
    [{ pretrain: { learningRate: 0 } }, 'recipe.pretrain.learningRate'],
    [{ device: 'gpu' }, 'recipe.device'],
    [{ data: { set: 'cifar' } }, 'recipe.data'],
    [{ finetune: ['matched', 'nun'] }, 'recipe.finetune[1]'],
    [{ evaluate: { attack: 'pgd10y' } }, 'pgd10y'],
    [{ evaluate: { verify: 'symbolc' } }, 'recipe.evaluate.verify.verifiers[0]'],
    [{ evaluate: { verify: ['symbolic', 'crwn'] } }, 'did you mean "crown"?'],
    [{ evaluate: { verify: { epsilon: 2 } } }, 'recipe.evaluate.verify.epsilon'],
    [{ evaluate: { verify: { verifer: 'crown' } } }, 'did you mean "verifiers"?'],
  ])('refuses %j by name', (change, place) => {
    expect(refusal({ ...minimal, ...change })).toContain(place)
  })

  it.each([
    ['learningRate', 1e30, 'must be greater than 0 and at most 1000000'],
    ['batchSize', 1e9, 'must be at most 16777216'],
  ])('refuses a %s that the engine cannot take', (key, value, message) => {
    const recipe = { data: 'builtin', network: 'vgg16', pretrain: { [key]: value } }
    expect(() => parseRecipe(recipe)).toThrow(`recipe.pretrain.${key}: ${message}`)
  })

  it('takes no number without a limit, wherever it stands', () => {
    const numbersIn = (value: unknown, path: string[] = []): string[][] =>
      typeof value === 'number'
        ? [path]
        : typeof value === 'object' && value !== null
          ? Object.entries(value).flatMap(([key, inner]) => numbersIn(inner, [...path, key]))
          : []
    const attack = { epsilon: 0.1, stepSize: 0.1, steps: 1 }
    const mix = {
      kind: 'mixTrain',
      epsilon: 0.1,
      k: 1,
      alpha: 0.5,
      weight: 1,
      weightGrowth: 2,
      weightSteps: 3,
      maxWeight: 4,
    }
    const full = {
      ...{ seed: 1, threads: 1 },
      data: { set: 'builtin', train: 1, test: 1, validation: 0, seed: 1 },
      network: { name: 'x', scale: 1, classes: 2, input: [1, 1, 1], normalize: { mean: [1], std: [1] } },
      pretrain: {
        objective: { kind: 'trades', ...attack, beta: 1 },
        optimiser: { kind: 'adam', beta1: 0.1, beta2: 0.1, epsilon: 0.1, weightDecay: 0.1 },
        schedule: { kind: 'steps', at: [0.5], factor: 0.1 },
        ...{ epochs: 1, learningRate: 1, rampEpochs: 1, batchSize: 1, augment: { pad: 1, flip: true } },
      },
      prune: {
        optimiser: { kind: 'sgd', momentum: 0.5, weightDecay: 0 },
        ...{ sparsity: 0.5, steps: 1, epochsPerStep: 1, learningRate: 1, milestones: [0.1], scoreEpochs: 1 },
        ...{ scoreLearningRate: 1, batchSize: 1, augment: { pad: 1, flip: true } },
      },
      finetune: [{ kind: 'adversarial', ...attack }, mix, { kind: 'ibp', epsilon: 0.1, kappa: 0.5 }],
      evaluate: {
        ...{ attack: { ...attack, restarts: 1 }, images: 1, batchSize: 1 },
        verify: { verifiers: [{ kind: 'alphaCrown', memory: 1, iterations: 1 }], epsilon: 0.1, images: 1 },
      },
    }
    parseRecipe(full)
    const places = numbersIn(full)
    expect(places.length).toBeGreaterThan(60)
    for (const place of places) {
      for (const value of ['1e31', '.nan', '.inf', '-1e31']) {
        const said = refusal(setValue(full, `${place.join('.')}=${value}`))
        // Of alternatives such as false or { mean, std } the place is named, not which of its numbers.
        expect(said, place.join('.')).toContain(
          `recipe.${place
            .slice(0, 2)
            .join('.')
            .replace(/\.(\d+)/, '[$1]')}`,
        )
      }
    }
  })

  it('refuses lists that nobody writes before it looks at their entries', () => {
    const many = Array.from({ length: 50_000 }, () => 'x')
    expect(refusal({ ...minimal, prune: { sparsity: 0.5, milestones: many } })).toMatch(/50000 entries/)
    expect(refusal({ ...minimal, finetune: many })).toMatch(/50000 entries/)
    expect(refusal({ ...minimal, evaluate: { verify: many } })).toMatch(/50000 entries/)
    expect(refusal({ ...minimal, data: Array.from({ length: 600_000 }, () => 1) })).toMatch(/500000 values/)
  })

  it('refuses what contains itself, or is nested too deep', () => {
    const loop: Record<string, unknown> = { ...minimal }
    loop.prune = { exclude: [loop] }
    expect(refusal(loop)).toContain('contains itself')
    const deep = Array.from({ length: 100_000 }).reduce<unknown>((inner) => [inner], 1)
    expect(refusal({ ...minimal, finetune: deep })).toContain('nested more than')
  })

  it('names long texts by their beginning', () => {
    for (const key of ['device', 'network', 'data', 'finetune', 'x'.repeat(100_000)]) {
      expect(refusal({ ...minimal, [key]: 'y'.repeat(100_000) }).length).toBeLessThan(300)
    }
  })

  it('takes an empty value for one that is not given', () => {
    expect(parseRecipe({ ...minimal, prune: null, threads: null })).toEqual(parseRecipe(minimal))
  })
})

describe('resolveRecipe', () => {
  it('leaves nothing open, and is itself a recipe that resolves to the same', () => {
    const once = resolve({ ...minimal, prune: { sparsity: 0.5 }, finetune: ['none', 'matched', 'trades'] })
    expect(once.pretrain.optimiser.kind).toBe('adam')
    expect(once.evaluate).toMatchObject({ images: 1000, attack: { steps: 10, restarts: 1 } })
    expect(resolve(JSON.parse(JSON.stringify(once)))).toEqual(once)
  })

  it('starts an optimiser of another kind from its own rate', () => {
    const rate = (pretrain: object) => resolve({ ...minimal, pretrain }).pretrain.learningRate
    expect(rate({})).toBe(0.001)
    expect(rate({ optimiser: 'sgd' })).toBe(0.1)
    expect(rate({ optimiser: 'sgd', learningRate: 0.05 })).toBe(0.05)
  })

  it('evaluates with the ε that was trained against', () => {
    const { evaluate } = resolve({
      ...minimal,
      pretrain: { objective: { kind: 'adversarial', epsilon: '2/255', steps: 7 } },
    })
    expect(evaluate.attack).toMatchObject({ epsilon: 2 / 255, steps: 7, restarts: 1 })
  })

  describe('verifies', () => {
    const plan = (pretrain: object, evaluate: object = {}) =>
      resolve({ ...minimal, pretrain, evaluate }).evaluate.verify
    const mixTrain = { objective: { kind: 'mixTrain', epsilon: '2/255' } }
    const kinds = (...names: string[]) => names.map((kind) => expect.objectContaining({ kind }))

    it('networks trained on bounds, at the ε of training, by symbolic', () => {
      expect(plan(mixTrain)).toEqual({ verifiers: kinds('symbolic'), epsilon: 2 / 255, images: 1000 })
      expect(plan(mixTrain, { attack: { epsilon: '8/255' }, images: 300 })).toMatchObject({
        epsilon: 2 / 255,
        images: 300,
      })
      expect(plan({ objective: 'adversarial' })).toBeUndefined()
      expect(plan({})).toBeUndefined()
    })

    it('as it is told, else at the ε of the attack', () => {
      const words = plan({ objective: 'adversarial' }, { verify: ['symbolic', 'cascade'] })
      expect(words).toMatchObject({ verifiers: kinds('symbolic', 'cascade'), epsilon: 8 / 255, images: 1000 })
      expect(plan({}, { verify: 'crown' })?.verifiers).toEqual(kinds('crown'))
      expect(plan({}, { verify: { epsilon: '1/255', images: 7 } })).toEqual({
        verifiers: kinds('symbolic'),
        epsilon: 1 / 255,
        images: 7,
      })
      expect(plan(mixTrain, { verify: 'none' })?.verifiers).toEqual([])
      expect(() => plan({}, { images: 10, verify: { images: 11 } })).toThrow(
        'recipe.evaluate.verify.images: 11',
      )
    })

    it('the same when what was resolved is read again', () => {
      for (const verify of [undefined, 'none', ['alphaCrown', 'cascade']]) {
        const once = resolve({ ...minimal, pretrain: mixTrain, evaluate: { ...(verify && { verify }) } })
        expect(resolve(JSON.parse(JSON.stringify(once)))).toEqual(once)
      }
    })
  })

  it('refuses more test images than there are', () => {
    expect(() => resolve({ ...minimal, evaluate: { images: 1001 } })).toThrow('recipe.evaluate.images: 1001')
  })

  it('names branches, and knows which match pre-training', () => {
    const branches = branchesOf(
      resolve({
        ...minimal,
        pretrain: { objective: 'trades' },
        finetune: ['none', 'natural', 'matched', 'trades', { kind: 'trades', beta: 1 }],
      }),
    )
    expect(branches.map(({ name, matched }) => [name, matched])).toEqual([
      ['none', false],
      ['natural', false],
      ['matched', true],
      ['trades', true],
      ['trades2', false],
    ])
    expect(branches[0]?.objective).toBeUndefined()
  })
})

describe('the recipes that come with the package', () => {
  const folder = join(__dirname, '../../recipes')
  it.each(readdirSync(folder))('%s is read without a complaint, and can be resolved', async (file) => {
    const recipe = await readRecipeFile(join(folder, file))
    expect(resolve(recipe).pretrain.epochs).toBeGreaterThan(0)
  })

  // What a recipe determines is what it determined when its results were committed.
  it.each([
    ['builtin-mixtrain.yaml', 'a4ed9a19df0a50d2'],
    ['builtin.yaml', 'f9c1859a9a340af7'],
    ['cifar-large-mixtrain.yaml', '922bc6428e1be6e5'],
    ['cifar10-cpu.yaml', '650bdd76a1056d54'],
    ['cifar10-mixtrain-cpu.yaml', 'f2d937997ab7bc06'],
    ['vgg16-adversarial.yaml', 'b2995b2db724af2f'],
    ['wideresnet-adversarial.yaml', '842c2434c46bfc15'],
  ])('%s is the run that it always was', async (file, identity) => {
    const recipe = parseRecipe(await readRecipeFile(join(folder, file)))
    const data = {
      ...surroundings,
      shape: [3, 32, 32] as [number, number, number],
      testImages: 10_000,
      augment: recipe.data.set === 'cifar10' ? ('standard' as const) : ('none' as const),
    }
    const spec = await resolveNetwork(recipe, data)
    const contents = { train: 'a', validation: 'b', test: 'c' }
    expect(identityOf(resolveRecipe(recipe, spec, data), spec, contents)).toBe(identity)
  })
})

describe('what suits the data', () => {
  it.each(['none', 'standard'] as const)(
    'is augmentation "%s" unless the recipe says otherwise',
    (augment) => {
      const resolved = (pretrain: object, prune: object) =>
        resolveRecipe(
          parseRecipe({ ...minimal, pretrain, prune: { sparsity: 0.5, ...prune } }),
          networkSpec('cifarLarge'),
          { ...surroundings, shape: [3, 32, 32], augment },
        )
      const left = resolved({}, {})
      expect([left.pretrain.augment, left.prune?.augment]).toEqual([augment, augment])
      const said = resolved({ augment: { pad: 2, flip: false } }, {})
      expect([said.pretrain.augment, said.prune?.augment]).toEqual([
        { pad: 2, flip: false },
        { pad: 2, flip: false },
      ])
      expect(resolved({}, { augment: 'none' }).prune?.augment).toBe('none')
    },
  )
})

describe('recipes with objectives on bounds', () => {
  it('start gently unless they say otherwise', () => {
    const ramp = (pretrain: object) => {
      const { naturalEpochs, rampEpochs, rampPower } = resolve({ ...minimal, pretrain }).pretrain
      return [naturalEpochs, rampEpochs, rampPower]
    }
    expect(ramp({ objective: 'mixTrain', epochs: 60 })).toEqual([6, 24, 4])
    expect(ramp({ objective: 'ibp', epochs: 60 })).toEqual([6, 24, 4])
    expect(ramp({ objective: 'mixTrain', epochs: 60, rampEpochs: 0 })).toEqual([0, 0, 4])
    expect(ramp({ objective: 'mixTrain', epochs: 60, naturalEpochs: 0.5, rampPower: 1 })).toEqual([
      0.5, 24, 1,
    ])
    expect(ramp({ objective: 'mixTrain', from: 'model.safetensors' })).toEqual([0, 0, 4])
    for (const key of ['naturalEpochs', 'rampEpochs', 'rampPower']) {
      expect(refusal({ ...minimal, pretrain: { [key]: -1 } })).toContain(`recipe.pretrain.${key}`)
    }
  })

  it('stay themselves when they are resolved again', () => {
    const once = resolve({ ...minimal, pretrain: { objective: 'mixTrain' }, finetune: ['matched', 'ibp'] })
    expect(resolve(JSON.parse(JSON.stringify(once)))).toEqual(once)
  })

  it('fine-tune with another k, recorded in full as another objective', () => {
    const branches = branchesOf(
      resolve({
        ...minimal,
        pretrain: { objective: 'mixTrain' },
        finetune: ['matched', { kind: 'mixTrain', k: 1 }, 'mixTrain', 'crownIbp'],
      }),
    )
    expect(branches.map(({ name, matched }) => [name, matched])).toEqual([
      ['matched', true],
      ['mixTrain', false],
      ['mixTrain2', true],
      ['crownIbp', false],
    ])
    expect(branches[1]?.objective).toEqual(mixTrain({ k: 1 }))
    expect(refusal({ ...minimal, finetune: 'mixTran' })).toContain('did you mean "mixTrain"?')
  })
})

describe('resolveNetwork', () => {
  const network = (value: unknown, changes = {}) =>
    resolveNetwork(parseRecipe({ ...minimal, network: value }), {
      shape: [3, 32, 32],
      classes: 10,
      trainImages: 100,
      testImages: 10,
      augment: 'none',
      normalize: CIFAR10_NORMALIZATION,
      ...changes,
    })

  it('fits a named network to the images and classes of the data', async () => {
    const spec = await network(
      { name: 'cifarLarge', scale: 0.25 },
      { shape: [1, 16, 16], classes: 3, normalize: false },
    )
    expect(spec.input).toEqual([1, 16, 16])
  })

  it('normalises by the mean and deviation of the data unless the recipe says otherwise', async () => {
    const first = async (value: object, normalize: unknown) =>
      (await network({ name: 'cifarLarge', ...value }, { normalize })).nodes[0]
    const own = { mean: [0.1, 0.2, 0.3], std: [1, 2, 3] }
    const other = { mean: [0.5, 0.5, 0.5], std: [0.2, 0.2, 0.2] }
    expect(await first({}, own)).toMatchObject({ op: 'normalize', ...own })
    expect(await first({}, false)).toMatchObject({ op: 'conv2d' })
    expect(await first({ normalize: other }, own)).toMatchObject({ op: 'normalize', ...other })
    expect(await first({ normalize: false }, own)).toMatchObject({ op: 'conv2d' })
  })

  it('refuses a spec whose shapes do not fit, naming the node', async () => {
    const folder = temporaryFolder()
    const file = join(folder, 'spec.json')
    const nodes = [{ op: 'conv2d', name: 'conv', channels: 4, kernel: 99 }]
    writeFileSync(file, JSON.stringify({ name: 'bad', input: [3, 32, 32], nodes }))
    await expect(network({ file })).rejects.toThrow(/spec\.json.*conv/)
  })

  it('refuses an unknown network, images of another shape, and too few logits', async () => {
    await expect(network('vgg61')).rejects.toThrow('did you mean "vgg16"?')
    const spec = networkSpec('cifarLarge')
    await expect(network({ spec }, { shape: [1, 28, 28] })).rejects.toThrow('takes images of 3×32×32')
    await expect(network({ spec }, { classes: 100 })).rejects.toThrow('has 10 logits')
    await expect(network({ name: 'vgg16', file: 'x.json' })).rejects.toThrow('only one of name, file')
  })
})

describe('identityOf', () => {
  const contents = { train: 'a', validation: 'b', test: 'c' }
  const identity = (recipe: unknown) => identityOf(resolve(recipe), networkSpec('cifarLarge'), contents)

  it('depends on what determines the run, and on nothing else', () => {
    const first = identity(minimal)
    expect(identity({ ...minimal, name: 'other', device: 'cuda', threads: 7 })).toBe(first)
    expect(identity({ ...minimal, seed: 9 })).not.toBe(first)
    const verified = (kind: string, memory: string) =>
      identity({ ...minimal, evaluate: { verify: [{ kind, memory }] } })
    expect(verified('crown', '1GB')).toBe(verified('crown', '2GB'))
    expect(verified('crown', '1GB')).not.toBe(verified('symbolic', '1GB'))
    expect(identity({ ...minimal, pretrain: { epochs: 4 } })).not.toBe(first)
    const other = { ...contents, train: 'x' }
    expect(identityOf(resolve(minimal), networkSpec('cifarLarge'), other)).not.toBe(first)
  })
})

describe('setValue', () => {
  it('changes one value, read as YAML', () => {
    expect(setValue({ prune: { sparsity: 0.5 } }, 'prune.sparsity=0.95')).toEqual({
      prune: { sparsity: 0.95 },
    })
    expect(setValue({}, 'prune.milestones=[0.5, 0.9]')).toEqual({ prune: { milestones: [0.5, 0.9] } })
    expect(setValue({ finetune: ['none', 'natural'] }, 'finetune.1=matched')).toEqual({
      finetune: ['none', 'matched'],
    })
  })

  it('writes out words that stand for objects', () => {
    const recipe = { network: 'vgg16', data: 'builtin', pretrain: { objective: 'adversarial' } }
    const changed = ['network.scale=0.5', 'data.train=100', 'pretrain.objective.epsilon=4/255'].reduce<
      Record<string, unknown>
    >(setValue, recipe)
    expect(changed).toEqual({
      network: { name: 'vgg16', scale: 0.5 },
      data: { set: 'builtin', train: 100 },
      pretrain: { objective: { kind: 'adversarial', epsilon: '4/255' } },
    })
  })

  it('writes out how to verify', () => {
    const recipe = { evaluate: { verify: 'cascade' } }
    expect(setValue(recipe, 'evaluate.verify.images=20')).toEqual({
      evaluate: { verify: { verifiers: 'cascade', images: 20 } },
    })
  })

  it('refuses what is no assignment', () => {
    expect(() => setValue({}, 'prune.sparsity')).toThrow('expected path=value')
    expect(() => setValue({}, 'prune..x=1')).toThrow('empty key')
    expect(() => setValue({ finetune: ['none'] }, 'finetune.last=none')).toThrow('no place in the list')
    expect(() => setValue({ finetune: ['none'] }, 'finetune.4000000000=none')).toThrow('no place in the list')
    expect(setValue({ finetune: ['none'] }, 'finetune.1=natural')).toEqual({ finetune: ['none', 'natural'] })
    expect(() => setValue({}, `${'a.'.repeat(100_000)}b=1`)).toThrow(/^.{1,200}: the path has 100001 keys/)
  })
})

describe('readRecipeFile', () => {
  const written = (name: string, text: string): string => {
    const file = join(temporaryFolder(), name)
    writeFileSync(file, text)
    return file
  }

  it('reads YAML and JSON', async () => {
    const expected = { network: 'vgg16', prune: { sparsity: 0.9 } }
    expect(await readRecipeFile(written('a.yaml', 'network: vgg16\nprune: { sparsity: 0.9 }'))).toEqual(
      expected,
    )
    expect(await readRecipeFile(written('a.json', JSON.stringify(expected)))).toEqual(expected)
  })

  it.each([
    ['an alias that contains itself', 'pretrain: &a { x: *a }', 'contains itself'],
    [
      'aliases that explode',
      Array.from(
        { length: 30 },
        (_, i) => `a${i}: &a${i} [${Array(9).fill(i === 0 ? 1 : `*a${i - 1}`)}]`,
      ).join('\n'),
      'is not YAML: Excessive alias count',
    ],
    ['an alias of nothing', 'a: *b', 'Unresolved alias'],
    ['a tag', 'network: !!js/function "() => 1"', 'Unresolved tag'],
    ['another tag', 'network: !mine 3', 'Unresolved tag'],
    ['brackets without end', '['.repeat(100_000), 'nested too deep'],
    ['two documents', 'a: 1\n---\nb: 2', 'multiple documents'],
  ])('refuses %s', async (_name, text, message) => {
    await expect(readRecipeFile(written('a.yaml', text))).rejects.toMatchObject({
      code: 'ERR_FILE',
      message: expect.stringMatching(new RegExp(`^[^\\n]*a\\.yaml[^\\n]*${message}[^\\n]*$`)),
    })
    if (!text.includes('\n') && text.length < 1000) {
      expect(() => setValue({}, `prune=${text}`)).toThrow(CoppiceError)
    }
  })

  it('says on one line what is wrong with a file', async () => {
    await expect(readRecipeFile(written('a.yaml', 'a: b: c'))).rejects.toThrow(
      /a\.yaml is not YAML: .* at line 1/,
    )
    await expect(readRecipeFile(written('a.json', '{'))).rejects.toThrow('a.json is not JSON')
    await expect(readRecipeFile(written('a.yaml', '- 1'))).rejects.toThrow('holds no recipe')
    await expect(readRecipeFile('/nowhere/a.yaml')).rejects.toThrow('there is no such file')
  })
})
