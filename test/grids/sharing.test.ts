import { describe, expect, it } from 'vitest'
import { type Task, withSharedPretraining } from '../../lib/grids/index.js'
import { parseRecipe } from '../../lib/recipes/recipe.js'
import { setValue } from '../../lib/recipes/recipeFile.js'

const BASE = { data: 'builtin', network: 'cifarLarge', pretrain: { epochs: 1 }, prune: { sparsity: 0.5 } }

const task = (name: string, ...changes: string[]): Task => {
  const recipe = parseRecipe(changes.reduce<Record<string, unknown>>(setValue, structuredClone(BASE)))
  const point = Object.fromEntries(changes.map((change) => change.split('=') as [string, string]))
  return { name, recipe, point }
}
const waits = (tasks: readonly Task[]) => tasks.map(({ name, pretrained }) => [name, pretrained])

describe('withSharedPretraining', () => {
  it('trains once what several tasks would train, before them', () => {
    const tasks = withSharedPretraining([
      task('a', 'seed=1', 'prune.sparsity=0.5'),
      task('b', 'seed=1', 'prune.sparsity=0.9'),
      task('c', 'seed=2', 'finetune=natural'),
      task('d', 'seed=2', 'evaluate.images=10'),
      task('e', 'seed=3'),
    ])
    expect(waits(tasks)).toEqual([
      ['pretrain,seed=1', undefined],
      ['pretrain,seed=2', undefined],
      ['a', 'pretrain,seed=1'],
      ['b', 'pretrain,seed=1'],
      ['c', 'pretrain,seed=2'],
      ['d', 'pretrain,seed=2'],
      ['e', undefined],
    ])
    expect(tasks[0]?.recipe).toMatchObject({ seed: 1, pretrain: { epochs: 1 } })
    expect(tasks[0]?.recipe.prune).toBeUndefined()
    expect(tasks[0]?.point).toBeUndefined()
  })

  it.each([
    'seed=1',
    'threads=2',
    'data.train=100',
    'network.scale=0.5',
    'pretrain.objective=adversarial',
    'pretrain.epochs=2',
    'pretrain.batchSize=64',
    'pretrain.precision=bf16',
    'deterministic=true',
  ])('shares nothing between tasks that %s tells apart', (change) => {
    const tasks = [task('a'), task('b', change)]
    expect(withSharedPretraining(tasks)).toEqual(tasks)
  })

  it('takes a task that prunes nothing for the pre-training that it is', () => {
    const tasks = withSharedPretraining([task('a', 'prune.sparsity=0.9'), task('dense', 'prune=')])
    expect(waits(tasks)).toEqual([
      ['a', 'dense'],
      ['dense', undefined],
    ])
  })

  it('leaves alone what starts from a model and trains nothing', () => {
    const from = ['pretrain.from=model.safetensors', 'pretrain.epochs=0']
    const tasks = [task('a', ...from), task('b', ...from, 'prune.sparsity=0.9')]
    expect(withSharedPretraining(tasks)).toEqual(tasks)
  })
})
