/** `coppice bench predict NETWORK|MODEL`: what pruning would gain here, before a night is spent on it. */

import { existsSync } from 'node:fs'
import { Command, InvalidArgumentError } from 'commander'
import { invalid } from '../base/errors.js'
import { LIMITS } from '../base/limits.js'
import { didYouMean } from '../base/numbers.js'
import { readModel } from '../models/modelFile.js'
import { networkSpec } from '../networks/index.js'
import type { NetworkSpec } from '../networks/spec.js'
import { readSpec } from '../networks/specFile.js'
import { type Residual, residualNames } from '../pruning/layers.js'
import { type Structure, structureNames } from '../pruning/structures.js'
import { count, percent, table } from '../report/tables.js'
import type { Dtype } from '../sparse/options.js'
import { type Prediction, predictSpeedup } from '../sparse/predict.js'
import { batchesFlag, distinct, dtypeFlag } from './benchFlags.js'
import { integerFlag, numberFlag } from './flags.js'
import { interruptible, printResult } from './output.js'
import { progressDisplay } from './progress.js'

interface Flags {
  structure: Structure[]
  sparsity: number[]
  batches: number[]
  dtype: Dtype
  threads?: number
  residual?: Residual
  scale?: number
  classes?: number
  layers?: boolean
  json?: boolean
}

export const benchPredictCommand = (): Command =>
  new Command('predict')
    .description('predict what pruning would gain at inference, from measurements of layers on this machine')
    .argument('<network|model>', 'name of a network, model file, or JSON file with a spec')
    .option('--structure <list>', `of ${structureNames.join(', ')}`, structuresFlag, ['unstructured'])
    .option('--sparsity <list>', 'fractions to prune', sparsitiesFlag, [0.8, 0.9, 0.95])
    .option('--batches <list>', 'batch sizes', batchesFlag, [64])
    .option('--dtype <type>', 'fp32, bf16, fp16: the least precise arithmetic allowed', dtypeFlag, 'fp32')
    .option('--threads <n>', 'CPU threads (default: all)', integerFlag(1, LIMITS.threads))
    .option('--residual <rule>', 'for filter: inner (default) or grouped', residualFlag)
    .option('--scale <factor>', 'factor on every hidden width, for networks by name', numberFlag)
    .option('--classes <n>', 'number of logits, for networks by name', integerFlag(2, LIMITS.size))
    .option('--layers', 'a table of every layer')
    .option('--json', 'print JSON')
    .action(async (argument: string, flags: Flags) => {
      const spec = await specOf(argument, flags)
      const predictions = await predictAll(spec, flags)
      printResult(flags.json, { network: spec.name, predictions }, () => asText(predictions, flags.layers))
    })

const structuresFlag = (text: string): Structure[] =>
  text.split(',').map((word) => {
    const known = structureNames.find((name) => name === word.trim())
    if (known !== undefined) return known
    throw new InvalidArgumentError(
      `Expected some of ${structureNames.join(', ')}${didYouMean(word, structureNames)}`,
    )
  })

const sparsitiesFlag = (text: string): number[] =>
  text.split(',').map((word) => {
    const value = Number(word)
    if (word.trim() !== '' && value >= 0 && value < 1) return value
    throw new InvalidArgumentError('Expected fractions of at least 0 and below 1, divided by commas.')
  })

const residualFlag = (text: string): Residual => {
  const known = residualNames.find((name) => name === text)
  if (known !== undefined) return known
  throw new InvalidArgumentError(`Expected one of ${residualNames.join(', ')}.`)
}

const specOf = async (
  argument: string,
  { scale, classes }: Pick<Flags, 'scale' | 'classes'>,
): Promise<NetworkSpec> => {
  const file = argument.endsWith('.safetensors') || argument.endsWith('.json') || existsSync(argument)
  if (file && (scale ?? classes) !== undefined) {
    throw invalid('--scale and --classes are for networks by name')
  }
  if (argument.endsWith('.json')) return readSpec(argument)
  if (file) return (await readModel(argument)).spec
  return networkSpec(argument, {
    ...(scale !== undefined && { scale }),
    ...(classes !== undefined && { classes }),
  })
}

const predictAll = async (spec: NetworkSpec, flags: Flags): Promise<Prediction[]> => {
  const { dtype, threads, residual } = flags
  const cases = distinct(flags.batches).flatMap((batch) =>
    distinct(flags.structure).flatMap((structure) =>
      distinct(flags.sparsity).map((sparsity) => ({ batch, structure, sparsity })),
    ),
  )
  const display = progressDisplay('measurements')
  try {
    return await interruptible(
      () => 'what was measured is kept; the same command goes on',
      async (signal) => {
        const predictions: Prediction[] = []
        for (const [index, one] of cases.entries()) {
          predictions.push(
            await predictSpeedup(spec, {
              ...{ ...one, dtype, threads, residual, signal, onWarning: display.log },
              onProgress: ({ label, done, total }) =>
                display.update({
                  label: `${one.structure}, batch ${one.batch}: ${label}`,
                  done: index,
                  total: cases.length,
                  fraction: (index + done / total) / cases.length,
                }),
            }),
          )
        }
        return predictions
      },
    )
  } finally {
    display.stop()
  }
}

const asText = (predictions: readonly Prediction[], layers: boolean | undefined): string => {
  const [first] = predictions
  const measured = predictions.reduce((sum, { calibration }) => sum + calibration.measured, 0)
  const seconds = predictions.reduce((sum, { calibration }) => sum + calibration.seconds, 0)
  return [
    table(
      ['structure', 'sparsity', 'batch', 'MACs left', 'dense ms', 'pruned ms', 'speed-up', 'program'],
      predictions.map((one) => [
        one.structure,
        percent(one.sparsity),
        String(one.batch),
        percent(one.macs / one.denseMacs),
        milliseconds(one.denseSeconds),
        milliseconds(one.seconds),
        `${one.speedup.toFixed(2)}×${one.speedup === 1 ? ' (no gain)' : ''}`,
        one.program,
      ]),
      [1, 2, 3, 4, 5, 6],
    ),
    ...(layers === true ? predictions.flatMap(layerText) : []),
    '',
    `${first?.network}, ${first?.dtype}, ${first?.threads} threads; dense is libtorch at its best in that type. ` +
      (measured === 0
        ? 'All measurements were known.'
        : `${measured} measurements took ${seconds.toFixed(1)} s; they are kept.`),
  ].join('\n')
}

const layerText = (one: Prediction): string[] => [
  '',
  `${one.structure}, ${percent(one.sparsity)}, batch ${one.batch}:`,
  table(
    ['layer', 'MACs', 'left', 'ms'],
    one.layers.map(({ node, denseMacs, macs, seconds }) => [
      node ?? '(the rest)',
      count(denseMacs),
      count(macs),
      milliseconds(seconds),
    ]),
    [1, 2, 3],
  ),
]

const milliseconds = (seconds: number): string => (1000 * seconds).toPrecision(3)
