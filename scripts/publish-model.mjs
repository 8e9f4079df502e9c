#!/usr/bin/env node
/**
 * Puts a model of a run among those that come with Coppice, with its card:
 *   node scripts/publish-model.mjs RUN CHECKPOINT NAME && npx biome check --write results/models
 * Those over 5 MiB are left out of the npm package, in package.json.
 */
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { packageFolder } from '../dist/lib/base/version.js'
import { readModel } from '../dist/lib/models/modelFile.js'
import { cardText, modelCard, runFacts } from '../dist/lib/report/card.js'

const [run, checkpoint, name] = process.argv.slice(2)
if (name === undefined) throw new Error('usage: node scripts/publish-model.mjs RUN CHECKPOINT NAME')
const source = join(run, 'checkpoints', `${checkpoint}.safetensors`)
const folder = join(packageFolder, 'results', 'models')
const file = join(folder, `${name}.safetensors`)
const facts = await runFacts(run, checkpoint)
if (facts === undefined) throw new Error(`${run} has no result of ${checkpoint} yet`)
// Where the images lay on this machine is nobody's business.
const { data } = facts.recipe
const recipe = {
  ...facts.recipe,
  data: { ...data, ...('folder' in data && { folder: basename(data.folder) }) },
}
const load = ["import { pretrained } from 'coppice'", `const net = await pretrained('${name}')`]
const card = modelCard(await readModel(source), file, load, { ...facts, recipe })
mkdirSync(folder, { recursive: true })
copyFileSync(source, file)
writeFileSync(join(folder, `${name}.card.json`), `${JSON.stringify(card, null, 2)}\n`)
writeFileSync(join(folder, `${name}.card.md`), cardText(card))
