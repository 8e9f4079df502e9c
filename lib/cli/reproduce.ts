/** `coppice reproduce NAME…`: tables and figures of the paper, each of our figures beside the paper's. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { Command, Option } from 'commander'
import type { Device } from '../../bindings/native.js'
import { invalid } from '../base/errors.js'
import { formatSeconds } from '../base/numbers.js'
import { parse } from '../base/schemas.js'
import { dataSchema, namedData } from '../data/sets.js'
import { analyse } from '../experiments/analyses.js'
import { setDamagedAside } from '../experiments/cache.js'
import { type Cost, costOf, requireRoom } from '../experiments/cost.js'
import type { Experiment, Setting } from '../experiments/experiment.js'
import { gather } from '../experiments/gather.js'
import { experiments, experimentsNamed } from '../experiments/index.js'
import { type ExperimentPlan, type PlannedRun, planExperiments } from '../experiments/plan.js'
import { parseReadings, readingNames } from '../experiments/readings.js'
import { type ScaleName, scaleNames, scales } from '../experiments/scales/index.js'
import { type Launcher, launch, type Plan, runFolder } from '../grids/index.js'
import { countsText, writeReproductions } from '../report/reproduction.js'
import { table } from '../report/tables.js'
import { resultPath } from '../runs/run.js'
import { collect, deviceFlag, integerFlag } from './flags.js'
import { followed, type LaunchFlags, launcherOf, withLaunchFlags } from './launching.js'
import { EXIT, interruptible, note, printResult } from './output.js'

interface Flags extends LaunchFlags {
  list?: boolean
  scale: ScaleName
  data?: string
  seeds: number
  reading: string[]
  set: string[]
  device?: Device
  output?: string
  dryRun?: boolean
  yes?: boolean
  json?: boolean
}

/** The official folder of CIFAR-10, taken where it lies in the working directory. */
const OFFICIAL = 'cifar-10-batches-bin'

/** Longer plans are begun only with --yes. */
const LONG_HOURS = 24

const EXAMPLES = `
Scales: ${Object.values(scales)
  .map(({ name, meaning }) => `${name} (${meaning})`)
  .join('; ')}.
Readings, where the paper can be read in several ways: ${readingNames.join(', ')}; see
docs/reproduction.md. Runs are kept in the folder and never done twice: the same command again goes
on where it was stopped or killed, and other tables take what they share.

Examples:
  coppice reproduce --list
  coppice reproduce table2 table3 --scale smoke --data ${OFFICIAL} --dry-run
  coppice reproduce all --scale smoke --data ${OFFICIAL} --jobs 2
  coppice reproduce table4 --reading scope=global --reading points=runs --seeds 3
  coppice reproduce all --scale paper --device cuda --launch slurm --gres gpu:1 --time 8:00:00`

export const reproduceCommand = (): Command => {
  const command = new Command('reproduce')
    .description("tables and figures of the paper, our figures beside the paper's")
    .argument('[names...]', `all, ${experiments.map(({ name }) => name).join(', ')}`)
    .option('--list', 'say what there is')
    .addOption(
      new Option('--scale <name>', 'how much of the work').choices(scaleNames).default('paper' as const),
    )
    .option('--data <set>', `data set (default: ${OFFICIAL}, if it is here)`)
    .option('--seeds <n>', 'seeds of every run, for mean and spread', integerFlag(1, 1000), 1)
    .option('--reading <key=value>', 'another reading of the paper; repeatable', collect, [])
    .option('--set <path=value>', 'change a value of all recipes; repeatable', collect, [])
    .option('--device <device>', 'device of every run, such as cuda', deviceFlag)
    .option('-o, --output <dir>', 'folder of runs and results (default: runs/reproduction-SCALE)')
  return withLaunchFlags(command)
    .option('--dry-run', 'print the runs and what they will cost, and begin none')
    .option('--yes', `begin also what will take more than ${LONG_HOURS} hours`)
    .option('--json', 'print JSON')
    .addHelpText('after', EXAMPLES)
    .action(async (names: string[], flags: Flags) => {
      if (flags.list) return printList(flags)
      if (names.length === 0) throw invalid('name a table or a figure, or all; --list says what there is')
      await reproduce(experimentsNamed(names), flags)
    })
}

const printList = ({ json }: Flags): void => {
  const list = experiments.map(({ name, title, where }) => ({ name, title, where }))
  printResult(json, list, () =>
    table(
      ['name', 'where', 'what'],
      list.map(({ name, title, where }) => [name, where, title]),
    ),
  )
}

const reproduce = async (wanted: readonly Experiment[], flags: Flags): Promise<void> => {
  const launcher = launcherOf(flags)
  const setting = settingOf(flags)
  const folder = flags.output ?? join('runs', `reproduction-${flags.scale}`)
  const seeds = Array.from({ length: flags.seeds }, (_, seed) => seed)
  const plan = await planExperiments(wanted, setting, seeds)
  try {
    const grid: Plan = {
      name: `reproduction-${flags.scale}`,
      folder,
      tasks: plan.runs.map(({ task }) => task),
    }
    if (!flags.dryRun) {
      for (const { run, reason, now } of await setDamagedAside(grid, plan.runs))
        note(`${run} is computed again: ${reason}; what was there is in ${now}`)
    }
    const open = plan.runs.filter(({ task }) => !existsSync(resultPath(runFolder(grid, task.name))))
    const cost = await costOf(open, {
      device: setting.shared.device,
      threads: setting.shared.threads,
    })
    const jobs = flags.jobs ?? Math.max(1, flags.devices?.length ?? 1)
    if (flags.dryRun) return printPlan(plan, grid, open, cost, jobs, flags)
    await requireRoom(folder, cost.bytes)
    const hours = cost.seconds / jobs / 3600
    const told = `${open.length} of ${plan.runs.length} runs to do, about ${costText(cost, jobs)}`
    if (hours > LONG_HOURS && !flags.yes)
      throw invalid(`${told}; give --yes to begin, another --scale or another --device`)
    note(`${folder}: ${told}`)
    await interruptible(
      () => 'the same command goes on',
      async (signal) => {
        if (open.length > 0) await carriedOut(grid, launcher, flags, signal)
        await analyse(plan, grid, { signal })
      },
      'stopping at checkpoints; press Ctrl-C again to stop at once',
    )
    await report(plan, grid, setting, flags)
  } finally {
    plan.dispose()
  }
}

/** Launches the runs, and waits for them unless a scheduler has them and nobody wants to. */
const carriedOut = async (
  grid: Plan,
  launcher: Launcher,
  { follow }: Flags,
  signal: AbortSignal,
): Promise<void> => {
  const { grid: begun, released } = await launch(grid, launcher, { signal, add: true })
  // Waited for below; until then its failure is nobody's.
  released.catch(() => undefined)
  const isLocal = launcher.kind === 'local'
  const wanted = new Set(grid.tasks.map(({ name }) => name))
  try {
    if (isLocal || follow) await followed(begun, signal, isLocal ? 1 : 5, wanted)
  } finally {
    await released
  }
}

const settingOf = ({ scale: name, data, reading, set, device = 'cpu', threads }: Flags): Setting => {
  const scale = scales[name]
  if (data === undefined && !existsSync(OFFICIAL)) {
    throw invalid(
      `--data: there is no ${OFFICIAL} here; name a data set ` +
        `(coppice data fetch ${OFFICIAL} downloads it, --data builtin tries it out)`,
    )
  }
  const own = threads ?? scale.threads
  return {
    scale,
    readings: parseReadings(Object.fromEntries(reading.map(readingOf))),
    shared: {
      data: parse(dataSchema, namedData(data ?? OFFICIAL), '--data'),
      device,
      ...(own !== undefined && { threads: own }),
    },
    changes: set,
  }
}

/** `scope=global` as a key and a value. */
const readingOf = (text: string): [string, string | number] => {
  const equals = text.indexOf('=')
  if (equals < 1) throw invalid(`--reading ${text}: expected key=value; keys are ${readingNames.join(', ')}`)
  const value = text.slice(equals + 1)
  return [text.slice(0, equals), /^\d+$/.test(value) ? Number(value) : value]
}

const costText = ({ seconds, bytes }: Cost, jobs: number): string =>
  `${formatSeconds(seconds / jobs)}${jobs > 1 ? `, ${jobs} at a time,` : ''} and ${(bytes / 2 ** 20).toFixed(0)} MiB`

const printPlan = (
  plan: ExperimentPlan,
  { folder }: Plan,
  open: readonly PlannedRun[],
  cost: Cost,
  jobs: number,
  { json }: Flags,
): void => {
  const runs = plan.runs.map((run) => {
    const { seconds = 0, bytes = 0 } = cost.runs.get(run) ?? {}
    const { name, recipe, pretrained = null } = run.task
    return { name, after: pretrained, done: !open.includes(run), seconds, bytes, recipe }
  })
  const { seconds, bytes } = cost
  printResult(json, { folder, jobs, seconds, bytes, runs }, () =>
    [
      table(
        ['run', 'after', 'takes'],
        runs.map(({ name, after, done, seconds: own }) => [
          name,
          after ?? '',
          done ? 'done' : formatSeconds(own),
        ]),
      ),
      '',
      `${open.length} of ${runs.length} runs to do, about ${costText(cost, jobs)}; folder: ${folder}`,
    ].join('\n'),
  )
}

const report = async (plan: ExperimentPlan, grid: Plan, setting: Setting, { json }: Flags): Promise<void> => {
  const found = await gather(plan, grid, setting)
  const folder = join(grid.folder, 'results')
  await writeReproductions(folder, found)
  printResult(json, found, () =>
    [
      ...found.flatMap(({ name, title, where, cells, findings }) => [
        `${name}: ${title} (${where})`,
        `  ${countsText(cells)}`,
        ...findings.map((finding) => `  ${finding}`),
      ]),
      `Results: ${join(folder, 'README.md')}`,
    ].join('\n'),
  )
  const missing = plan.runs.filter(({ task }) => !existsSync(resultPath(runFolder(grid, task.name))))
  if (missing.length === 0) return
  note(`${missing.length} of ${plan.runs.length} runs are not done; the same command goes on with them`)
  process.exitCode = EXIT.failed
}
