import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { CIFAR10_NORMALIZATION } from '../../lib/networks/options.js'
import { parseRecipe } from '../../lib/recipes/recipe.js'
import { readRecipeFile } from '../../lib/recipes/recipeFile.js'
import { identityOf, resolveNetwork, resolveRecipe } from '../../lib/recipes/resolve.js'

const root = join(__dirname, '../..')

it.each([
  ['builtin', 6000, 1000],
  ['builtin-mixtrain', 3000, 500],
  ['cifar10-cpu', 10_000, 10_000],
  ['cifar10-mixtrain-cpu', 10_000, 10_000],
] as const)(
  'the recipe %s is still the run whose results are committed',
  async (name, trainImages, testImages) => {
    const recipe = parseRecipe(await readRecipeFile(join(root, 'recipes', `${name}.yaml`)))
    const augment = recipe.data.set === 'cifar10' ? 'standard' : 'none'
    const surroundings = {
      shape: [3, 32, 32] as [number, number, number],
      classes: 10,
      normalize: CIFAR10_NORMALIZATION,
      augment,
      trainImages,
      testImages,
    } as const
    const spec = await resolveNetwork(recipe, surroundings)
    const resolved = resolveRecipe(recipe, spec, surroundings)
    const { identity, data } = JSON.parse(
      readFileSync(join(root, 'results', name, 'environment.json'), 'utf8'),
    )
    const { train, validation, test } = data
    expect(identityOf(resolved, spec, { train, validation, test })).toBe(identity)
  },
)
