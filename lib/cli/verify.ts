/** `coppice verify RUN|MODEL`: verified robust accuracy (VRA), image by image; an interrupted one goes on. */

import { existsSync } from 'node:fs'
import { basename, join } from 'node:path'
import { Command } from 'commander'
import { addon } from '../../bindings/load.js'
import type { Device } from '../../bindings/native.js'
import { type Attack, attackName, attackWithin, parseAttack } from '../attacks/attack.js'
import { invalid } from '../base/errors.js'
import { LIMITS } from '../base/limits.js'
import { formatPixels } from '../base/numbers.js'
import { listed } from '../base/words.js'
import type { Dataset } from '../data/index.js'
import { imagesArgument } from '../data/named.js'
import { networkFingerprint } from '../models/fingerprint.js'
import { loadNetwork, type Network } from '../models/network.js'
import { epsilonToProve } from '../objectives/target.js'
import { formatProportion, percent, table, vraColumn } from '../report/tables.js'
import { imagesFor, type ModelFile, modelFiles, outcomeFolder, runOf } from '../runs/models.js'
import { readOutcomes } from '../runs/result.js'
import { outcomesPath, readRunEnvironment, readRunRecipe } from '../runs/run.js'
import { openVerification } from '../runs/verificationFile.js'
import {
  describeVerifier,
  methodLines,
  optimisedMethods,
  PAPERS_METHOD,
  type Verifier,
  verifier,
  verifierNames,
} from '../verification/index.js'
import type { Verification } from '../verification/summary.js'
import { measuredBy } from '../verification/verdict.js'
import { agreeing, verify } from '../verification/verify.js'
import { bytesFlag, collect, deviceFlag, integerFlag, pixelsFlag, verifierFlag } from './flags.js'
import { interruptible, printResult } from './output.js'
import { type ProgressDisplay, progressDisplay } from './progress.js'

interface Flags {
  verifier?: Verifier
  epsilon?: number
  images?: number
  data?: string
  checkpoint: string[]
  memory?: number
  iterations?: number
  unclipped?: boolean
  intersect?: boolean
  attack?: string
  device: Device
  threads?: number
  batchSize?: number
  seed: number
  output?: string
  json?: boolean
}

type Row = Omit<Verification, 'perSample' | 'verifier'> & { name: string; sparsity: number; file: string }

export const verifyCommand = (): Command =>
  new Command('verify')
    .description('verified robust accuracy (VRA): images for which no attack within eps can succeed, proved')
    .argument('<run|model>', 'run directory (all models it kept) or model file')
    .option('--epsilon <eps>', 'half the side of the box, in [0,1] pixels, such as 2/255', pixelsFlag)
    .option(
      '--verifier <name>',
      `${listed(verifierNames.map((name) => (name === PAPERS_METHOD ? `${name} (default)` : name)))}: from cheap to dear, with attacks`,
      verifierFlag,
    )
    .option('--images <n>', 'only the first n test images', integerFlag(1, LIMITS.images))
    .option('--data <set>', imagesArgument)
    .option('--checkpoint <name>', 'of a run, only this model; repeatable', collect, [])
    .option(
      '--memory <size>',
      'memory that bounds may take (default: 512MiB, on CUDA a quarter of what there is)',
      bytesFlag,
    )
    .option(
      '--iterations <n>',
      `gradient steps of ${listed(optimisedMethods)} for each image (default: 20)`,
      integerFlag(1, LIMITS.iterations),
    )
    .option('--unclipped', 'do not clip the box to [0,1], as in some published figures')
    .option('--intersect', 'keep the tighter of the bounds and interval bounds at every node')
    .option('--attack <name>', 'attack every right image too, such as pgd50x10; of a cascade its last attack')
    .option('--device <device>', 'cpu, cuda or cuda:N', deviceFlag, 'cpu')
    .option('--threads <n>', 'CPU threads', integerFlag(1, LIMITS.threads))
    .option(
      '--batch-size <n>',
      'images at once (default: 8 to 256, by the verifier; on a GPU more)',
      integerFlag(1, LIMITS.batchSize),
    )
    .option('--seed <n>', "key of the attack's random starts", integerFlag(0, LIMITS.seed), 0)
    .option('-o, --output <file>', 'where the verdicts go, one line an image (default: beside the model)')
    .option('--json', 'print JSON')
    .addHelpText('after', `\nBounds:\n${methodLines.join('\n')}`)
    .action(async (argument: string, flags: Flags) => {
      const chosen = chooseVerifier(flags)
      if (flags.threads !== undefined) addon().setThreads(flags.threads)
      const files = await modelFiles(argument, flags.checkpoint)
      if (flags.output !== undefined && files.length > 1) {
        const names = files.map(({ name }) => name).join(', ')
        throw invalid(`--output: holds one model; choose one of ${names} with --checkpoint`)
      }
      const dataset = await imagesFor(argument, flags)
      const rows = await verifyAll(files, dataset, chosen, flags)
      const value = { data: dataset.name, verifier: chosen, models: rows }
      printResult(flags.json, value, () => describe(rows, dataset, chosen))
    })

/** The verifier with what the flags say of it. */
const chooseVerifier = ({
  verifier: named,
  memory,
  iterations,
  unclipped,
  intersect,
  attack,
}: Flags): Verifier => {
  const kind = named?.kind ?? PAPERS_METHOD
  if (iterations !== undefined && kind !== 'cascade' && !optimisedMethods.includes(kind)) {
    throw invalid(`--iterations: is for ${[...optimisedMethods, 'cascade'].join(' and ')}, not for ${kind}`)
  }
  if (attack !== undefined && attack !== 'none') parseAttack(attack)
  return verifier({
    kind,
    clip: unclipped !== true,
    intersect: intersect === true,
    ...(memory !== undefined && { memory }),
    ...(iterations !== undefined && { iterations }),
    ...(kind === 'cascade' && attack !== undefined && { attack }),
    ...(kind === 'cascade' && attack === 'none' && { quickAttack: 'none' }),
  })
}

const chooseEpsilon = ({ history }: Network, { epsilon }: Flags): number => {
  const known = epsilonToProve({ epsilon, objective: history.objective })
  if (known !== undefined) return known
  throw invalid('--epsilon: give the distance to verify, such as 2/255; the network was not trained for any')
}

const verifyAll = async (
  files: readonly ModelFile[],
  dataset: Dataset,
  chosen: Verifier,
  flags: Flags,
): Promise<Row[]> => {
  const rows: Row[] = []
  const display = progressDisplay()
  try {
    await interruptible(
      () => 'the same command goes on where it stopped',
      async (signal) => {
        for (const [index, file] of files.entries()) {
          const network = await loadNetwork(file.path, { device: flags.device })
          const part = { index, of: files.length }
          rows.push(await verifyModel(file, network, dataset, chosen, flags, { display, signal, part }))
          network.dispose()
        }
      },
    )
  } finally {
    display.stop()
  }
  return rows
}

interface Surroundings {
  display: ProgressDisplay
  signal: AbortSignal
  /** Which of the models this is. */
  part: { index: number; of: number }
}

const verifyModel = async (
  { name, path }: ModelFile,
  network: Network,
  dataset: Dataset,
  chosen: Verifier,
  flags: Flags,
  { display, signal, part }: Surroundings,
): Promise<Row> => {
  const { seed, images, batchSize } = flags
  const epsilon = chooseEpsilon(network, flags)
  const plain = chosen.kind !== 'cascade' && flags.attack !== undefined && flags.attack !== 'none'
  const attack = plain ? attackWithin(epsilon, flags.attack) : undefined
  const { memory: _, ...settings } = chosen
  const file = await openVerification(flags.output ?? defaultFile(path, chosen, epsilon, attack), {
    network: { name: network.name, fingerprint: networkFingerprint(await network.read()) },
    data: { name: dataset.name, fingerprint: dataset.fingerprint },
    ...{ verifier: settings, epsilon, attack: attack ?? null, seed },
  })
  try {
    if (file.done.length > 0) display.log(`${file.path} has ${file.done.length} images already`)
    let found = await verify(network, dataset, {
      ...{ verifier: chosen, epsilon, attack, images, batchSize, seed, signal },
      done: file.done,
      onResult: (verdicts) => file.append(verdicts),
      onProgress: ({ images: done, totalImages: total }) =>
        display.update({
          ...{ label: `verify ${name}`, done, total },
          fraction: (part.index + done / total) / part.of,
        }),
    })
    const measured = await measuredByRun(path, name, dataset)
    if (measured !== undefined) found = await agreeing(network, dataset, found, measured, { seed, signal })
    const { perSample: _perSample, verifier: _verifier, ...figures } = found
    return { name, sparsity: await network.sparsity(), ...figures, file: file.path }
  } finally {
    await file.close()
  }
}

/** RUN/verification/dense-symbolic-2_255.jsonl, or beside a model that is in no run. */
const defaultFile = (path: string, chosen: Verifier, epsilon: number, attack: Attack | undefined): string => {
  const words = [
    basename(path, '.safetensors'),
    chosen.kind,
    formatPixels(epsilon).replace('/', '_'),
    ...(chosen.clip ? [] : ['unclipped']),
    ...(chosen.intersect ? ['intersect'] : []),
    ...(attack === undefined ? [] : [attackName(attack)]),
  ]
  return join(outcomeFolder(path, 'verification'), `${words.join('-')}.jsonl`)
}

/** What the run recorded of this model on the same images. In bf16 that was another function than what is proved. */
const measuredByRun = async (path: string, name: string, dataset: Dataset) => {
  const run = runOf(path)
  if (run === undefined || !existsSync(outcomesPath(run, name))) return undefined
  const { data } = await readRunEnvironment(run)
  const { evaluate } = await readRunRecipe(run)
  if (data.test !== dataset.fingerprint || evaluate.precision === 'bf16') return undefined
  const outcomes = await readOutcomes(outcomesPath(run, name))
  return measuredBy(outcomes, outcomes.attack)
}

const describe = (rows: readonly Row[], dataset: Dataset, chosen: Verifier): string => {
  const era = rows.some((row) => row.era !== undefined)
  const [first] = rows
  return [
    table(
      [
        ...['model', 'sparsity', 'benign %'],
        ...(era ? ['ERA %'] : []),
        ...[vraColumn(chosen), 'unknown', 'unstable', 's/image'],
      ],
      rows.map((row) => [
        row.name,
        percent(row.sparsity),
        formatProportion(row.accuracy),
        ...(era ? [row.era === undefined ? '' : formatProportion(row.era)] : []),
        formatProportion(row.vra),
        String(row.unknown),
        row.unstable === undefined ? '' : percent(row.unstable),
        (row.seconds / row.n).toPrecision(3),
      ]),
    ),
    '',
    `VRA proved by ${describeVerifier(chosen)}, eps ${[...new Set(rows.map(({ epsilon }) => formatPixels(epsilon)))].join(', ')}, ` +
      `on ${dataset.name}; n = ${first?.n}, 95 % intervals` +
      `${first === undefined || first.attacks.length === 0 ? '' : `; ERA under ${first.attacks.join(' and ')}`}.`,
    ...rows.flatMap(({ name, brokenByRounding: rounded, notFinite }) => [
      ...(rounded === undefined ? [] : [`${name}: ${rounded} proved, but broken by rounding errors alone.`]),
      ...(notFinite === undefined ? [] : [`${name}: logits of ${notFinite} images are not finite.`]),
    ]),
    ...rows.map(({ name, file }) => `Verdicts of ${name}: ${file}`),
  ].join('\n')
}
