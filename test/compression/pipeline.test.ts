import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { resumeRun, runRecipe } from '../../lib/compression/pipeline.js'
import { loadNetwork } from '../../lib/models/network.js'
import { parseRecipe } from '../../lib/recipes/recipe.js'
import { setValue } from '../../lib/recipes/recipeFile.js'
import { type OutcomeFile, type RunResult, readOutcomes } from '../../lib/runs/result.js'
import { temporaryFolder } from '../helpers.js'

const written = {
  seed: 3,
  data: { set: 'builtin', train: 96, test: 40, validation: 20 },
  network: { name: 'cifarLarge', scale: 0.05 },
  pretrain: { objective: { kind: 'adversarial', steps: 1 }, epochs: 2, batchSize: 32 },
  prune: { sparsity: 0.75, steps: 2, epochsPerStep: 1, milestones: [0.5] },
  finetune: ['none', 'natural', 'matched'],
}
const recipe = (...changes: string[]) =>
  parseRecipe(changes.reduce<Record<string, unknown>>(setValue, structuredClone(written)))

const json = (...path: string[]) => JSON.parse(readFileSync(join(...path), 'utf8')) as unknown
const events = (path: string) =>
  readFileSync(join(path, 'metrics.ndjson'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>)
const withoutTimes = (result: RunResult) => ({ ...result, seconds: 0 })
const models = (path: string) =>
  readdirSync(join(path, 'checkpoints'))
    .sort()
    .map((name) => [name, readFileSync(join(path, 'checkpoints', name)).toString('base64')])

describe('runRecipe', () => {
  it('compares branches from one dense network, and keeps all that is needed to check them', async () => {
    const path = join(temporaryFolder(), 'run')
    const fractions: number[] = []
    const result = await runRecipe(recipe(), path, { onProgress: ({ fraction }) => fractions.push(fraction) })

    const names = ['dense', 'none-50', 'none-75', 'natural-50', 'natural-75', 'matched-50', 'matched-75']
    expect(result.rows.map(({ name }) => name)).toEqual(names)
    expect(result.rows.map(({ matched }) => matched)).toEqual([null, null, null, false, false, true, true])
    expect(json(path, 'result.json')).toEqual(result)
    expect(readdirSync(join(path, 'checkpoints')).sort()).toEqual(
      names.map((name) => `${name}.safetensors`).sort(),
    )

    for (const row of result.rows) {
      const outcome = json(path, 'outcomes', `${row.name}.json`) as OutcomeFile
      const right = outcome.labels.filter((label, index) => label === outcome.predictions[index])
      expect(row.accuracy.successes).toBe(right.length)
      expect(row.era.successes).toBeLessThanOrEqual(row.accuracy.successes)
      expect(row.n).toBe(40)
      expect(row.validation?.accuracy.n).toBe(20)
      const network = await loadNetwork(join(path, 'checkpoints', `${row.name}.safetensors`))
      expect(await network.sparsity()).toBe(row.sparsity)
    }
    expect(events(path).filter(({ event }) => event === 'mismatch')).toMatchObject([{ branch: 'natural' }])
    expect(json(path, 'environment.json')).toMatchObject({
      identity: result.identity,
      seed: 3,
      device: 'cpu',
    })
    expect(fractions).toEqual([...fractions].sort((a, b) => a - b))
    expect(fractions.at(-1)).toBeCloseTo(1, 5)
    expect(existsSync(join(path, 'lock'))).toBe(false)
  })

  it('runs the recipe it recorded to the same result', async () => {
    const folder = temporaryFolder()
    const first = await runRecipe(recipe('finetune=matched'), join(folder, 'a'))
    const again = await runRecipe(parseRecipe(json(folder, 'a', 'recipe.json')), join(folder, 'b'))
    expect(withoutTimes(again)).toEqual(withoutTimes(first))
    expect(models(join(folder, 'b'))).toEqual(models(join(folder, 'a')))
  })

  it('takes the dense network of a run with the same pre-training, and ends in the same bits', async () => {
    const folder = temporaryFolder()
    const [whole, dense, pruned] = [join(folder, 'whole'), join(folder, 'dense'), join(folder, 'pruned')]
    const alone = await runRecipe(recipe('finetune=matched'), whole)
    await runRecipe(recipe('prune=', 'name=other'), dense)
    const labels: string[] = []
    const shared = await runRecipe(recipe('finetune=matched'), pruned, {
      pretrained: dense,
      onProgress: ({ label }) => labels.push(label),
    })
    expect(withoutTimes(shared)).toEqual(withoutTimes(alone))
    expect(models(pruned)).toEqual(models(whole))
    expect(json(pruned, 'outcomes', 'dense.json')).toEqual(json(whole, 'outcomes', 'dense.json'))
    expect(labels.filter((label) => /pre-train|dense/.test(label))).toEqual([])
    const kinds = (path: string) => events(path).map(({ event }) => event)
    expect(kinds(pruned).filter((kind) => kind !== 'pretrained')).toEqual(kinds(whole))

    // Figures under another attack are measured anew.
    const other = await runRecipe(recipe('finetune=matched', 'evaluate.attack=pgd2'), join(folder, 'other'), {
      pretrained: dense,
    })
    expect(other.rows[0]?.accuracy).toEqual(alone.rows[0]?.accuracy)
    expect(other.attack).toMatchObject({ steps: 2 })
  })

  it('refuses the dense network of another pre-training, and writes nothing', async () => {
    const folder = temporaryFolder()
    const dense = join(folder, 'dense')
    await runRecipe(recipe('prune='), dense)
    for (const change of ['seed=4', 'pretrain.epochs=1', 'network.scale=0.04', 'data.train=64']) {
      const path = join(folder, 'pruned')
      await expect(runRecipe(recipe(change), path, { pretrained: dense })).rejects.toThrow(
        /cannot take the dense network of .*: its pre-training is another one/,
      )
      expect(existsSync(path)).toBe(false)
    }
  })

  it('starts from a model, and remembers what that was trained with', async () => {
    const folder = temporaryFolder()
    await runRecipe(recipe('prune=', 'pretrain.epochs=1'), join(folder, 'a'))
    const from = join(folder, 'a', 'checkpoints', 'dense.safetensors')
    const { pretrain: _, ...rest } = written
    const result = await runRecipe(
      parseRecipe({ ...rest, pretrain: { from, batchSize: 32 }, finetune: 'matched' }),
      join(folder, 'b'),
    )
    expect(result.objective).toMatchObject({ kind: 'adversarial', steps: 1 })
    expect(result.rows.at(-1)).toMatchObject({ matched: true })
    const other = parseRecipe({ ...rest, network: { name: 'cifarLarge', scale: 0.1 }, pretrain: { from } })
    await expect(runRecipe(other, join(folder, 'c'))).rejects.toThrow(
      `recipe.pretrain.from: ${from}: these are weights of another network`,
    )
    expect(existsSync(join(folder, 'c'))).toBe(false)
  })

  it('keeps a checkpoint of every step when asked to', async () => {
    const path = join(temporaryFolder(), 'run')
    await runRecipe(recipe('prune.keep=steps', 'prune.milestones=', 'finetune=natural'), path)
    expect(readdirSync(join(path, 'checkpoints')).sort()).toEqual([
      'dense.safetensors',
      'natural-75.safetensors',
      'natural-step1.safetensors',
    ])
  })

  it('overwrites nothing', async () => {
    const path = join(temporaryFolder(), 'run')
    await runRecipe(recipe('prune='), path)
    const before = models(path)
    await expect(runRecipe(recipe('prune='), path)).rejects.toThrow(`coppice resume ${path}`)
    expect(models(path)).toEqual(before)
    const full = temporaryFolder()
    writeFileSync(join(full, 'thesis.txt'), 'mine')
    await expect(runRecipe(recipe('prune='), full)).rejects.toThrow('is not empty (it holds thesis.txt)')
  })

  it.each([
    ['device=cuda:99', 'ERR_DEVICE'],
    ['prune.structure=filter prune.sparsity=0.999', 'ERR_INVALID_ARGUMENT'],
    ['prune.structure=2:4 prune.sparsity=0.6', 'ERR_INVALID_ARGUMENT'],
    ['prune.milestones=[0.9]', 'ERR_INVALID_ARGUMENT'],
    ['evaluate.images=41', 'ERR_INVALID_ARGUMENT'],
    ['evaluate.precision=fp64', 'ERR_INVALID_ARGUMENT'],
    ['prune.precision=fp64', 'ERR_INVALID_ARGUMENT'],
    ['pretrain.schedule={ kind: steps, at: [0.1, 0.2], factor: 100000 }', 'ERR_INVALID_ARGUMENT'],
    ['evaluate.verify={ verifiers: [{ kind: crown, memory: 1000 }] }', 'ERR_INVALID_ARGUMENT'],
    ['evaluate.verify={ verifiers: [{ kind: cascade, memory: 1000 }] }', 'ERR_INVALID_ARGUMENT'],
    ['network.name=vgg61', 'ERR_INVALID_ARGUMENT'],
    ['data={set: cifar10, folder: /nowhere}', 'ERR_FILE'],
    ['data={set: cifar10}', 'ERR_INVALID_ARGUMENT'],
    ['pretrain.from=/nowhere.safetensors', 'ERR_FILE'],
  ])('refuses %s before anything is written', async (changes, code) => {
    const path = join(temporaryFolder(), 'run')
    await expect(runRecipe(recipe(...changes.split(/ (?=prune)/)), path)).rejects.toMatchObject({ code })
    expect(existsSync(path)).toBe(false)
  })
})

describe('resumeRun', () => {
  it('ends in the same bits wherever a run was stopped', async () => {
    const folder = temporaryFolder()
    const straight = await runRecipe(recipe(), join(folder, 'straight'))
    const path = join(folder, 'stopped')
    let stops = 0
    let result: RunResult | undefined
    while (result === undefined) {
      const controller = new AbortController()
      let reports = 0
      const hooks = {
        signal: controller.signal,
        // Each time a little further than the last.
        onProgress: () => ++reports > 2 + (stops % 5) && controller.abort(new Error('stopped')),
        checkpointSeconds: 0,
      }
      try {
        result = await (stops === 0 ? runRecipe(recipe(), path, hooks) : resumeRun(path, hooks))
      } catch (error) {
        expect((error as Error).message).toBe('stopped')
        expect(++stops).toBeLessThan(100)
      }
    }
    expect(stops).toBeGreaterThan(5)
    expect(withoutTimes(result)).toEqual(withoutTimes(straight))
    expect(models(path)).toEqual(models(join(folder, 'straight')))
    const told = (run: string) =>
      events(run)
        .filter(({ event }) => event !== 'resume' && event !== 'finish')
        .map(({ time, ...event }) => event)
    expect(told(path)).toEqual(told(join(folder, 'straight')))
  })

  it('gives the result of a finished run without computing anything', async () => {
    const path = join(temporaryFolder(), 'run')
    const result = await runRecipe(recipe('prune='), path)
    const before = events(path)
    expect(await resumeRun(path)).toEqual(result)
    expect(events(path)).toEqual(before)
  })

  it('says so when files of a finished run are gone or damaged', async () => {
    const path = join(temporaryFolder(), 'run')
    await runRecipe(recipe('prune='), path)
    const model = join(path, 'checkpoints', 'dense.safetensors')
    const whole = readFileSync(model)
    const flipped = Buffer.from(whole)
    flipped[whole.length - 9] = (flipped[whole.length - 9] ?? 0) ^ 4
    writeFileSync(model, flipped)
    await expect(resumeRun(path)).rejects.toMatchObject({
      code: 'ERR_FILE',
      message: expect.stringContaining('checksum differs'),
    })
    for (const file of [model, join(path, 'outcomes', 'dense.json')]) {
      const bytes = readFileSync(file)
      rmSync(file)
      await expect(resumeRun(path)).rejects.toMatchObject({
        code: 'ERR_FILE',
        message: expect.stringMatching(/was finished, but 1 of its 2 files are gone/),
      })
      writeFileSync(file, bytes)
    }
    writeFileSync(model, whole)
    expect((await resumeRun(path)).rows).toHaveLength(1)
  })

  it.each(['{}', 'null', '[]', '7', '"x"', '{"rows":[null]}', '', '[[[['])(
    'reads no file of a run that holds %s',
    async (text) => {
      const path = join(temporaryFolder(), 'run')
      await runRecipe(recipe('prune='), path)
      const damaged = { code: 'ERR_FILE', message: expect.stringMatching(/^[^\n]{1,400}$/) }
      const instead = async (file: string, read: () => Promise<unknown>) => {
        const before = readFileSync(join(path, file))
        writeFileSync(join(path, file), text)
        await expect(read(), file).rejects.toMatchObject(damaged)
        expect(readFileSync(join(path, file), 'utf8')).toBe(text)
        writeFileSync(join(path, file), before)
      }
      await instead('result.json', () => resumeRun(path))
      await instead('outcomes/dense.json', () => readOutcomes(join(path, 'outcomes', 'dense.json')))
      rmSync(join(path, 'result.json'))
      await instead('recipe.json', () => resumeRun(path))
      await instead('environment.json', () => resumeRun(path))
    },
  )

  it('warns when the environment changed', async () => {
    const path = join(temporaryFolder(), 'run')
    const controller = new AbortController()
    const stopped = runRecipe(recipe(), path, {
      signal: controller.signal,
      onProgress: () => controller.abort(new Error('stopped')),
    })
    await expect(stopped).rejects.toThrow('stopped')
    const { threads } = json(path, 'environment.json') as { threads: number }
    const result = await resumeRun(path, { threads: threads + 1 })
    expect(result.warnings.join()).toContain(`threads ${threads} → ${threads + 1}`)
  })

  it('goes on with another number of devices, says so, and ends where one device does', async () => {
    const folder = temporaryFolder()
    const exact = [
      'pretrain.precision=fp64',
      'prune.precision=fp64',
      'evaluate.precision=fp64',
      'finetune=matched',
    ]
    const alone = await runRecipe(recipe(...exact), join(folder, 'alone'))
    const path = join(folder, 'several')
    const controller = new AbortController()
    const stopped = runRecipe(recipe(...exact, 'moreDevices=[cpu]'), path, {
      signal: controller.signal,
      onProgress: ({ fraction }) => fraction > 0.3 && controller.abort(new Error('stopped')),
    })
    await expect(stopped).rejects.toThrow('stopped')
    const result = await resumeRun(path, { moreDevices: ['cpu', 'cpu'] })
    expect(result.warnings.join()).toContain('devices 2 → 3')
    expect(result.identity).toBe(alone.identity)
    const last = 'checkpoints/matched-75.safetensors'
    const [one, several] = [
      await loadNetwork(join(folder, 'alone', last)),
      await loadNetwork(join(path, last)),
    ]
    const [before, after] = [await one.read(), await several.read()]
    expect(after.mask).toEqual(before.mask)
    before.parameters.forEach((value, index) => {
      expect(Math.abs(value - Number(after.parameters[index]))).toBeLessThan(1e-8)
    })
  })

  it('refuses a changed recipe, and a folder without a run', async () => {
    const folder = temporaryFolder()
    const path = join(folder, 'run')
    const controller = new AbortController()
    const stopped = runRecipe(recipe(), path, {
      signal: controller.signal,
      onProgress: () => controller.abort(new Error('stopped')),
    })
    await expect(stopped).rejects.toThrow('stopped')
    const file = join(path, 'recipe.json')
    writeFileSync(file, readFileSync(file, 'utf8').replace('"seed": 3', '"seed": 4'))
    await expect(resumeRun(path)).rejects.toThrow('recipe.json was changed')
    await expect(resumeRun(folder)).rejects.toThrow('holds no run')
    await expect(resumeRun(join(folder, 'nothing'))).rejects.toThrow('does not exist')
  })
})
