// The rooms of lib/ from the ground up: a file imports only from its own room and from rooms that stand before it.
// `node scripts/rooms.mjs` writes that as rules for the linter, into biome.rooms.json, which biome.json extends.
import { readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'

/** A new room is a line here; `bindings/` stands between base and files, and may import base alone. */
export const ROOMS = [
  'base', // errors, numbers, schemas, hash, intervals
  'files', // how bytes get on and off a disk
  'attacks', // one file a kind
  'networks', // specs: functions and JSON, no handles
  'objectives', // what loss a batch has
  'data', // sets by name, order, images
  'pruning', // scores, scopes, structures, schedules, compaction
  'models', // the live network and its file
  'formats', // other people's files, in and out
  'training', // optimisers, schedules, plan, loop
  'verification', // bounds as verdicts
  'sparse', // engines, predictions, their benchmark
  'evaluation', // benign, ERA, VRA
  'recipes', // recipe, recipe file, what it resolves to
  'runs', // a run on disk
  'compression', // pre-train, then prune and fine-tune, then evaluate
  'grids', // many runs: a grid file, its tasks, where they run, what became of them
  'papers', // a paper's cells as data
  'report', // tables, charts, lines for people
  'experiments', // one file a table or figure
  'cli', // one command per file, thin
]

const root = resolve(import.meta.dirname, '..')
const FILE = 'biome.rooms.json'

const rule = (includes, group, message) => ({
  includes,
  linter: {
    rules: {
      style: { noRestrictedImports: { level: 'error', options: { patterns: [{ group, message }] } } },
    },
  },
})

/** The rules as the linter reads them. */
export const rules = () => {
  const overrides = ROOMS.slice(0, -1).map((room, place) => {
    const above = ROOMS.slice(place + 1).map((name) => `**/${name}/**`)
    const bindings = room === 'base' ? ['**/bindings/**'] : []
    return rule(
      [`lib/${room}/**`],
      [...above, ...bindings, '**/../index.js'],
      `lib/${room} stands below this room: a room imports only from those before it (scripts/rooms.mjs).`,
    )
  })
  const belowLib = rule(['bindings/**'], ['**/lib/**', '!**/lib/base/**'], 'bindings import lib/base alone.')
  return `${JSON.stringify({ root: false, overrides: [...overrides, belowLib] }, null, 2)}\n`
}

/** Whether the linter's file says what the list says. */
export const areRulesCurrent = () => readFileSync(join(root, FILE), 'utf8') === rules()

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(resolve(process.argv[1])).href)
  writeFileSync(join(root, FILE), rules())
