import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { runRecipe } from '../../lib/compression/pipeline.js'
import { type GridStatus, type Plan, readGrid, type TaskResult } from '../../lib/grids/index.js'
import { parseRecipe } from '../../lib/recipes/recipe.js'
import { coppice, startCoppice } from '../cli/command.js'
import { temporaryFolder } from '../helpers.js'

const RECIPE = {
  threads: 1,
  data: { set: 'builtin', train: 64, test: 20 },
  network: { name: 'cifarLarge', scale: 0.05 },
  pretrain: { objective: { kind: 'adversarial', steps: 1 }, epochs: 2, batchSize: 32 },
  prune: { sparsity: 0.5, steps: 1, epochsPerStep: 1 },
}

/** A grid file in a folder of its own, and the folder of the grid. */
const gridFile = (content: object) => {
  const above = temporaryFolder()
  const [file, folder] = [join(above, 'sweep.json'), join(above, 'grid')]
  writeFileSync(file, JSON.stringify(content))
  return { file, folder }
}
const json = <Value>(...path: string[]) => JSON.parse(readFileSync(join(...path), 'utf8')) as Value
const models = (run: string) =>
  readdirSync(join(run, 'checkpoints'))
    .sort()
    .map((name) => [name, readFileSync(join(run, 'checkpoints', name)).toString('base64')])
const status = async (folder: string) =>
  JSON.parse((await coppice('grid', folder, '--status', '--json')).stdout) as GridStatus & {
    results: TaskResult[]
  }
/** Waits for what another process does. */
const until = async (holds: () => boolean | Promise<boolean>) => {
  while (!(await holds())) await delay(50)
}

describe('a grid on this machine', () => {
  it('ends in the bits of runs that had each trained their network, and in one table', async () => {
    const { file, folder } = gridFile({
      recipe: RECIPE,
      matrix: { 'prune.sparsity': [0.5, 0.75] },
      include: [{ finetune: 'natural' }],
    })
    const ended = await coppice('grid', file, '-o', folder, '--jobs', '2', '--json')
    expect(ended).toMatchObject({ code: 0 })
    const { counts, results } = JSON.parse(ended.stdout) as GridStatus & { results: TaskResult[] }
    expect(counts).toMatchObject({ done: 4, failed: 0 })
    const { tasks } = await readGrid(folder)
    expect(tasks.filter(({ pretrained }) => pretrained === 'pretrain')).toHaveLength(3)
    for (const { name, recipe } of tasks) {
      const alone = join(folder, '..', name)
      const result = await runRecipe(recipe, alone)
      const run = join(folder, 'runs', name)
      expect({ ...json<object>(run, 'result.json'), seconds: 0 }).toEqual({ ...result, seconds: 0 })
      expect(models(run)).toEqual(models(alone))
    }
    expect(results.map(({ name }) => name)).toEqual(['sparsity=0.5', 'sparsity=0.75', 'finetune=natural'])
    expect(json(folder, 'results.json')).toEqual(results)
    const markdown = readFileSync(join(folder, 'results.md'), 'utf8')
    expect(markdown).toContain('3 of 3 tasks are done')
    expect(markdown.split('\n').filter((line) => line.startsWith('| '))).toHaveLength(2 + 6)
    const [head, ...rows] = readFileSync(join(folder, 'results.csv'), 'utf8').trim().split('\r\n')
    expect(head).toMatch(/^task,prune\.sparsity,finetune,network,/)
    expect(rows).toHaveLength(6)

    // Done is done: nothing begins again.
    const again = await coppice('grid', file, '-o', folder)
    expect(again).toMatchObject({ code: 0 })
    expect(again.stderr).toContain('0 of 4 tasks to do')
  })

  it('stops at a checkpoint at Ctrl-C, and goes on with the same command', async () => {
    const { file, folder } = gridFile({
      recipe: { ...RECIPE, pretrain: { ...RECIPE.pretrain, epochs: 200 } },
      matrix: { seed: [1] },
    })
    const { child, ended } = startCoppice('grid', file, '-o', folder)
    const log = join(folder, 'logs', 'seed=1.log')
    await until(() => existsSync(log) && /epoch 2:/.test(readFileSync(log, 'utf8')))
    child.kill('SIGINT')
    const { code, stderr } = await ended
    expect(code).toBe(130)
    expect(stderr.trim().split('\n').at(-1)).toBe(
      'coppice: interrupted; the same command goes on with the grid',
    )
    const run = join(folder, 'runs', 'seed=1')
    expect(existsSync(join(run, 'checkpoints', 'latest.safetensors'))).toBe(true)
    expect(existsSync(join(run, 'lock'))).toBe(false)
    expect((await status(folder)).counts).toMatchObject({ stopped: 1 })
    expect(await coppice('grid', file, '-o', folder)).toMatchObject({ code: 0 })
    expect(readFileSync(log, 'utf8')).toContain('going on with')
    const [task] = (await readGrid(folder)).tasks
    const result = await runRecipe(parseRecipe(task?.recipe), join(folder, '..', 'alone'))
    expect({ ...json<object>(run, 'result.json'), seconds: 0 }).toEqual({ ...result, seconds: 0 })
  })

  it('stops all that is running at Ctrl-C', async () => {
    const { file, folder } = gridFile({
      recipe: { ...RECIPE, pretrain: { ...RECIPE.pretrain, epochs: 100_000 } },
      matrix: { seed: [1, 2] },
    })
    const { child, ended } = startCoppice('grid', file, '-o', folder, '--jobs', '2')
    const log = (seed: number) => join(folder, 'logs', `seed=${seed}.log`)
    const trains = (seed: number) => existsSync(log(seed)) && /epoch 2:/.test(readFileSync(log(seed), 'utf8'))
    await until(() => trains(1) && trains(2))
    child.kill('SIGINT')
    expect(await ended).toMatchObject({ code: 130 })
    for (const seed of [1, 2]) {
      const run = join(folder, 'runs', `seed=${seed}`)
      expect(existsSync(join(run, 'checkpoints', 'latest.safetensors'))).toBe(true)
      expect(existsSync(join(run, 'lock'))).toBe(false)
    }
    expect((await status(folder)).counts).toMatchObject({ stopped: 2 })
  })

  it('leaves nothing running when it is killed, and can be cancelled from elsewhere', async () => {
    const { file, folder } = gridFile({
      recipe: { ...RECIPE, pretrain: { ...RECIPE.pretrain, epochs: 100_000 } },
      matrix: { seed: [1] },
    })
    const lock = join(folder, 'runs', 'seed=1', 'lock')
    const first = startCoppice('grid', file, '-o', folder)
    await until(() => existsSync(lock))
    const { pid } = json<{ pid: number }>(lock)
    first.child.kill('SIGKILL')
    await first.ended
    await until(() => !existsSync(`/proc/${pid}`))
    expect(existsSync(lock)).toBe(false)
    const { tasks } = await status(folder)
    expect(tasks).toMatchObject([
      { state: 'stopped', reason: 'the process that launched the grid is gone: stopped at a checkpoint' },
    ])

    const second = startCoppice('grid', folder)
    await until(() => existsSync(lock))
    const busy = await coppice('grid', file, '-o', folder)
    expect(busy).toMatchObject({ code: 1, stdout: '' })
    expect(busy.stderr).toMatch(/^coppice: [^\n]*grid is in use by process \d+ on [^\n]*\n$/)
    expect((await status(folder)).counts).toMatchObject({ running: 1 })
    const cancelled = await coppice('grid', folder, '--cancel', '--json')
    expect(JSON.parse(cancelled.stdout)).toEqual({ cancelled: 1 })
    expect(await second.ended).toMatchObject({ code: 130 })
    expect((await status(folder)).counts).toMatchObject({ stopped: 1 })
    expect((await coppice('grid', folder, '--cancel')).stdout).toBe('nothing runs or waits\n')
  })

  it('names what failed, with the last line of its log, and carries out the rest', async () => {
    const { file, folder } = gridFile({
      recipe: RECIPE,
      matrix: { 'prune.sparsity': [0.5, 0.75], 'network.scale': [0.05, 0.04] },
      include: [{ 'network.scale': 0.03, 'evaluate.images': 10 }],
    })
    // A file will stand where the run directory of a task should be.
    const planned = JSON.parse(
      (await coppice('grid', file, '-o', folder, '--dry-run', '--json')).stdout,
    ) as Plan
    expect(planned.tasks).toHaveLength(7)
    expect(existsSync(folder)).toBe(false)
    const { child, ended } = startCoppice('grid', file, '-o', folder, '--jobs', '2')
    await until(() => existsSync(join(folder, 'grid.json')))
    writeFileSync(join(folder, 'runs', 'pretrain,scale=0.04'), '')
    const { code, stderr, stdout } = await ended
    expect(child.exitCode).toBe(1)
    expect(code).toBe(1)
    expect(stderr).toMatch(
      /^pretrain,scale=0\.04: failed: coppice: [^\n]*a part of the path is not a folder$/m,
    )
    expect(stderr).toContain('sparsity=0.5,scale=0.04: blocked: pretrain,scale=0.04 failed')
    expect(stdout).toContain('3 of 5 tasks are done')
    expect(stdout).toContain('4 of 7 done, 1 failed, 2 blocked')
    expect(stdout).toContain(join(folder, 'logs', 'pretrain,scale=0.04.log'))
  })

  it('says so where a task is killed', async () => {
    const { file, folder } = gridFile({
      recipe: { ...RECIPE, pretrain: { ...RECIPE.pretrain, epochs: 100_000 } },
      matrix: { seed: [1] },
    })
    const { ended } = startCoppice('grid', file, '-o', folder)
    const lock = join(folder, 'runs', 'seed=1', 'lock')
    await until(() => existsSync(lock))
    process.kill(json<{ pid: number }>(lock).pid, 'SIGKILL')
    expect(await ended).toMatchObject({ code: 1 })
    expect((await status(folder)).tasks).toMatchObject([
      { state: 'failed', reason: 'coppice: seed=1: its process was ended by SIGKILL' },
    ])
  })
})
