/** What `coppice bench sparse` prints for people. */

import type { Attack } from '../attacks/attack.js'
import { describeAttack } from '../attacks/attack.js'
import type { AccuracyRow } from '../evaluation/engineAccuracy.js'
import type { BenchRow, ModelResult, Ratios, SideResult } from '../sparse/benchmark/sparse.js'
import { count, formatProportion, percent, table } from './tables.js'

export interface BenchReport {
  command: string
  coppice: string
  libtorch: string
  cpu: string
  cpuHash: string
  addon: string
  simd: string
  threads: number
  trials: number
  seconds: number
  layers: boolean
  denseSha256?: string
  models: ModelResult[]
  accuracies?: AccuracyRow[]
  attack?: Attack
}

export const benchText = (report: BenchReport): string => {
  const { cpu, threads, libtorch, trials, models, accuracies, attack } = report
  return [
    ...models.flatMap((model) => [...modelText(model), '']),
    ...(accuracies && attack ? [...accuracyText(accuracies, attack), ''] : []),
    `${cpu}, ${threads} threads, libtorch ${libtorch}; ${trials} processes a side, taking turns; medians [95th percentiles].`,
    'Ratios are dense / engine: above 1 the engine is faster. Flushed: with the caches emptied before each run.',
    "Dense programs are libtorch's, batch norm folded, channels last; prepacked: with oneDNN's layouts and fusions.",
  ].join('\n')
}

const modelText = (model: ModelResult): string[] => {
  const { network, structure, sparsity, macs, denseMacs, rows } = model
  return [
    `${model.model}: ${network}, ${structure}, sparsity ${percent(sparsity)}, ` +
      `${percent(macs / denseMacs)} of ${count(denseMacs)} MACs an image`,
    '',
    table(
      [
        ...['batch', 'type', 'ms', '[p95]', 'same type', 'at its best', 'equal MACs'],
        ...['flushed: ms', 'same', 'best', 'equal', 'program'],
      ],
      rows.map((row) => [
        String(row.batch),
        row.dtype,
        milliseconds(row.engine.warm.median),
        `[${milliseconds(row.engine.warm.p95)}]`,
        ...ratioCells(row, 'warm'),
        milliseconds(row.engine.flushed.median),
        ...ratioCells(row, 'flushed'),
        short(row.engine.program),
      ]),
      [0, 2, 3, 4, 5, 6, 7, 8, 9, 10],
    ),
    ...losses(rows),
    '',
    table(
      [
        'batch',
        'type',
        'MiB engine',
        'dense',
        'tuned and packed in s',
        'from the cache',
        'dense ms [p95]',
        'by',
      ],
      rows.map(({ batch, dtype, engine, best, sameType }) => [
        String(batch),
        dtype,
        mebibytes(engine),
        mebibytes(best.side),
        engine.compileSeconds.first.toPrecision(3),
        engine.compileSeconds.cached.toPrecision(3),
        [
          ...new Set(
            [sameType.side, best.side].map(
              (side) => `${milliseconds(side.warm.median)} [${milliseconds(side.warm.p95)}]`,
            ),
          ),
        ].join(', '),
        [...new Set([sameType.side.program, best.side.program].map(short))].join('; '),
      ]),
      [0, 2, 3, 4, 5],
    ),
    'MiB: most that the process had resident; tuned: with an empty cache.',
    ...rows.flatMap(layerText),
  ]
}

const ratioCells = ({ sameType, best, equalMacs }: BenchRow, key: keyof Ratios): string[] =>
  [sameType, best, equalMacs].map((side) => (side === null ? 'none' : times(side.ratios[key])))

/** A line for each case in which the engine is slower than one of the dense sides. */
const losses = (rows: readonly BenchRow[]): string[] =>
  rows.flatMap(({ batch, dtype, sameType, best, equalMacs }) =>
    (['warm', 'flushed'] as const).flatMap((key) =>
      [
        { what: 'dense libtorch in the same type', side: sameType },
        { what: 'dense libtorch at its best', side: best },
        { what: 'a dense network of equal MACs', side: equalMacs },
      ].flatMap(({ what, side }) =>
        side === null || side.ratios[key] >= 1
          ? []
          : [
              `LOSES  batch ${batch}, ${dtype}, ${key}: ${times(side.ratios[key])} of ${what} (${side.side.program})`,
            ],
      ),
    ),
  )

const layerText = ({ batch, dtype, engine, layers }: BenchRow): string[] =>
  layers === undefined
    ? []
    : [
        '',
        `Layers at batch ${batch}, ${dtype} (${engine.program}):`,
        table(
          ['stage', 'layer', 'ms', 'weights left', 'MACs left an image', 'done', 'of the peak', 'kernel'],
          layers.map((layer) => [
            layer.name,
            layer.node ?? '',
            milliseconds(layer.seconds),
            layer.denseMacs === 0 ? '' : percent(layer.macs / layer.denseMacs),
            layer.macs === 0 ? '' : count(layer.macs),
            layer.doneMacs === 0 ? '' : count(layer.doneMacs),
            layer.macs === 0 ? '' : percent(layer.peakFraction),
            layer.kernel,
          ]),
          [2, 3, 4, 5, 6],
        ),
      ]

const accuracyText = (rows: readonly AccuracyRow[], attack: Attack): string[] => [
  table(
    [
      'model',
      'type',
      'batch',
      'program',
      'benign %',
      'in fp32',
      'ERA %',
      'in fp32',
      'logits error',
      'changed',
      'by dense bf16',
    ],
    rows.map((row) => [
      row.model,
      row.dtype,
      String(row.batch),
      short(row.program),
      formatProportion(row.accuracy),
      row.network.accuracy.value.toFixed(1),
      formatProportion(row.era),
      row.network.era.value.toFixed(1),
      row.logitsError.toExponential(1),
      String(row.changed),
      String(row.changedDenseBf16),
    ]),
    [2, 8, 9, 10],
  ),
  `Accuracy of engines compiled like those that were timed; n = ${rows[0]?.n} test images, 95 % intervals. ERA under ${describeAttack(attack)} against the ` +
    "network in fp32. Changed: predictions other than fp32's.",
]

/** Names of programs as a table has room for. */
const short = (program: string): string =>
  program
    .replace(", libtorch with oneDNN's layouts and fusions", ', prepacked')
    .replace(', libtorch', ', libtorch as it is')

const milliseconds = (seconds: number): string => (1000 * seconds).toPrecision(3)
const times = (ratio: number): string => `${ratio.toFixed(2)}×`
const mebibytes = ({ residentBytes }: SideResult): string => (residentBytes / 2 ** 20).toFixed(0)
