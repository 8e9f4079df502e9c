/** `coppice run RECIPE`: carries out a recipe in a new run directory. */

import { existsSync, readFileSync } from 'node:fs'
import { basename, extname, join } from 'node:path'
import { Command } from 'commander'
import type { Device } from '../../bindings/native.js'
import { LIMITS } from '../base/limits.js'
import { listed } from '../base/words.js'
import { runRecipe } from '../compression/pipeline.js'
import type { RunHooks } from '../compression/session.js'
import { dataArguments } from '../data/sets.js'
import { structureNames } from '../pruning/structures.js'
import { parseRecipe } from '../recipes/recipe.js'
import { readRecipeFile, setValue } from '../recipes/recipeFile.js'
import { describeEvent } from '../report/events.js'
import { resultTable } from '../report/tables.js'
import { TensorBoardLog } from '../report/tensorboard.js'
import { serveRuns } from '../report/watch/server.js'
import { WatchedRuns } from '../report/watch/watched.js'
import type { RunEvent } from '../runs/events.js'
import type { RunResult } from '../runs/result.js'
import { isRun, requireFree } from '../runs/run.js'
import { devicesFlag, integerFlag, withData } from './flags.js'
import { interruptible, note, printResult } from './output.js'
import { progressDisplay } from './progress.js'

interface Flags {
  output?: string
  set: string[]
  data?: string
  device?: [Device, ...Device[]]
  threads?: number
  seed?: number
  finetune?: string
  checkpointSeconds?: number
  pretrained?: string
  watch?: boolean
  tensorboard?: boolean
  json?: boolean
}

export const runCommand = (): Command =>
  new Command('run')
    .description('carry out a recipe: pre-train, prune and fine-tune in steps, evaluate')
    .argument('<recipe>', 'recipe file (.yaml, .yml, .json)')
    .option('-o, --output <dir>', 'run directory (default: runs/<name of the recipe>)')
    .option(
      '--set <path=value>',
      'change a value of the recipe, such as prune.structure=v32x2; repeatable',
      collect,
      [],
    )
    .addHelpText('after', `\nStructures of pruning: ${structureNames.join(', ')}.`)
    .option('--data <set>', listed(dataArguments))
    .option('--device <device>', 'cpu, cuda, cuda:N, or several that share batches: cuda:0-3', devicesFlag)
    .option('--threads <n>', 'CPU threads', integerFlag(1, LIMITS.threads))
    .option('--seed <n>', 'key of all randomness', integerFlag(0, LIMITS.seed))
    .option('--finetune <what>', 'matched, natural, none, or several divided by commas')
    .option(
      '--checkpoint-seconds <n>',
      'time between checkpoints (default: 60)',
      integerFlag(0, LIMITS.seconds),
    )
    .option('--pretrained <run>', 'take the dense network of a finished run with the same pre-training')
    .option('--watch', 'serve a page that shows the run as it goes on, to this machine alone')
    .option(
      '--tensorboard',
      `write event files for TensorBoard too, into ${TENSORBOARD}/ of the run directory`,
    )
    .option('--json', 'print the result as JSON')
    .action(async (file: string, flags: Flags) => {
      const written = withData(await readRecipeFile(file), flags.data)
      const name = basename(file, extname(file))
      const recipe = parseRecipe(assignments(flags).reduce(setValue, { name, ...written }))
      const path = flags.output ?? freeFolder(name)
      await requireFree(path)
      const { checkpointSeconds, pretrained } = flags
      const watching = flags.watch === true ? await serveRuns(new WatchedRuns([path])) : undefined
      if (watching !== undefined) note(`watching: ${watching.url}`)
      const tell = flags.tensorboard === true ? tensorBoard(path) : undefined
      const result = await watched(
        path,
        checkpointSeconds,
        (hooks) => runRecipe(recipe, path, { ...hooks, pretrained }),
        tell,
      ).finally(() => watching?.close())
      printResult(flags.json, result, () => resultTable(result))
    })

/** Runs or resumes with a progress display, stopping in order on Ctrl-C. */
export const watched = (
  path: string,
  checkpointSeconds: number | undefined,
  work: (hooks: RunHooks) => Promise<RunResult>,
  tell?: (event: RunEvent) => void,
): Promise<RunResult> => {
  const advice = () => (isRun(path) ? `go on with: coppice resume ${path}` : 'nothing was written')
  return displayed(path, ({ onEvent, ...hooks }) =>
    interruptible(advice, (signal) =>
      work({
        ...hooks,
        onEvent: (event) => {
          onEvent?.(event)
          tell?.(event)
        },
        ...{ signal, checkpointSeconds },
      }),
    ),
  )
}

/** Folder of event files in a run directory. */
const TENSORBOARD = 'tensorboard'

/** Tells TensorBoard the events of a run, from its first one on. A file that cannot be written does not end the run. */
export const tensorBoard = (path: string): ((event: RunEvent) => void) => {
  let log: TensorBoardLog | undefined
  let failed = false
  return (event) => {
    if (failed) return
    try {
      if (log === undefined) {
        log = new TensorBoardLog(join(path, TENSORBOARD))
        log.recipe(readFileSync(join(path, 'recipe.json'), 'utf8'))
      }
      log.event(event)
    } catch (error) {
      failed = true
      note(`no more events for TensorBoard: ${(error as Error).message}`)
    }
  }
}

/** Shows the progress and the events of a run in this directory. */
export const displayed = async (
  path: string,
  work: (hooks: Required<Pick<RunHooks, 'onProgress' | 'onEvent'>>) => Promise<RunResult>,
): Promise<RunResult> => {
  const display = progressDisplay()
  try {
    return await work({
      onProgress: (progress) => display.update(progress),
      onEvent: (event) => {
        if (event.event === 'start') display.log(`run directory: ${path}`)
        if (event.event === 'resume') display.log(`going on with ${path}`)
        const line = describeEvent(event)
        if (line !== undefined) display.log(line)
      },
    })
  } finally {
    display.stop()
  }
}

const collect = (value: string, before: string[]): string[] => [...before, value]

/** The flags that stand for values of the recipe. */
const assignments = ({ set, device, threads, seed, finetune }: Flags): string[] => [
  ...(device === undefined ? [] : [`device=${device[0]}`, `moreDevices=[${device.slice(1)}]`]),
  ...(threads === undefined ? [] : [`threads=${threads}`]),
  ...(seed === undefined ? [] : [`seed=${seed}`]),
  ...(finetune === undefined ? [] : [`finetune=[${finetune}]`]),
  ...set,
]

/** runs/NAME, or with the first free number after it. */
const freeFolder = (name: string): string => {
  const path = join('runs', name)
  if (!existsSync(path)) return path
  let number = 2
  while (existsSync(`${path}-${number}`)) number++
  return `${path}-${number}`
}
