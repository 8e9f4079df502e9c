/** What runs found, in one sentence that is computed. */
import { mcnemar } from '../base/mcnemar.js'
import type { ResultRow } from '../runs/result.js'
import { compareNetworks } from './compare.js'
import { paperFinding } from './figures/paper.js'
import { and, one, plural, robustness, tuning } from './figures/words.js'
import type { BenchRecord, Material, RunRecord } from './material/record.js'
import { percent } from './tables.js'

/** A p value below which a difference is one. */
const SIGNIFICANT = 0.05

/** The finding of all that there is. */
export const findingOf = (material: Material): string => {
  const { runs, benches, reproductions } = material
  const sentences = [paperFinding(reproductions), ofRuns(runs), ofBenches(benches)].filter(
    (sentence) => sentence !== undefined,
  )
  return sentences.length === 0 ? 'There is no network to tell of yet.' : sentences.join(' ')
}

const ofRuns = (runs: readonly RunRecord[]): string | undefined => {
  const pruned = runs.filter((run) => keptIn(run) !== undefined)
  const [first] = pruned
  if (first !== undefined && pruned.length === 1) return ofPruned(first)
  if (pruned.length > 1) return ofMany(pruned)
  const evaluated = runs.flatMap((run) => run.rows.map((row) => ({ run, row })))
  if (evaluated.length > 0) return ofDense(evaluated)
  const [begun] = runs.filter(({ state }) => state === 'running').concat(runs)
  return begun === undefined ? undefined : ofBegun(begun)
}

/** A pruned network beside the dense one it came from. */
export interface Kept {
  row: ResultRow
  dense: ResultRow
  /** Robustness that is left, as a fraction. */
  fraction: number
}

/** The networks of a run that were pruned the most, the most robust first. */
export const keptIn = ({ rows }: RunRecord): Kept[] | undefined => {
  const dense = rows.find(({ branch }) => branch === 'dense')
  const pruned = rows.filter(({ branch }) => branch !== 'dense')
  if (dense === undefined || pruned.length === 0) return undefined
  const aim = ({ target, sparsity }: ResultRow) => target ?? sparsity
  const most = Math.max(...pruned.map(aim))
  const whole = robustness(dense).proportion.value
  return pruned
    .filter((row) => aim(row) === most)
    .map((row) => ({ row, dense, fraction: whole === 0 ? 0 : robustness(row).proportion.value / whole }))
    .sort((a, b) => b.fraction - a.fraction)
}

const ofPruned = (run: RunRecord): string => {
  const kept = keptIn(run) ?? []
  const [best, second] = kept
  if (best === undefined) return ''
  const { row, dense } = best
  const { measure, proportion } = robustness(dense)
  const of = row.filters === undefined ? 'weights' : 'filters'
  const much = `With ${percent(row.target ?? row.sparsity)} of its ${of} pruned, ${networkOf(run)}`
  if (proportion.value === 0) return `${much} has no ${measure} to keep: the dense network has none.`
  const [head, ...others] = kept.map((each, index) =>
    index === 0
      ? `${percent0(each.fraction)} of its ${measure} (${one(proportion.value)} → ${one(robustness(each.row).proportion.value)} %) ${tuning(each.row)}`
      : `${percent0(each.fraction)} ${tuning(each.row)}`,
  )
  const sentence = `${much} keeps ${and([head ?? '', ...others])}`
  return `${sentence}${second === undefined ? '' : doubt(run, best, second)}.`
}

/** Whether the best is better than the second best at all. */
const doubt = (run: RunRecord, best: Kept, second: Kept): string => {
  const [a, b] = [robustness(best.row), robustness(second.row)]
  const files = [run.outcomes.get(best.row.name), run.outcomes.get(second.row.name)]
  const { measures } = compareNetworks(best.row, second.row, files)
  const paired = measures.find(({ measure }) => measure.startsWith(a.measure))?.paired
  const differ =
    paired === undefined
      ? a.proportion.low > b.proportion.high
      : mcnemar(paired.onlyFirst, paired.onlySecond) < SIGNIFICANT
  return differ ? '' : `; ${plural(a.proportion.n, 'test image')} do not tell the first two apart`
}

const ofMany = (runs: readonly RunRecord[]): string => {
  const all = runs.flatMap((run) => keptIn(run) ?? [])
  const [some] = all
  if (some === undefined) return ''
  const measures = new Set(all.map(({ dense }) => robustness(dense).measure))
  const measure = measures.size === 1 ? robustness(some.dense).measure : 'robustness'
  const byTuning = new Map<string, Kept[]>()
  for (const kept of all) byTuning.set(tuning(kept.row), [...(byTuning.get(tuning(kept.row)) ?? []), kept])
  const mean = (kept: readonly Kept[]) => kept.reduce((sum, { fraction }) => sum + fraction, 0) / kept.length
  const parts = [...byTuning]
    .sort(([, a], [, b]) => mean(b) - mean(a))
    .map(([name, kept], index) => {
      const fractions = kept.map(({ fraction }) => fraction)
      const [low, high] = [percent0(Math.min(...fractions)), percent0(Math.max(...fractions))]
      const range = low === high ? low : `${low.replace(' %', '')} to ${high}`
      return `${range}${index === 0 ? ` of its ${measure}` : ''} ${name}`
    })
  return `In ${plural(runs.length, 'run')}, a network that was pruned keeps ${and(parts)}.`
}

const ofDense = (networks: readonly { run: RunRecord; row: ResultRow }[]): string => {
  const best = networks.reduce((a, b) =>
    robustness(b.row).proportion.value > robustness(a.row).proportion.value ? b : a,
  )
  const { measure, proportion } = robustness(best.row)
  const figures = `benign ${one(best.row.accuracy.value)} %, ${measure} ${one(proportion.value)} % of ${plural(proportion.n, 'test image')}`
  return networks.length === 1
    ? `${networkOf(best.run)}, not pruned: ${figures}.`
    : `Of ${plural(networks.length, 'network')}, ${best.run.name} is the most robust: ${figures}.`
}

const ofBegun = (run: RunRecord): string => {
  const { epochs, steps } = run.history
  const [epoch, step] = [epochs.at(-1), steps.at(-1)]
  const where =
    step !== undefined
      ? `step ${step.step} of ${step.steps} of pruning (${step.branch})`
      : epoch !== undefined
        ? `epoch ${epoch.epoch} of pre-training: loss ${epoch.loss.toFixed(3)}, training accuracy ${one(epoch.accuracy)} %`
        : 'its beginning'
  return `${run.name} has no finished network yet; it ${run.state === 'running' ? 'is' : 'stopped'} at ${where}.`
}

const ofBenches = (benches: readonly BenchRecord[]): string | undefined => {
  const cases = benches.flatMap(({ report }) =>
    report.models.flatMap(({ model, rows }) =>
      rows.map((row) => ({ model, row, ratio: row.best.ratios.warm })),
    ),
  )
  if (cases.length === 0) return undefined
  const ratios = cases.map(({ ratio }) => ratio)
  const [low, high] = [Math.min(...ratios), Math.max(...ratios)].map((ratio) => ratio.toFixed(2))
  const losing = ratios.filter((ratio) => ratio < 1).length
  const [{ model, row } = { model: '', row: undefined }] = cases
  return row !== undefined && cases.length === 1
    ? `${model} at batch ${row.batch} in ${row.dtype} is ${low} times as fast as dense libtorch at its best.`
    : `In ${cases.length} cases the pruned network is ${low} to ${high} times as fast as dense libtorch at its best, slower in ${losing === 0 ? 'none' : losing}.`
}

const networkOf = (run: RunRecord): string => {
  const network = run.recipe?.network as { name?: unknown } | undefined
  return run.result?.network.name ?? (typeof network?.name === 'string' ? network.name : run.name)
}

const percent0 = (fraction: number): string => `${(100 * fraction).toFixed(0)} %`
