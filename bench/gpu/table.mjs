// What was found, for people: a table a stage.
import { cpus } from 'node:os'

const cells = (values) => `| ${values.join(' | ')} |`
const grid = (head, rows) => [cells(head), cells(head.map(() => '---')), ...rows.map(cells)]
const fixed = (digits) => (value) => (Number.isFinite(value) ? value.toFixed(digits) : '–')
const [f0, f1, f2] = [0, 1, 2].map(fixed)
const percent = (proportion) => (proportion === undefined ? '–' : `${f1(proportion.value)} %`)

/** Rows that have figures, and a line for each that has none. */
const split = (rows = {}) => {
  const entries = Object.entries(rows)
  const told = ([name, { problem, skipped }]) => `- ${name}: ${problem ?? `skipped, ${skipped}`}`
  const has = ([, { problem, skipped }]) => problem === undefined && skipped === undefined
  return { good: entries.filter(has), others: entries.filter((entry) => !has(entry)).map(told) }
}

const sections = {
  check: (rows) => {
    const tried = rows.filter(([, row]) => row.difference !== undefined)
    const rest = rows.filter(([name, row]) => row.difference === undefined && name !== 'machine')
    return [
      ...grid(
        ['tried', 'relative difference from the CPU'],
        tried.map(([name, { difference }]) => [name, difference.toExponential(1)]),
      ),
      '',
      ...rest.map(([name]) => `- ${name}: fine`),
    ]
  },
  train: (rows) => {
    const ceiling = rows.find(([name]) => name === 'ceiling')?.[1]
    const steps = rows.map(([, row]) => row).filter(({ milliseconds }) => milliseconds !== undefined)
    const own = ({ network, batch }) =>
      steps.find((row) => row.side === 'Coppice' && row.network === network && row.batch === batch)
    const share = ({ teraflops }) => {
      if (ceiling === undefined) return '–'
      // Of 23 passes, 11 are forward, 11 to the input, one to the weights.
      const { forward, inputGradient, weightGradient } = ceiling
      const at = 23 / (11 / forward + 11 / inputGradient + 1 / weightGradient)
      return `${f0((100 * teraflops) / at)} %`
    }
    return [
      ...(ceiling === undefined
        ? []
        : [
            `Convolutions of VGG16 alone, TFLOP/s: forward ${f1(ceiling.forward)}, to the input ${f1(ceiling.inputGradient)}, to the weights ${f1(ceiling.weightGradient)}; a product of matrices ${f1(ceiling.product)}.`,
            '',
          ]),
      ...grid(
        [
          'network',
          'batch',
          'side',
          'ms a step',
          'epoch s',
          'TFLOP/s',
          'of the ceiling',
          'GiB',
          'Coppice is',
        ],
        steps.map((row) => [
          ...[
            row.network,
            row.batch,
            row.side,
            f2(row.milliseconds),
            f1(row.epochSeconds),
            f1(row.teraflops),
          ],
          ...[share(row), f1(row.peakBytes / 2 ** 30)],
          row.side === 'Coppice' ? '' : `${f2(row.milliseconds / own(row)?.milliseconds)}×`,
        ]),
      ),
    ]
  },
  sparse: (rows) =>
    grid(
      [
        'network',
        'structure',
        'type',
        'batch',
        'dense ms',
        'sparse ms',
        'ratio',
        'dense program',
        'sparse program',
      ],
      rows.map(([, { network, structure, type, batch, dense, sparse, ratio }]) => [
        ...[network, structure, type, batch, f2(1000 * dense?.seconds), f2(1000 * sparse?.seconds)],
        ...[f2(ratio), dense?.name ?? '–', sparse?.name ?? '–'],
      ]),
    ),
  verify: (rows) =>
    grid(
      ['method', 'images', 'images a second', 'minutes for 10,000', 'VRA', 'unstable'],
      rows.map(([, { method, n, perSecond, minutesFor10000, vra, unstable }]) => [
        ...[method, n, f2(perSecond), f1(minutesFor10000), percent(vra), f2(unstable)],
      ]),
    ),
  cells: (rows) =>
    grid(
      ['run', 'network', 'sparsity', 'n', 'accuracy', 'ERA', 'VRA'],
      rows.flatMap(([run, found]) =>
        found.rows.map(({ name, sparsity, n, accuracy, era, vra }) => [
          ...[run, name, f2(sparsity), n, percent(accuracy), percent(era), percent(vra)],
        ]),
      ),
    ),
}

/** The whole text. */
export const table = (all, args) => {
  const machine = all.check?.machine
  const where = machine === undefined ? '' : `${machine.name}, torch ${machine.torch}; `
  return `${[
    '# What this GPU does',
    '',
    `\`node bench/gpu/run.mjs ${args.join(' ')}\`: ${where}${cpus()[0]?.model}. An adversarial PGD-10 step in bf16; TF32 is off on Coppice's side, PyTorch has its defaults and cuDNN's benchmark mode.`,
    ...Object.entries(sections).flatMap(([stage, write]) => {
      if (all[stage] === undefined) return []
      const { good, others } = split(all[stage])
      return ['', `## ${stage}`, '', ...(good.length > 0 ? write(good) : []), ...others]
    }),
  ].join('\n')}\n`
}
