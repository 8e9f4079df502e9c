import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { openGrid, type Plan, readGrid, withSharedPretraining } from '../../lib/grids/index.js'
import { parseRecipe } from '../../lib/recipes/recipe.js'
import { temporaryFolder } from '../helpers.js'

const plan = (folder: string, seeds: readonly number[], epochs = 1): Plan => {
  const tasks = seeds.flatMap((seed) =>
    [0.5, 0.9].map((sparsity) => ({
      name: `sparsity=${sparsity},seed=${seed}`,
      recipe: parseRecipe({
        seed,
        data: 'builtin',
        network: 'cifarLarge',
        pretrain: { epochs, objective: 'adversarial' },
        prune: { sparsity },
        finetune: ['none', 'natural', 'trades'],
        evaluate: { verify: ['symbolic', 'crown'], attack: 'pgd50x10' },
      }),
      point: { seed, 'prune.sparsity': sparsity },
    })),
  )
  return { name: 'test', folder, tasks: withSharedPretraining(tasks) }
}

describe('the folder of a grid', () => {
  it('is made once, opened again, and read by whoever asks', async () => {
    const folder = join(temporaryFolder(), 'deep', 'grid')
    const first = await openGrid(plan(folder, [1, 2]))
    const text = readFileSync(join(folder, 'grid.json'), 'utf8')
    expect((await openGrid(plan(folder, [1, 2]))).id).toBe(first.id)
    expect(readFileSync(join(folder, 'grid.json'), 'utf8')).toBe(text)
    const read = await readGrid(folder)
    expect(read.tasks.map(({ name, pretrained }) => [name, pretrained])).toEqual(
      plan(folder, [1, 2]).tasks.map(({ name, pretrained }) => [name, pretrained]),
    )
    expect((await openGrid(read)).id).toBe(first.id)
  })

  it('takes more tasks than it had', async () => {
    const folder = join(temporaryFolder(), 'grid')
    const { id } = await openGrid(plan(folder, [1]))
    const grid = await openGrid(plan(folder, [1, 2]))
    expect(grid.id).toBe(id)
    expect((await readGrid(folder)).tasks).toHaveLength(6)
  })

  it('keeps the grid that it holds: fewer tasks, or others, are refused by name', async () => {
    const folder = join(temporaryFolder(), 'grid')
    await openGrid(plan(folder, [1, 2]))
    await expect(openGrid(plan(folder, [1]))).rejects.toThrow(
      /grid holds another grid: pretrain,seed=2 and 2 more of it are no tasks now; choose another folder/,
    )
    await expect(openGrid(plan(folder, [1, 2], 2))).rejects.toThrow(
      /holds another grid: recipe\.pretrain\.epochs of pretrain,seed=1 is another there/,
    )
    expect((await readGrid(folder)).tasks).toHaveLength(6)
  })

  it('is nobody else’s', async () => {
    const folder = temporaryFolder()
    writeFileSync(join(folder, 'thesis.tex'), '')
    await expect(openGrid(plan(folder, [1]))).rejects.toThrow(/is not empty \(it holds thesis\.tex\)/)
    await expect(readGrid(folder)).rejects.toThrow(/holds no grid: it has no grid\.json/)
    await expect(readGrid(join(folder, 'none'))).rejects.toThrow(/none does not exist/)
    writeFileSync(join(folder, 'grid.json'), '{"id":"12","name":"x","coppice":"1","tasks":[]}')
    await expect(readGrid(folder)).rejects.toThrow(
      /grid\.json is damaged, or no such file: it\.id: expected eight/,
    )
  })

  it('is made even where a creation was killed', async () => {
    const folder = join(temporaryFolder(), 'grid')
    mkdirSync(join(folder, 'runs'), { recursive: true })
    writeFileSync(join(folder, 'grid.json.1.0.tmp'), '')
    await openGrid(plan(folder, [1]))
    expect(existsSync(join(folder, 'grid.json'))).toBe(true)
  })

  it.each<[string, Partial<Plan['tasks'][number]>, RegExp]>([
    ['a name that is no folder', { name: '../x' }, /"\.\.\/x" cannot be the name of a task/],
    ['a name twice', { name: 'sparsity=0.9,seed=1' }, /two tasks have the name sparsity=0\.9,seed=1/],
    ['what is no task', { pretrained: 'x' }, /waits for x, which is no task/],
    ['a task that waits itself', { pretrained: 'sparsity=0.9,seed=1' }, /which itself trains no network/],
  ])('is not made for %s', async (_, change, message) => {
    const folder = join(temporaryFolder(), 'grid')
    const { tasks, ...rest } = plan(folder, [1])
    const changed = tasks.map((task) => (task.name === 'sparsity=0.5,seed=1' ? { ...task, ...change } : task))
    await expect(openGrid({ ...rest, tasks: changed })).rejects.toThrow(message)
    await expect(openGrid({ ...rest, tasks: [] })).rejects.toThrow(/the grid has no tasks/)
    expect(existsSync(folder)).toBe(false)
  })
})
