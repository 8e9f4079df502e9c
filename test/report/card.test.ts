import { copyFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { parseRecipe } from '../../lib/recipes/recipe.js'
import { readRecipeFile } from '../../lib/recipes/recipeFile.js'
import { cardText, modelCard, runFacts } from '../../lib/report/card.js'
import { temporaryFolder, tinySpec } from '../helpers.js'
import { shaken } from '../models/shaken.js'

const root = join(__dirname, '../..')

/** A run with the committed result of the built-in images. */
const runFolder = async (): Promise<string> => {
  const folder = temporaryFolder()
  copyFileSync(join(root, 'results/builtin/result.json'), join(folder, 'result.json'))
  const recipe = parseRecipe(await readRecipeFile(join(root, 'recipes/builtin.yaml')))
  writeFileSync(join(folder, 'recipe.json'), JSON.stringify(recipe))
  return folder
}

it('says what a run measured of a model, with n and intervals, and its recipe', async () => {
  const facts = await runFacts(await runFolder(), 'dense')
  const state = await (await shaken(tinySpec())).read()
  const card = modelCard(state, '/somewhere/x.onnx', ['load it'], facts)
  expect(card).toMatchObject({ name: 'tiny', file: 'x.onnx', run: { row: { name: 'dense' } } })
  const text = cardText(card)
  expect(text).toMatch(/\| accuracy \| \d+\.\d \[\d+\.\d, \d+\.\d\] \| [\d,]+ \|/)
  expect(text).toMatch(/\| under attack \(ERA: PGD/i)
  expect(text).toMatch(/"epochs"/)
  expect(text).not.toContain('/somewhere')
})

it('says so where nothing was measured', async () => {
  expect(await runFacts('/nowhere', 'dense')).toBeUndefined()
  expect(await runFacts(await runFolder(), 'no such model')).toBeUndefined()
  const state = await (await shaken(tinySpec())).read()
  state.mask.fill(0, 0, 81)
  const text = cardText(modelCard(state, 'x.pth', []))
  expect(text).toContain('Nothing was measured of it')
  expect(text).toMatch(/weights that pruning left \| 1,2\d\d of 1,3\d\d/)
})
