/** `coppice grid GRID`: many runs, in a pool on this machine or on a cluster's scheduler. */
import { existsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { Command, Option } from 'commander'
import { invalid } from '../base/errors.js'
import { LIMITS } from '../base/limits.js'
import {
  cancel,
  type GridFolder,
  type GridStatus,
  isGrid,
  type Launcher,
  launch,
  type Plan,
  readGrid,
  readGridFile,
  resultsOf,
  statusOf,
  withSharedPretraining,
} from '../grids/index.js'
import { setValue } from '../recipes/recipeFile.js'
import { statusText } from '../report/gridStatus.js'
import { gridMarkdown, writeGridResults } from '../report/gridTable.js'
import { table } from '../report/tables.js'
import { collect, deviceFlag, integerFlag, withData } from './flags.js'
import { type TaskFlags, workOn } from './gridTask.js'
import { followed, type LaunchFlags, launcherOf, withLaunchFlags } from './launching.js'
import { EXIT, interruptible, note, printResult } from './output.js'

interface Flags extends TaskFlags, LaunchFlags {
  output?: string
  set: string[]
  data?: string
  status?: boolean
  cancel?: boolean
  dryRun?: boolean
  json?: boolean
}

const EXAMPLES = `
GRID.yaml is a recipe and a matrix of values; every combination is a task, and pre-training that
several tasks share is done once:

  recipe: recipes/vgg16-adversarial.yaml
  matrix:
    prune.sparsity: [0.9, 0.95, 0.99]
    seed: [1, 2, 3]

Examples:
  coppice grid sweep.yaml --dry-run                       which tasks there are
  coppice grid sweep.yaml --devices cuda:0,cuda:1         on this machine's GPUs
  coppice grid sweep.yaml --jobs 4                        on its CPU, four at a time
  coppice grid sweep.yaml --launch slurm --partition gpu --gres gpu:1 --time 4:00:00
  coppice grid runs/sweep --status                        also from another machine
  coppice grid runs/sweep --cancel

The same command again goes on with what is not done, failed tasks among them.`

export const gridCommand = (): Command => {
  const command = new Command('grid')
    .description('carry out many recipes, on this machine or on Slurm')
    .argument('<grid>', 'grid file (.yaml, .yml, .json), or the folder of a grid')
    .option('-o, --output <dir>', 'folder of the grid (default: runs/<name of the grid>)')
    .option('--set <path=value>', 'change a value of the recipe of all tasks; repeatable', collect, [])
    .option('--data <set>', 'data set of all tasks')
  return withLaunchFlags(command)
    .option('--status', 'say what became of the tasks, and write the results there are')
    .option('--cancel', 'stop all tasks at their next checkpoint')
    .option('--dry-run', 'print the tasks and begin none')
    .option('--json', 'print JSON')
    .addOption(new Option('--task <name>').hideHelp())
    .addOption(new Option('--part <n>').argParser(integerFlag(1, LIMITS.seed)).hideHelp())
    .addOption(new Option('--device <device>').argParser(deviceFlag).hideHelp())
    .addHelpText('after', EXAMPLES)
    .action(async (argument: string, flags: Flags) => {
      if (flags.task !== undefined || flags.part !== undefined) return workOn(argument, flags)
      const launcher = launcherOf(flags)
      const plan = await planOf(argument, flags)
      if (flags.dryRun) return printTasks(plan, flags)
      if (flags.cancel) return cancelled(await readGrid(plan.folder), flags)
      if (flags.status) return report(await readGrid(plan.folder), flags)
      return carriedOut(plan, launcher, flags)
    })
}

/** The plan of a grid file, or of a folder that holds one. */
const planOf = async (argument: string, flags: Flags): Promise<Plan> => {
  if (existsSync(argument) && statSync(argument).isDirectory()) {
    const changed = flags.set.length > 0 ? '--set' : flags.data && '--data'
    if (changed) throw invalid(`${changed}: ${argument} is a grid that has begun; change its grid file`)
    if (flags.output !== undefined) throw invalid(`-o ${flags.output}: ${argument} is the folder of a grid`)
    return readGrid(argument)
  }
  const { name, tasks } = await readGridFile(argument, (recipe) =>
    flags.set.reduce(setValue, withData(recipe, flags.data)),
  )
  return { name, folder: flags.output ?? join('runs', name), tasks: withSharedPretraining(tasks) }
}

const printTasks = ({ name, folder, tasks }: Plan, { json }: Flags): void =>
  printResult(json, { name, folder, tasks }, () =>
    [
      table(
        ['task', 'after'],
        tasks.map((task) => [task.name, task.pretrained ?? '']),
      ),
      '',
      `${tasks.length} tasks${isGrid(folder) ? '' : ', none begun'}; folder: ${folder}`,
    ].join('\n'),
  )

const cancelled = async (grid: GridFolder, { json }: Flags): Promise<void> => {
  const count = await cancel(grid)
  printResult(json, { cancelled: count }, () =>
    count === 0 ? 'nothing runs or waits' : `${count} tasks stop at their next checkpoint, or never begin`,
  )
}

/** Says what became of a grid, and leaves its results as files. */
const report = async (grid: GridFolder, { json }: Flags, known?: GridStatus): Promise<void> => {
  const status = known ?? (await statusOf(grid))
  const results = await resultsOf(grid)
  if (results.length > 0) await writeGridResults(grid, results)
  const points = grid.tasks.filter(({ point }) => point !== undefined).length
  printResult(json, { ...status, results }, () =>
    [
      ...(results.length === 0 ? [] : [gridMarkdown(grid.name, points, results)]),
      statusText(status),
      ...(results.length === 0 ? [] : [`Results: ${join(grid.folder, 'results.md')}, .csv, .json`]),
    ].join('\n'),
  )
  if (known !== undefined && status.counts.done < grid.tasks.length) process.exitCode = EXIT.failed
}

const carriedOut = async (plan: Plan, launcher: Launcher, flags: Flags): Promise<void> => {
  const isLocal = launcher.kind === 'local'
  const advice = () =>
    isLocal
      ? 'the same command goes on with the grid'
      : `coppice grid ${plan.folder} --status tells how it stands, --cancel stops it`
  const told = isLocal ? 'stopping at checkpoints; press Ctrl-C again to stop at once' : 'the grid goes on'
  const status = await interruptible(
    advice,
    async (signal) => {
      const { grid, tasks, released } = await launch(plan, launcher, { signal })
      // Waited for below; until then its failure is nobody's.
      released.catch(() => undefined)
      note(`${grid.folder}: ${tasks.length} of ${grid.tasks.length} tasks ${isLocal ? 'to do' : 'submitted'}`)
      if (!isLocal && !flags.follow) return undefined
      try {
        return await followed(grid, signal, isLocal ? 1 : 5)
      } finally {
        await released
      }
    },
    told,
  )
  const grid = await readGrid(plan.folder)
  if (status !== undefined) return report(grid, flags, status)
  const now = await statusOf(grid)
  printResult(flags.json, now, () => statusText(now))
}
