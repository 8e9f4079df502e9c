import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { readCifar10 } from '../../lib/data/cifar10.js'
import { fetchCifar10 } from '../../lib/data/index.js'
import { readNpz } from '../../lib/data/npz.js'
import { fileHash } from '../../lib/files/hash.js'
import { readJson } from '../../lib/files/json.js'
import { takeLock } from '../../lib/files/lock.js'
import { readBytes, readText } from '../../lib/files/read.js'
import { readSafetensors } from '../../lib/files/safetensors.js'
import { readTorchModel } from '../../lib/formats/torch/import.js'
import { readModel } from '../../lib/models/modelFile.js'
import { readRecipeFile } from '../../lib/recipes/recipeFile.js'
import { Metrics, readEvents } from '../../lib/runs/metrics.js'
import { readOutcomes, readResult } from '../../lib/runs/result.js'
import { readRunEnvironment, readRunRecipe } from '../../lib/runs/run.js'
import { temporaryFolder } from '../helpers.js'

/** Makes at a path what is no file, or is endless. */
const others: [string, (path: string) => void][] = [
  ['a pipe', (path) => execFileSync('mkfifo', [path])],
  [
    'a link to a pipe',
    (path) => {
      execFileSync('mkfifo', [`${path}.pipe`])
      symlinkSync(`${path}.pipe`, path)
    },
  ],
  ['an endless device', (path) => symlinkSync('/dev/zero', path)],
  ['a folder', (path) => mkdirSync(path)],
  ['a link to itself', (path) => symlinkSync(path, path)],
]

/** Every reader of files, by what it reads. */
const readers: [string, (path: string) => Promise<unknown>][] = [
  ['bytes', readBytes],
  ['text', readText],
  ['JSON', readJson],
  ['a hash', fileHash],
  ['safetensors', readSafetensors],
  ['a model', readModel],
  ['npz', readNpz],
  ['a recipe', readRecipeFile],
  ['a PyTorch file', (path) => readTorchModel(path, 'vgg16')],
  ['a result', readResult],
  ['outcomes', readOutcomes],
  ['events', readEvents],
  ['a log', (path) => Metrics.open(path)],
  ['a lock', (path) => takeLock(path, 'run')],
]

describe('what is no regular file', () => {
  for (const [what, make] of others) {
    it.each(readers)(`is refused at once: ${what} for %s`, async (_name, read) => {
      const path = join(temporaryFolder(), 'file')
      make(path)
      await expect(read(path)).rejects.toMatchObject({
        code: 'ERR_FILE',
        message: expect.stringMatching(/^[^\n]*\/file[^\n]*(not a regular file|a folder|leads to itself)/),
      })
    })
  }

  it.each(others)('is refused in the place of a batch of CIFAR-10: %s', async (_name, make) => {
    const folder = temporaryFolder()
    for (const n of [2, 3, 4, 5]) writeFileSync(join(folder, `data_batch_${n}.bin`), '')
    writeFileSync(join(folder, 'test_batch.bin'), '')
    make(join(folder, 'data_batch_1.bin'))
    await expect(readCifar10(folder)).rejects.toMatchObject({ code: 'ERR_FILE' })
    await expect(fetchCifar10(folder)).rejects.toMatchObject({ code: 'ERR_FILE' })
  })

  it.each(others.filter(([name]) => name !== 'a link to itself'))(
    'is refused in the place of the files of a run: %s',
    async (_name, make) => {
      const run = temporaryFolder()
      make(join(run, 'recipe.json'))
      await expect(readRunRecipe(run)).rejects.toMatchObject({ code: 'ERR_FILE' })
      make(join(run, 'environment.json'))
      await expect(readRunEnvironment(run)).rejects.toMatchObject({ code: 'ERR_FILE' })
    },
  )
})

describe('a file of a terabyte of nothing', () => {
  const whole = readers.filter(([name]) => !['a hash', 'safetensors', 'a model'].includes(name))
  it.each(whole)('is refused for its size: %s', async (_name, read) => {
    const path = join(temporaryFolder(), 'file')
    writeFileSync(path, '')
    truncateSync(path, 2 ** 40)
    await expect(read(path)).rejects.toThrow(/it has 1099511627776 bytes; at most \d+ are read/)
  })

  it('is no model, by its first bytes', async () => {
    const path = join(temporaryFolder(), 'file')
    writeFileSync(path, '')
    truncateSync(path, 2 ** 40)
    await expect(readModel(path)).rejects.toThrow('does not start with')
  })
})

describe('readEvents', () => {
  it('leaves a log that is being written as it is', async () => {
    const path = join(temporaryFolder(), 'metrics.ndjson')
    const text = '{"event":"warning","message":"x"}\n{"event":"fini'
    writeFileSync(path, text)
    expect(await readEvents(path)).toEqual([{ event: 'warning', message: 'x' }])
    expect(await readText(path)).toBe(text)
    const missing = join(temporaryFolder(), 'none')
    await expect(readEvents(missing)).rejects.toMatchObject({ code: 'ERR_FILE' })
    expect(existsSync(missing)).toBe(false)
  })
})
