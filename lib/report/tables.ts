/** Tables and figures as people read them. */

import { describeAttack } from '../attacks/attack.js'
import { formatPixels, formatSeconds } from '../base/numbers.js'
import { count, percent, columns as table } from '../base/printed.js'
import { formatProportion, type Proportion } from '../base/wilson.js'
import { describeObjective } from '../objectives/index.js'
import type { ResultRow, RunResult, VerifiedFigures } from '../runs/result.js'
import { describeVerifier, PAPERS_METHOD, type Verifier } from '../verification/index.js'

export { columns as table, count, percent } from '../base/printed.js'
export { formatProportion } from '../base/wilson.js'

/** The table a run ends with. */
export const resultTable = (result: RunResult): string => {
  const dense = result.rows.find((row) => row.branch === 'dense')
  const filters = result.rows.some((row) => row.filters !== undefined)
  const verified = dense?.verifications ?? []
  const validation = result.rows.some((row) => row.validation !== undefined)
  const head = [
    'network',
    'sparsity',
    ...(filters ? ['filters left'] : []),
    'weights left',
    'MACs left',
    'fine-tuned with',
    'benign %',
    'ERA %',
    ...(dense === undefined ? [] : ['ERA kept']),
    ...verified.flatMap(({ verifier }) => [vraColumn(verifier), 'VRA kept']),
    ...(validation ? ['validation: benign %', 'ERA %'] : []),
  ]
  const rows = result.rows.map((row) => [
    row.branch,
    percent(row.sparsity),
    ...(filters ? [row.filters === undefined ? '' : filtersLeft(row.filters)] : []),
    percent(row.weights.remaining / row.weights.total),
    percent(row.macs.remaining / row.macs.total),
    fineTuning(row),
    formatProportion(row.accuracy),
    formatProportion(row.era),
    ...(dense === undefined ? [] : [row === dense ? '' : kept(row.era, dense.era)]),
    ...verified.flatMap(({ vra: whole }, index) => {
      const vra = row.verifications?.[index]?.vra
      return vra === undefined ? ['', ''] : [formatProportion(vra), row === dense ? '' : kept(vra, whole)]
    }),
    ...(row.validation
      ? [formatProportion(row.validation.accuracy), formatProportion(row.validation.era)]
      : []),
  ])
  const { network, data, seed, objective, attack, pruning } = result
  const n = result.rows[0]?.n ?? 0
  return [
    table(head, rows),
    '',
    `${network.name}, ${count(network.parameters)} parameters, on ${data}; trained with ${describeObjective(objective)}.`,
    ...(pruning
      ? [
          `Pruned: ${pruning.structure}, by ${pruning.score}, scope ${pruning.scope}${without(pruning.exclude)}.`,
        ]
      : []),
    `ERA under ${describeAttack(attack)}; n = ${n} test images, 95 % intervals, seed ${seed}, ` +
      `${formatSeconds(result.seconds)}.`,
    ...verified.map(describeProof),
    ...result.warnings.map((warning) => `Warning: ${warning}.`),
  ].join('\n')
}

const filtersLeft = ({ total, pruned }: { total: number; pruned: number }): string =>
  `${total - pruned} of ${total}`

const fineTuning = (row: ResultRow): string => {
  if (row.objective === null) return row.branch === 'dense' ? '' : 'nothing'
  return `${describeObjective(row.objective)}${row.matched === false ? ' (mismatch)' : ''}`
}

const kept = (now: Proportion, dense: Proportion): string =>
  dense.value === 0 ? '' : `${((100 * now.value) / dense.value).toFixed(0)} %`

/** The column named VRA is that of `symbolic`, the paper's verifier; others say their name. */
const without = (excluded: readonly string[] | undefined): string =>
  excluded === undefined || excluded.length === 0 ? '' : `, without ${excluded.join(', ')}`

export const vraColumn = ({ kind }: Verifier): string =>
  kind === PAPERS_METHOD ? 'VRA %' : `VRA % (${kind})`

const describeProof = ({ verifier, epsilon, n }: VerifiedFigures): string =>
  `VRA${verifier.kind === PAPERS_METHOD ? '' : ` (${verifier.kind})`} proved by ${describeVerifier(verifier)}, ` +
  `eps ${formatPixels(epsilon)}; n = ${n} test images.`
