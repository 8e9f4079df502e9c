import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { recipeTable } from '../../lib/recipes/table.js'

it('docs/recipes.md has the table that the schemas make (node scripts/recipe-table.mjs writes it)', () => {
  const table = recipeTable()
  const text = readFileSync(join(__dirname, '../../docs/recipes.md'), 'utf8')
  expect(/recipe-table\.mjs -->\n([\s\S]*?)\n<!--/.exec(text)?.[1]).toBe(table)
  // Names and defaults come from the tables and schemas.
  expect(table).toContain('`cifar100`')
  expect(table).toMatch(/`prune\.steps` \| a whole number \| 40 \|/)
  expect(table).toMatch(/`prune\.structure` \| `unstructured`, `filter`.* \| `unstructured` \|/)
  expect(table).toMatch(/`pretrain\.objective` \| `natural`, `adversarial`.*`crownIbp` \|/)
})
