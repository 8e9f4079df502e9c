// Stage cells: the first cells of the paper's table 2 as runs, which go on where the time ended them.
import { spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const root = join(import.meta.dirname, '../..')
const coppice = join(root, 'dist/lib/cli/main.js')

const small = [
  ...['data={set: builtin, train: 200, test: 50}', 'network={name: cifarLarge, scale: 0.125}'],
  ...['pretrain.epochs=2', 'pretrain.rampEpochs=1', 'prune.steps=1', 'prune.epochsPerStep=1'],
  'evaluate.images=50',
]

export default async ({ results, out, device, tiny, data, threads }) => {
  if (data === undefined && !tiny) {
    await results.row('table 2', () => ({ skipped: 'needs CIFAR-10: --data FOLDER' }))
    return
  }
  const cells = tiny
    ? [{ recipe: 'builtin', sets: small }]
    : [
        { recipe: 'vgg16-adversarial', sets: [] },
        { recipe: 'cifar-large-mixtrain', sets: [] },
      ]
  for (const { recipe, sets } of cells) {
    const folder = join(out, 'runs', recipe)
    await results.row(recipe, async () => {
      const flags = ['--device', device, ...(tiny ? [] : ['--data', data]), '--threads', String(threads)]
      const begin = ['run', join(root, 'recipes', `${recipe}.yaml`), ...flags, '-o', folder]
      const begun = existsSync(join(folder, 'recipe.json'))
      const args = begun ? ['resume', folder] : [...begin, ...sets.flatMap((set) => ['--set', set])]
      const end = await untilLate(args, results.left())
      if (end === 130) throw new Error('its time is over; the same command goes on with it')
      if (end !== 0) throw new Error(`coppice ${args[0]} ended with ${end}`)
      return figures(folder)
    })
  }
}

/** Runs Coppice, and asks it to stop at a checkpoint when the time is up. */
const untilLate = (args, seconds) => {
  const child = spawn(process.execPath, [coppice, ...args], { stdio: ['ignore', 'ignore', 2] })
  const late = setTimeout(() => child.kill('SIGINT'), 1000 * seconds)
  return new Promise((fulfil) =>
    child.once('close', (code, signal) => {
      clearTimeout(late)
      fulfil(signal ?? code)
    }),
  )
}

/** What the run found, and how long an epoch took. */
const figures = (folder) => {
  const { rows } = JSON.parse(readFileSync(join(folder, 'result.json'), 'utf8'))
  const epochs = readFileSync(join(folder, 'metrics.ndjson'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
    .filter(({ event }) => event === 'epoch')
  return { rows, epochs: epochs.length, lastEpoch: epochs.at(-1) }
}
