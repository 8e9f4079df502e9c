import { describe, expect, it } from 'vitest'
import { sameData } from '../../lib/base/json.js'
import type { Setting } from '../../lib/experiments/experiment.js'
import { experiments, experimentsNamed } from '../../lib/experiments/index.js'
import { parseReadings } from '../../lib/experiments/readings.js'
import { scaleNames, scales } from '../../lib/experiments/scales/index.js'
import { parseRecipe, type Recipe } from '../../lib/recipes/recipe.js'

const { data } = parseRecipe({ data: 'builtin', network: 'vgg16', pretrain: {} })
const setting = (
  scale: (typeof scaleNames)[number],
  readings: Record<string, unknown> = {},
  changes: string[] = [],
): Setting => ({
  scale: scales[scale],
  readings: parseReadings(readings),
  shared: { data, device: 'cpu' },
  changes,
})
const cellsOf = (name: string, at: Setting) => experimentsNamed([name])[0]?.cells(at) ?? []
const recipesOf = (name: string, at: Setting): Recipe[] =>
  cellsOf(name, at).flatMap(({ measure }) => measure.sources.map(({ recipe }) => recipe))

describe('experiments', () => {
  it.each(scaleNames)(
    'at scale %s, each cell has a place of its own and networks that it is read from',
    (scale) => {
      for (const { name, head, cells } of experiments) {
        const all = cells(setting(scale))
        const places = all.map(({ row, column }) => [...row, column].join())
        expect(new Set(places).size, name).toBe(all.length)
        for (const { row, measure } of all) {
          expect(row).toHaveLength(head.length)
          expect(measure.sources.length).toBeGreaterThan(0)
          for (const { recipe, training } of measure.sources) {
            expect(recipe.evaluate.attack?.epsilon).toBeCloseTo(
              recipe.network.name?.match(/vgg|wide/) ? 8 / 255 : 2 / 255,
            )
            // A pruned network's run trains the dense one that it would take from another.
            if (training) expect(sameData(training.recipe.pretrain, recipe.pretrain)).toBe(true)
          }
        }
      }
    },
  )

  it('share runs: the figures about the networks of tables 2 to 5 add few of their own', () => {
    const runs = (names: string[]) => {
      const recipes = names.flatMap((name) => recipesOf(name, setting('paper')))
      return new Set(recipes.map((recipe) => JSON.stringify(recipe))).size
    }
    expect(runs(['table2', 'table3', 'table4', 'table5'])).toBe(4 + 4 * 6)
    expect(runs(['table2', 'table3', 'figure8'])).toBe(runs(['table2', 'table3']))
    expect(runs(['table4', 'figure2'])).toBe(runs(['table4']) + 2 + 1)
    // A cell before pruning is read from the pre-training that the others share.
    expect(runs(['kept'])).toBe(4 + 7)
  })

  it('are at scale paper what the paper says', () => {
    const [recipe] = recipesOf('table2', setting('paper')).filter(({ prune }) => prune)
    expect(recipe?.prune).toMatchObject({
      steps: 40,
      epochsPerStep: 5,
      learningRate: 0.001,
      schedule: 'geometric',
    })
    expect(recipe?.pretrain.objective).toMatchObject({ kind: 'adversarial', steps: 10, stepSize: 2 / 255 })
    const mixTrain = recipesOf('table4', setting('paper'))[0]?.pretrain.objective
    expect(mixTrain).toMatchObject({ kind: 'mixTrain', k: 10, alpha: 0.7, bound: 'symbolic', mix: 'coin' })
    expect(recipesOf('figure3', setting('paper')).at(-1)?.prune).toMatchObject({
      sparsity: 0,
      steps: 1,
      epochsPerStep: 5,
    })
  })

  it('readings and changes are in the recipes', () => {
    const readings = { scope: 'global', schedule: 'cubic', points: 'runs', epochs: 7, wideResNet: '28-10' }
    const recipes = recipesOf(
      'table3',
      setting('smoke', readings, ['pretrain.precision=bf16', 'prune.residual=grouped']),
    )
    const pruned = recipes.filter(({ prune }) => prune)
    for (const { prune, pretrain } of pruned) {
      expect(prune).toMatchObject({ scope: 'global', schedule: 'cubic', milestones: [], residual: 'grouped' })
      expect(pretrain).toMatchObject({ epochs: 7, precision: 'bf16' })
    }
    expect(new Set(pruned.map(({ prune }) => prune?.sparsity))).toEqual(new Set([0.5, 0.75, 0.9]))
    expect(recipes.some(({ network }) => network.name === 'wideResNet-28-10')).toBe(true)
    expect(recipesOf('table5', setting('paper', { alpha: 'convex' }))[0]?.pretrain.objective).toMatchObject({
      mix: 'convex',
    })
  })

  it('networks from scratch have the filters that are left, and train as long, or at the same compute', () => {
    const scratch = (readings = {}) =>
      cellsOf('table6', setting('paper', readings))
        .filter(({ row, column }) => row[0] === '50 %' && column.startsWith('ACC scratch'))
        .map(({ measure }) => measure.sources[0]?.recipe)
    const [same, compute] = scratch()
    expect(same?.network).toMatchObject({ name: 'vgg16', scale: 0.5 })
    // 100 epochs, and five for each of the steps until half of the filters are gone on the geometric way to 90 %.
    expect(same?.pretrain.epochs).toBe(100 + 5 * 12)
    // Half the width costs a little more than a quarter.
    expect((compute?.pretrain.epochs ?? 0) / 160).toBeGreaterThan(3.5)
    expect((compute?.pretrain.epochs ?? 0) / 160).toBeLessThan(4)
    expect(scratch({ scratch: 'pretraining' })[0]?.pretrain.epochs).toBe(100)
  })

  it('a name mistyped is told with the nearest', () => {
    expect(() => experimentsNamed(['figure 9'])).toThrow(/did you mean "figure9"\?/)
    expect(experimentsNamed(['all'])).toEqual(experiments)
  })
})
