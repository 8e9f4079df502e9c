// `node scripts/recipe-table.mjs`: writes the table of a recipe's keys, made of the schemas, into docs/recipes.md.
// Needs the compiled sources (`npm run build:ts`); a test sees that it is current.
import { readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { recipeTable } from '../dist/lib/recipes/table.js'

const file = join(resolve(import.meta.dirname, '..'), 'docs/recipes.md')
const [BEGIN, END] = ['<!-- recipe table: scripts/recipe-table.mjs -->', '<!-- end of the recipe table -->']
const text = readFileSync(file, 'utf8')
const [start, end] = [text.indexOf(BEGIN), text.indexOf(END)]
if (start < 0 || end < start) throw new Error(`${file} lacks the marks "${BEGIN}" and "${END}"`)
writeFileSync(file, `${text.slice(0, start)}${BEGIN}\n${recipeTable()}\n${text.slice(end)}`)
