/** A report as Markdown: the finding, the networks, comparisons, and what every run stands on. */
import { describeAttack } from '../attacks/attack.js'
import { formatSeconds } from '../base/numbers.js'
import { compareRuns } from './compare.js'
import { networkName, one, pValue } from './figures/words.js'
import { findingOf } from './finding.js'
import type { Material, RunRecord } from './material/record.js'
import type { ReproductionRecord } from './material/reproductions.js'
import { formatProportion, percent, vraColumn } from './tables.js'

export const reportMarkdown = (material: Material): string => {
  const { runs, benches, reproductions, faults } = material
  const told = [...faults, ...runs.flatMap((run) => run.faults.map((fault) => `${run.name}: ${fault}`))]
  return [
    `# ${line(findingOf(material))}`,
    ...(told.length === 0
      ? []
      : ['## What is missing or wrong', told.map((fault) => `- ${line(fault)}`).join('\n')]),
    ...(reproductions.length === 0 ? [] : ['## The paper', ...reproductions.map(paper)]),
    ...networks(runs),
    ...comparisons(runs),
    ...(runs.length === 0 ? [] : ['## Runs', runs.map(runLine).join('\n')]),
    ...(benches.length === 0 ? [] : ['## Speed', ...benches.map(speed)]),
    '',
  ].join('\n\n')
}

const networks = (runs: readonly RunRecord[]): string[] => {
  const rows = runs.flatMap((run) => run.rows.map((row) => ({ run, row })))
  if (rows.length === 0) return []
  const proofs = [
    ...new Set(
      rows.flatMap(({ row }) => (row.verifications ?? []).map(({ verifier }) => vraColumn(verifier))),
    ),
  ]
  return [
    '## Networks',
    table(
      ['run', 'network', 'weights left', 'MACs left', 'benign %', 'ERA %', ...proofs, 'n'],
      rows.map(({ run, row }) => [
        ...[run.name, networkName(row)],
        percent(row.weights.remaining / row.weights.total),
        percent(row.macs.remaining / row.macs.total),
        ...[formatProportion(row.accuracy), formatProportion(row.era)],
        ...proofs.map((head) => {
          const found = row.verifications?.find(({ verifier }) => vraColumn(verifier) === head)
          return found === undefined ? '' : formatProportion(found.vra)
        }),
        String(row.n),
      ]),
    ),
  ]
}

const paper = ({ title, where, cells }: ReproductionRecord): string =>
  [
    `### ${line(title)} (${line(where)})`,
    table(
      ['row', 'figure', 'ours', "the paper's", 'difference', 'verdict', 'n'],
      cells.map((cell) => [
        ...[cell.row.join(', '), cell.column, cell.ours === undefined ? '' : one(cell.ours.value)],
        cell.paper === undefined ? '' : one(cell.paper),
        cell.difference === undefined
          ? ''
          : one(cell.difference) + (cell.compared === 'kept' ? ' of what is kept' : ''),
        ...[cell.verdict, cell.ours === undefined ? '' : String(cell.ours.n)],
      ]),
    ),
  ].join('\n\n')

const comparisons = (runs: readonly RunRecord[]): string[] => {
  const pairs = runs.flatMap((first, index) =>
    runs.slice(index + 1).map((second) => compareRuns(first, second)),
  )
  const rows = pairs.flatMap(({ first, second, networks: compared }) =>
    compared.flatMap(({ first: a, second: b, measures }) =>
      measures.map(({ measure, difference, paired, ...values }) => [
        ...[`${first.name}: ${a}`, `${second.name}: ${b}`, measure],
        ...[one(values.first.value), one(values.second.value), one(difference)],
        paired === undefined ? '' : pValue(paired.p),
      ]),
    ),
  )
  return rows.length === 0
    ? []
    : [
        '## Side by side',
        table(
          ['first', 'second', 'measure', 'first %', 'second %', 'difference', "McNemar's exact test"],
          rows,
        ),
      ]
}

const runLine = ({ name, path, state, result, environment }: RunRecord): string => {
  const facts = [
    ...[state, path],
    ...(result === undefined
      ? []
      : [`ERA under ${describeAttack(result.attack)}`, `seed ${result.seed}`, formatSeconds(result.seconds)]),
    ...(environment === undefined
      ? []
      : [
          `${environment.gpu ?? environment.cpu}, ${environment.threads} threads`,
          `Coppice ${environment.coppice}, libtorch ${environment.torch}`,
        ]),
  ]
  return `- **${line(name)}**: ${facts.map(line).join('; ')}`
}

const speed = ({ report }: Material['benches'][number]): string =>
  [
    table(
      ['model', 'batch', 'type', 'ms', 'against the same type', 'against the best', 'against equal MACs'],
      report.models.flatMap(({ model, rows }) =>
        rows.map(({ batch, dtype, engine, sameType, best, equalMacs }) => [
          ...[model, String(batch), dtype, (1000 * engine.warm.median).toPrecision(3)],
          ...[sameType, best, equalMacs].map((side) =>
            side === null ? '' : `${side.ratios.warm.toFixed(2)}×`,
          ),
        ]),
      ),
    ),
    '',
    `${line(report.cpu)}, ${report.threads} threads; dense / pruned: below 1 the pruned network is slower.`,
  ].join('\n')

const table = (heads: readonly string[], rows: readonly (readonly string[])[]): string =>
  [heads, heads.map(() => '---'), ...rows].map((cells) => `| ${cells.map(line).join(' | ')} |`).join('\n')

/** Text on one line that is neither Markdown nor HTML. */
const line = (text: string): string =>
  text
    .replace(/\s+/g, ' ')
    .replace(/[\\`*_{}[\]<>|#]/g, (character) => (/[[\]]/.test(character) ? character : `\\${character}`))
