// What a grid costs besides its runs: submission, status and results of a plan of many tasks, with a scheduler that is
// only pretended (scripts that answer at once), and the processor time of a task that does next to nothing.
//   node bench/grids/overhead.mjs [--tasks 1000]
import { execFileSync, spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, loadavg, tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'

const { values } = parseArgs({ options: { tasks: { type: 'string', default: '1000' } } })
const tasks = Number(values.tasks)
const root = resolve(import.meta.dirname, '../..')
const { launch, openGrid, resultsOf, runFolder, slurmLauncher, statusOf, withSharedPretraining } =
  await import(join(root, 'dist', 'lib', 'grids', 'index.js'))
const { parseRecipe } = await import(join(root, 'dist', 'lib', 'recipes', 'recipe.js'))
const { writeGridResults } = await import(join(root, 'dist', 'lib', 'report', 'gridTable.js'))

const folder = mkdtempSync(join(tmpdir(), 'coppice-overhead-'))
const timed = async (what, work) => {
  const times = []
  let value
  for (let round = 0; round < 3; round++) {
    const before = performance.now()
    value = await work(round)
    times.push((performance.now() - before) / 1000)
  }
  const [, median] = times.sort((a, b) => a - b)
  console.log(`${what.padEnd(58)} ${median.toFixed(2)} s (median of 3)`)
  return value
}

const bin = join(folder, 'bin')
mkdirSync(bin)
const script = (name, text) => {
  writeFileSync(join(bin, name), `#!/bin/sh\n${text}\n`)
  chmodSync(join(bin, name), 0o755)
}
script('sbatch', '[ "$1" = --version ] && exit 0; for part; do :; done; echo $((100 + part))')
script('squeue', `cat '${bin}/queue' 2>/dev/null || true`)
script('scontrol', 'echo "MaxArraySize = 1001"')
process.env.PATH = `${bin}:${process.env.PATH}`

// Ten tasks to a pre-training, as ten sparsities of a seed.
const recipe = (seed, sparsity) =>
  parseRecipe({
    ...{ seed, threads: 1, data: { set: 'builtin', train: 10, test: 10 } },
    network: { name: 'cifarLarge', scale: 0.05 },
    pretrain: { objective: { kind: 'adversarial', steps: 1 }, epochs: 1 },
    prune: { sparsity, steps: 1, epochsPerStep: 1 },
  })
const points = Array.from({ length: tasks }, (_, index) => ({
  seed: Math.floor(index / 10),
  sparsity: (1 + (index % 10)) / 20,
}))
const planned = withSharedPretraining(
  points.map(({ seed, sparsity }) => ({
    name: `sparsity=${sparsity},seed=${seed}`,
    recipe: recipe(seed, sparsity),
    point: { 'prune.sparsity': sparsity, seed },
  })),
)

try {
  console.log(
    `${cpus()[0]?.model}, load ${loadavg()[0]?.toFixed(1)}; ${planned.length} tasks, ${planned.length - tasks} of them shared pre-training`,
  )
  const plan = (name) => ({ name, folder: join(folder, name), tasks: planned })
  await timed('submit: write the folder, one sbatch a pre-training', async (round) =>
    launch(plan(`grid${round}`), slurmLauncher()),
  )
  const grid = await openGrid(plan('grid0'))
  const parts = execFileSync('ls', [join(grid.folder, 'slurm')], { encoding: 'utf8' }).match(/^\d+\.json$/gm)
  const lines = parts.flatMap((file) => {
    const part = Number.parseInt(file, 10)
    const { tasks: names } = JSON.parse(readFileSync(join(grid.folder, 'slurm', file), 'utf8'))
    return names.map((_, index) => `coppice-${grid.id}-${part}|${100 + part}_${index}|PENDING|Priority\n`)
  })
  writeFileSync(join(bin, 'queue'), lines.join(''))
  await timed('status, all waiting', () => statusOf(grid))
  const one = join(folder, 'one.json')
  writeFileSync(one, JSON.stringify(recipe(1, 0.5)))
  const run = join(folder, 'run')
  const main = join(root, 'dist', 'lib', 'cli', 'main.js')
  const started = performance.now()
  spawnSync(process.execPath, [main, 'run', one, '-o', run], { stdio: 'ignore' })
  const wall = (performance.now() - started) / 1000
  const result = readFileSync(join(run, 'result.json'))
  const { seconds } = JSON.parse(result)
  console.log(
    `${'a task: process, libtorch, data, files (its run not counted)'.padEnd(58)} ${(wall - seconds).toFixed(2)} s`,
  )
  for (const { name } of planned) {
    mkdirSync(runFolder(grid, name), { recursive: true })
    writeFileSync(join(runFolder(grid, name), 'result.json'), result)
  }
  writeFileSync(join(bin, 'queue'), '')
  await timed('status, all done', () => statusOf(grid))
  await timed('results read and written in three formats', async () =>
    writeGridResults(grid, await resultsOf(grid)),
  )
  await timed('coppice grid FOLDER --status, as a command', () =>
    spawnSync(process.execPath, [main, 'grid', grid.folder, '--status', '--json'], { stdio: 'ignore' }),
  )
} finally {
  rmSync(folder, { recursive: true, force: true })
}
