import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { readGridFile } from '../../lib/grids/index.js'
import { temporaryFolder } from '../helpers.js'

const RECIPE = { data: 'builtin', network: 'cifarLarge', pretrain: { epochs: 1 }, prune: { sparsity: 0.5 } }

/** What a grid file with this content reads as. */
const read = (content: unknown, change?: (recipe: Record<string, unknown>) => Record<string, unknown>) => {
  const file = join(temporaryFolder(), 'sweep.json')
  writeFileSync(file, JSON.stringify(content))
  return readGridFile(file, change)
}
const names = async (content: unknown) => (await read(content)).tasks.map(({ name }) => name)

describe('a grid file', () => {
  it('has a task for every combination, the last axis changing first', async () => {
    const grid = await read({ recipe: RECIPE, matrix: { 'prune.sparsity': [0.5, 0.9], seed: [1, 2] } })
    expect(grid.name).toBe('sweep')
    expect(grid.tasks.map(({ name }) => name)).toEqual([
      'sparsity=0.5,seed=1',
      'sparsity=0.5,seed=2',
      'sparsity=0.9,seed=1',
      'sparsity=0.9,seed=2',
    ])
    expect(grid.tasks.map(({ recipe }) => [recipe.prune?.sparsity, recipe.seed])).toEqual([
      [0.5, 1],
      [0.5, 2],
      [0.9, 1],
      [0.9, 2],
    ])
    expect(grid.tasks[3]?.point).toEqual({ 'prune.sparsity': 0.9, seed: 2 })
  })

  it('is read from YAML, with a recipe file beside it', async () => {
    const folder = temporaryFolder()
    mkdirSync(join(folder, 'recipes'))
    writeFileSync(
      join(folder, 'recipes', 'one.yaml'),
      'data: builtin\nnetwork: cifarLarge\npretrain: { epochs: 3 }\n',
    )
    const file = join(folder, 'seeds.yaml')
    writeFileSync(file, 'name: ten\nrecipe: recipes/one.yaml\nmatrix:\n  seed: [1, 2]\nexclude:\n')
    const { name, tasks } = await readGridFile(file)
    expect(name).toBe('ten')
    expect(tasks.map(({ recipe }) => [recipe.name, recipe.pretrain.epochs])).toEqual([
      ['seed=1', 3],
      ['seed=2', 3],
    ])
  })

  it('leaves out what is excluded, and has what is included', async () => {
    const matrix = { 'prune.sparsity': [0.5, 0.9], seed: [1, 2] }
    expect(
      await names({
        recipe: RECIPE,
        matrix,
        exclude: [{ seed: 2, 'prune.sparsity': 0.9 }],
        include: [{ 'prune.structure': 'filter' }],
      }),
    ).toEqual(['sparsity=0.5,seed=1', 'sparsity=0.5,seed=2', 'sparsity=0.9,seed=1', 'structure=filter'])
    expect(await names({ recipe: RECIPE, include: [{ seed: 7 }] })).toEqual(['seed=7'])
    expect(await names({ recipe: RECIPE, matrix, exclude: [{ seed: 2 }] })).toHaveLength(2)
  })

  it('names tasks by values of every kind, in words that make folders', async () => {
    const matrix = {
      'pretrain.objective': ['natural', { kind: 'adversarial', epsilon: '4/255' }],
      'evaluate.attack': ['pgd10', { steps: 3, epsilon: '8/255' }],
      finetune: [['none', 'natural']],
    }
    const all = await names({ recipe: RECIPE, matrix })
    expect(all[0]).toBe('objective=natural,attack=pgd10,finetune=none+natural')
    for (const name of all) expect(name).toMatch(/^[A-Za-z0-9._=,:+-]+$/)
    expect(new Set(all).size).toBe(4)
  })

  it('tells axes that end alike by more of their paths', async () => {
    const matrix = { 'pretrain.learningRate': [0.1], 'prune.learningRate': [0.01] }
    expect(await names({ recipe: RECIPE, matrix })).toEqual([
      'pretrain.learningRate=0.1,prune.learningRate=0.01',
    ])
  })

  it('changes the recipe of all tasks before the matrix does', async () => {
    const { tasks } = await read({ recipe: RECIPE, matrix: { seed: [1, 2] } }, (recipe) => ({
      ...recipe,
      seed: 9,
      threads: 1,
    }))
    expect(tasks.map(({ recipe }) => [recipe.seed, recipe.threads])).toEqual([
      [1, 1],
      [2, 1],
    ])
  })

  it.each<[unknown, RegExp]>([
    [RECIPE, /sweep\.json is a recipe; a grid has it as `recipe`, and a `matrix` of values/],
    [
      { matrix: { seed: [1] } },
      /sweep\.json\.recipe: expected a recipe, or the path of one, received undefined/,
    ],
    [{ recipe: RECIPE, matirx: {} }, /sweep\.json: unknown key "matirx"; did you mean "matrix"\?/],
    [{ recipe: RECIPE, matrix: { seed: 3 } }, /sweep\.json\.matrix\.seed: expected a list of values/],
    [{ recipe: RECIPE, matrix: { seed: [] } }, /sweep\.json\.matrix\.seed: needs at least one value/],
    [
      { recipe: RECIPE, matrix: { 'prune.sparsty': [0.5] } },
      /sweep\.json, sparsty=0\.5: recipe\.prune: unknown key "sparsty"; did you mean "sparsity"\?/,
    ],
    [
      { recipe: RECIPE, matrix: { 'prune.sparsity': [0.5, 1.5] } },
      /sweep\.json, sparsity=1\.5: recipe\.prune\.sparsity: /,
    ],
    [{ recipe: RECIPE, matrix: { 'prune..x': [1] } }, /sweep\.json: prune\.\.x: the path has an empty key/],
    [
      { recipe: RECIPE, matrix: { seed: [1] }, exclude: [{ sed: 1 }] },
      /sweep\.json\.exclude\[0\]: "sed" is no axis of the matrix; did you mean "seed"\?/,
    ],
    [
      { recipe: RECIPE, matrix: { seed: [1] }, exclude: [{ seed: 2 }] },
      /sweep\.json\.exclude\[0\]: no combination has these values/,
    ],
    [{ recipe: RECIPE, matrix: { seed: [1] }, exclude: [{ seed: 1 }] }, /every combination is excluded/],
    [{ recipe: RECIPE, matrix: { seed: [1, 1] } }, /seed=1,2 is the same recipe as seed=1/],
    [
      { recipe: RECIPE, matrix: { seed: [1] }, include: [{ seed: 1 }] },
      /seed=1,2 is the same recipe as seed=1/,
    ],
    [
      {
        recipe: RECIPE,
        matrix: { seed: Array.from({ length: 900 }, (_, i) => i), threads: Array(20).fill(1) },
      },
      /the matrix has 18000 combinations; at most 10000 are allowed/,
    ],
    [{ recipe: 'nowhere.yaml' }, /nowhere\.yaml: there is no such file/],
  ])('that is none (%#) is refused in one line that names the place', async (content, message) => {
    const refusal = read(content)
    await expect(refusal).rejects.toThrow(message)
    await expect(refusal).rejects.toThrow(/^[^\n]*$/)
  })
})
