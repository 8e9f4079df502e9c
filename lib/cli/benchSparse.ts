/** `coppice bench sparse MODEL…`: three ratios, always together; cases that lose are printed as such. */

import { existsSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { Command } from 'commander'
import { z } from 'zod'
import { addon, binding } from '../../bindings/load.js'
import { type Attack, parseAttack, pgd } from '../attacks/attack.js'
import { CoppiceError, invalid } from '../base/errors.js'
import { LIMITS } from '../base/limits.js'
import { version } from '../base/version.js'
import type { Dataset } from '../data/dataset.js'
import { imagesArgument, testImages } from '../data/named.js'
import { type AccuracyRow, measureAccuracy } from '../evaluation/engineAccuracy.js'
import { fileError, makeFolder } from '../files/files.js'
import { fileHash } from '../files/hash.js'
import { writeJson } from '../files/json.js'
import { type BenchReport, benchText } from '../report/benchText.js'
import { chartSvg } from '../report/chart.js'
import { speedChart } from '../report/figures/speed.js'
import { modelFiles } from '../runs/models.js'
import { readFileAs } from '../runs/parseFile.js'
import { benchSparse, type ModelResult } from '../sparse/benchmark/sparse.js'
import { machine } from '../sparse/cpu.js'
import type { Dtype } from '../sparse/options.js'
import { batchesFlag, distinct, dtypesFlag } from './benchFlags.js'
import { integerFlag, numberFlag } from './flags.js'
import { interruptible, note, printResult } from './output.js'
import { type ProgressDisplay, progressDisplay } from './progress.js'

interface Flags {
  batches: number[]
  dtype: Dtype[]
  threads?: number
  trials: number
  seconds: number
  dense?: string
  layers?: boolean
  data?: string
  images: number
  attack?: string
  output?: string
  json?: boolean
}

const RESULTS = 'results.json'
const CHART = 'speed.svg'
const BATCHES = [1, 3, 16, 64, 65, 256]

export const benchSparseCommand = (): Command =>
  new Command('sparse')
    .description(
      'time pruned networks against dense libtorch in the same type, dense libtorch at its best, and a dense network of equal MACs',
    )
    .argument('<model...>', 'model files, or runs (all models they kept but the dense one)')
    .option('--batches <list>', 'batch sizes', batchesFlag, BATCHES)
    .option('--dtype <list>', 'fp32, bf16, fp16: the least precise arithmetic allowed', dtypesFlag, ['fp32'])
    .option('--threads <n>', 'CPU threads (default: all)', integerFlag(1, LIMITS.threads))
    .option('--trials <n>', 'processes a side', integerFlag(1, LIMITS.list), 3)
    .option('--seconds <s>', 'about how long a trial runs, warm and again flushed', numberFlag, 0.5)
    .option('--dense <model>', 'the dense network that compacted models came from')
    .option('--layers', 'a table of every layer, with the fraction of the measured peak')
    .option('--data <set>', `measure accuracy too: ${imagesArgument}`)
    .option('--images <n>', 'of --data, the first n test images', integerFlag(1, LIMITS.images), 1000)
    .option('--attack <name>', 'of --data, the attack on the fp32 network (default: pgd10)')
    .option(
      '-o, --output <dir>',
      'folder for results.json and speed.svg; interrupted, the same command goes on there',
    )
    .option('--json', 'print JSON')
    .action(async (names: string[], flags: Flags) => {
      const attack = flags.attack === undefined ? pgd() : parseAttack(flags.attack)
      if (!(flags.seconds > 0)) throw invalid('--seconds: must be greater than 0')
      const files = await filesOf(names)
      const [dense, ...more] = flags.dense === undefined ? [] : await modelFiles(flags.dense)
      if (more.length > 0)
        throw invalid(`--dense: ${flags.dense} is a run with several models; name one file`)
      const threads = flags.threads ?? addon().getThreads()
      const facts = await environment(threads, flags, dense?.path)
      const kept = flags.output === undefined ? [] : await keptIn(flags.output, facts, files)
      // Before hours of timing, so that a wrong name is told at once.
      const dataset = flags.data === undefined ? undefined : await testImages(flags.data, 'cpu')
      const display = progressDisplay('trials')
      try {
        const report = await interruptible(
          () =>
            flags.output === undefined
              ? 'nothing was kept; with -o the same command would go on'
              : `what was measured is kept in ${flags.output}; the same command goes on`,
          async (signal): Promise<BenchReport> => {
            const models: ModelResult[] = []
            for (const [index, { name, path }] of files.entries()) {
              models.push(
                await benchSparse(path, name, {
                  ...{ batches: distinct(flags.batches), dtypes: distinct(flags.dtype), threads, signal },
                  ...{ trials: flags.trials, seconds: flags.seconds, layers: flags.layers === true },
                  dense: dense?.path,
                  onProgress: (progress) => show(display, progress, index, files.length),
                  kept,
                  onCase: async (soFar) => {
                    if (flags.output === undefined) return
                    const path = join(flags.output, RESULTS)
                    await writeJson(path, { ...facts, models: [...models, soFar], unfinished: true })
                  },
                }),
              )
            }
            const accuracies =
              dataset && (await accuracyOf(files, dataset, { ...flags, threads, attack, signal }, display))
            return { ...facts, models, ...(accuracies && { accuracies, attack }) }
          },
        )
        display.stop()
        if (flags.output !== undefined) await keep(flags.output, report)
        printResult(flags.json, report, () => benchText(report))
      } finally {
        display.stop()
        dataset?.dispose()
      }
    })

const filesOf = async (names: readonly string[]) => {
  const files = []
  for (const name of names) {
    const found = await modelFiles(name)
    files.push(...found.filter((file) => found.length === 1 || file.name !== 'dense'))
  }
  return files
}

/** As far as is asked of it before its facts are compared; what is kept was written by the same version. */
const keptSchema = z.looseObject({
  command: z.string(),
  models: z.array(
    z.custom<ModelResult>(
      (value) =>
        z.looseObject({ model: z.string(), rows: z.array(z.looseObject({})) }).safeParse(value).success,
      'expected the results of a model',
    ),
  ),
  unfinished: z.literal(true).optional(),
})

/** What an interrupted benchmark of the same command left in a folder, which is made if it is not there. */
const keptIn = async (
  folder: string,
  facts: Facts,
  files: readonly { name: string }[],
): Promise<ModelResult[]> => {
  await makeFolder(folder).catch((error) => {
    throw fileError('cannot make the folder', folder, error)
  })
  const path = join(folder, RESULTS)
  const taken = [RESULTS, CHART].find((file) => existsSync(join(folder, file)))
  if (taken === undefined) return []
  const exists = `${join(folder, taken)} exists already; choose another folder with -o`
  if (taken !== RESULTS) throw new CoppiceError('ERR_FILE', exists)
  const { models, unfinished, ...rest } = await readFileAs(path, keptSchema)
  if (unfinished !== true) throw new CoppiceError('ERR_FILE', exists)
  const known = models.every(({ model }) => files.some(({ name }) => name === model))
  if (!known || !isDeepStrictEqual({ ...rest, command: '' }, { ...facts, command: '' })) {
    const message = `${path} is unfinished, but of another command, version or machine: ${rest.command}`
    throw new CoppiceError('ERR_FILE', `${message}; repeat that there, or choose another folder with -o`)
  }
  note(`going on: ${path} has ${models.flatMap(({ rows }) => rows).length} of the cases`)
  return models
}

const show = (
  display: ProgressDisplay,
  { label, done, total }: { label: string; done: number; total: number },
  index: number,
  of: number,
): void => display.update({ label, done, total, fraction: (index + done / total) / of })

type Facts = Awaited<ReturnType<typeof environment>>

/** All that the measured times depend on. */
const environment = async (
  threads: number,
  { trials, seconds, layers }: Flags,
  dense: string | undefined,
) => ({
  command: `coppice ${process.argv.slice(2).join(' ')}`,
  coppice: version,
  libtorch: binding().torch,
  ...machine(),
  simd: addon().info().cpuCapability,
  ...{ threads, trials, seconds, layers: layers === true },
  ...(dense !== undefined && { denseSha256: await fileHash(dense) }),
})

const accuracyOf = async (
  files: readonly { name: string; path: string }[],
  dataset: Dataset,
  flags: Omit<Flags, 'attack'> & { threads: number; attack: Attack; signal: AbortSignal },
  display: ProgressDisplay,
): Promise<AccuracyRow[]> => {
  if (flags.images > dataset.length)
    note(`--images: ${dataset.name} has only ${dataset.length} images; all are used`)
  const { dtype: types, threads, attack, signal } = flags
  const rows: AccuracyRow[] = []
  for (const [index, { name, path }] of files.entries()) {
    rows.push(
      ...(await measureAccuracy(path, name, dataset, {
        ...{ threads, attack, signal, dtypes: distinct(types), batch: typicalBatch(flags.batches) },
        images: Math.min(flags.images, dataset.length),
        onProgress: (progress) => show(display, progress, index, files.length),
      })),
    )
  }
  return rows
}

/** 64 where it is timed, else the largest batch that is. */
const typicalBatch = (batches: readonly number[]): number =>
  batches.includes(64) ? 64 : Math.max(...batches)

const keep = async (folder: string, report: BenchReport): Promise<void> => {
  await writeJson(join(folder, RESULTS), report)
  const svg = await chartSvg(speedChart(report.models, `${report.cpu}, ${report.threads} threads`))
  await writeFile(join(folder, CHART), svg).catch((error) => {
    throw fileError('cannot write', join(folder, CHART), error)
  })
  note(`kept in ${folder}: results.json, speed.svg`)
}
