/** `coppice evaluate RUN|MODEL`: benign accuracy and ERA of a model, or of every model that a run kept. */

import { existsSync } from 'node:fs'
import { basename, join } from 'node:path'
import { Command } from 'commander'
import { addon } from '../../bindings/load.js'
import type { Device, Precision } from '../../bindings/native.js'
import {
  type Attack,
  attackArgument,
  attackName,
  attackParts,
  changedAttack,
  describeAttack,
  parseAttack,
  pgd,
} from '../attacks/attack.js'
import { CoppiceError, invalid } from '../base/errors.js'
import { LIMITS } from '../base/limits.js'
import { formatPixels } from '../base/numbers.js'
import type { Dataset } from '../data/index.js'
import { imagesArgument } from '../data/named.js'
import { type Evaluation, evaluate, type ImageOutcome } from '../evaluation/evaluate.js'
import { writeJson } from '../files/json.js'
import { networkFingerprint } from '../models/fingerprint.js'
import { defaultPrecision, loadNetwork, type Network } from '../models/network.js'
import { attackOf, epsilonToProve } from '../objectives/target.js'
import { formatProportion, percent, table, vraColumn } from '../report/tables.js'
import { openEvaluation } from '../runs/evaluationFile.js'
import type { ImageFile } from '../runs/imageFile.js'
import { imagesFor, type ModelFile, modelFiles, outcomeFolder } from '../runs/models.js'
import { describeVerifier, type Verifier } from '../verification/index.js'
import { collect, deviceFlag, integerFlag, pixelsFlag, verifierFlag } from './flags.js'
import { interruptible, printResult } from './output.js'
import { progressDisplay } from './progress.js'

interface Flags {
  attack?: string
  verifier?: Verifier
  epsilon?: number
  stepSize?: number
  images?: number
  data?: string
  checkpoint: string[]
  device: Device
  threads?: number
  precision?: Precision
  batchSize?: number
  seed?: number
  outcomes?: string
  output?: string
  json?: boolean
}

interface Row extends Omit<Evaluation, 'perSample' | 'attack' | 'verifier'> {
  name: string
  sparsity: number
  /** Where the outcomes of an attack of several parts went, as they were reached. */
  file?: string
}

export const evaluateCommand = (): Command =>
  new Command('evaluate')
    .description('benign, empirical robust (ERA) and verified robust accuracy (VRA), with 95 % intervals')
    .argument('<run|model>', 'run directory (all models it kept) or model file')
    .option('--attack <name>', `${attackArgument}; none`)
    .option('--verifier <name>', 'measure VRA too: symbolic, crown … (see coppice verify)', verifierFlag)
    .option('--epsilon <eps>', 'half the side of the box, in [0,1] pixels, such as 8/255', pixelsFlag)
    .option('--step-size <size>', 'length of a step, in [0,1] pixels (default: 2/255)', pixelsFlag)
    .option('--images <n>', 'only the first n test images', integerFlag(1, LIMITS.images))
    .option('--data <set>', imagesArgument)
    .option('--checkpoint <name>', 'of a run, only this model; repeatable', collect, [])
    .option('--device <device>', 'cpu, cuda or cuda:N', deviceFlag, 'cpu')
    .option('--threads <n>', 'CPU threads', integerFlag(1, LIMITS.threads))
    .option('--precision <type>', 'fp32 (default) or bf16')
    .option(
      '--batch-size <n>',
      'images at once (default: 250, on CUDA 1000)',
      integerFlag(1, LIMITS.batchSize),
    )
    .option('--seed <n>', "key of the attack's random starts (default: 0)", integerFlag(0, LIMITS.seed))
    .option('--outcomes <file>', "write every image's outcome to a JSON file")
    .option(
      '-o, --output <file>',
      'under an attack: where outcomes go as they are reached, one line an image, to go on from (default: of autoattack beside the model)',
    )
    .option('--json', 'print JSON')
    .action(async (argument: string, flags: Flags) => {
      if (flags.outcomes !== undefined && existsSync(flags.outcomes)) {
        throw new CoppiceError('ERR_FILE', `--outcomes ${flags.outcomes} exists already; choose another file`)
      }
      // A mistyped attack is told before anything is loaded.
      if (flags.attack !== undefined && flags.attack !== 'none') parseAttack(flags.attack)
      if (flags.threads !== undefined) addon().setThreads(flags.threads)
      const files = await modelFiles(argument, flags.checkpoint)
      if (flags.output !== undefined && (files.length > 1 || flags.attack === 'none')) {
        const names = files.map(({ name }) => name).join(', ')
        throw invalid(
          flags.attack === 'none'
            ? '--output: is for outcomes under an attack'
            : `--output: holds one model; choose one of ${names} with --checkpoint`,
        )
      }
      const dataset = await imagesFor(argument, flags)
      const { rows, attack, outcomes } = await evaluateAll(files, dataset, flags)
      if (flags.outcomes !== undefined) await writeJson(flags.outcomes, outcomes, 'compact')
      const value = {
        data: dataset.name,
        attack: attack ?? null,
        ...(flags.verifier && { verifier: flags.verifier }),
        models: rows,
      }
      printResult(flags.json, value, () => describe(rows, dataset, attack, flags.verifier))
    })

const chooseAttack = (network: Network, flags: Flags): Attack | undefined => {
  if (flags.attack === 'none') return undefined
  const changes = {
    ...(flags.epsilon !== undefined && { epsilon: flags.epsilon }),
    ...(flags.stepSize !== undefined && { stepSize: flags.stepSize }),
  }
  const own = attackOf(network.history.objective) ?? pgd()
  return flags.attack === undefined ? changedAttack(own, changes) : parseAttack(flags.attack, changes)
}

const evaluateAll = async (files: readonly ModelFile[], dataset: Dataset, flags: Flags) => {
  const rows: Row[] = []
  const outcomes: Record<string, unknown> = {}
  let attack: Attack | undefined
  let file: ImageFile<ImageOutcome> | undefined
  let kept = false
  const display = progressDisplay()
  try {
    await interruptible(
      () => (kept ? 'the same command goes on where it stopped' : 'nothing was kept'),
      async (signal) => {
        for (const [index, { name, path }] of files.entries()) {
          const network = await loadNetwork(path, { device: flags.device })
          attack = chooseAttack(network, flags)
          file = await fileOf(path, network, dataset, attack, flags)
          if (file !== undefined) kept = true
          if (file !== undefined && file.done.length > 0) {
            display.log(`${file.path} has ${file.done.length} images already`)
          }
          const {
            perSample,
            attack: _,
            verifier: __,
            ...figures
          } = await evaluate(network, dataset, {
            attack,
            verifier: flags.verifier,
            epsilon: epsilonToProve({ epsilon: flags.epsilon, objective: network.history.objective, attack }),
            images: flags.images,
            batchSize: flags.batchSize,
            precision: flags.precision,
            seed: flags.seed,
            signal,
            ...(file && { done: file.done, onResult: (reached) => file?.append(reached) }),
            onProgress: ({ samples, totalSamples }) =>
              display.update({
                label: `evaluate ${name}`,
                done: samples,
                total: totalSamples,
                fraction: (index + samples / totalSamples) / files.length,
              }),
          })
          rows.push({
            ...{ name, sparsity: await network.sparsity(), ...figures },
            ...(file && { file: file.path }),
          })
          await file?.close()
          file = undefined
          outcomes[name] = Object.fromEntries(
            Object.entries(perSample).map(([key, values]) => [
              key,
              [...(values as ArrayLike<number> & Iterable<number>)],
            ]),
          )
          network.dispose()
        }
      },
    )
  } finally {
    await file?.close()
    display.stop()
  }
  return { rows, attack, outcomes }
}

/** Where the outcomes of one model go as they are reached: where the user says, and those of attacks of several parts. */
const fileOf = async (
  path: string,
  network: Network,
  dataset: Dataset,
  attack: Attack | undefined,
  { output, precision, seed = 0 }: Flags,
): Promise<ImageFile<ImageOutcome> | undefined> => {
  if (attack === undefined || (output === undefined && attackParts(attack).length === 1)) return undefined
  return openEvaluation(output ?? defaultFile(path, attack), {
    network: { name: network.name, fingerprint: networkFingerprint(await network.read()) },
    data: { name: dataset.name, fingerprint: dataset.fingerprint },
    ...{ attack, precision: precision ?? defaultPrecision(network), seed },
  })
}

/** RUN/evaluation/dense-autoattack-8_255.jsonl, or beside a model that is in no run. */
const defaultFile = (path: string, attack: Attack): string => {
  const words = [
    basename(path, '.safetensors'),
    attackName(attack),
    formatPixels(attack.epsilon).replace('/', '_'),
  ]
  return join(outcomeFolder(path, 'evaluation'), `${words.join('-')}.jsonl`)
}

const describe = (
  rows: readonly Row[],
  dataset: Dataset,
  attack: Attack | undefined,
  verifier: Verifier | undefined,
): string =>
  [
    table(
      [
        ...['model', 'sparsity', 'benign %'],
        ...(attack === undefined ? [] : ['ERA %']),
        ...(verifier === undefined ? [] : [vraColumn(verifier)]),
      ],
      rows.map(({ name, sparsity, accuracy, era, vra }) => [
        name,
        percent(sparsity),
        formatProportion(accuracy),
        ...(era === undefined ? [] : [formatProportion(era)]),
        ...(vra === undefined ? [] : [formatProportion(vra)]),
      ]),
    ),
    '',
    `On ${dataset.name}, n = ${rows[0]?.n}, 95 % intervals` +
      `${attack === undefined ? '' : `; ERA under ${describeAttack(attack)}`}` +
      `${verifier === undefined ? '' : `; VRA by ${describeVerifier(verifier)}, eps ${formatPixels(rows[0]?.epsilon ?? 0)}`}.`,
    ...rows.flatMap(({ name, broken, era }) =>
      broken === undefined
        ? []
        : [
            `${name}: ${Object.entries(broken)
              .map(([part, images]) => `${part} broke ${images}`)
              .join(', ')}; ${era?.successes} stand.`,
          ],
    ),
    ...rows.flatMap(({ name, file }) => (file === undefined ? [] : [`Outcomes of ${name}: ${file}`])),
    ...rows.flatMap(({ name, notFinite }) =>
      notFinite === undefined
        ? []
        : [`${name}: logits of ${notFinite} images are not finite; they count as wrong.`],
    ),
  ].join('\n')
