/** What a report tells as tables of plain records: the same in CSV, JSON and Markdown. */
import type { Proportion } from '../base/wilson.js'
import { compareRuns } from './compare.js'
import type { Material } from './material/record.js'

type Fields = Readonly<Record<string, unknown>>

/** A record a network, an epoch, a layer, a comparison, and a benchmarked case; numbers in full, accuracies in percent. */
export interface ReportTables {
  networks: Fields[]
  /** `step` counts the epochs and then the steps of pruning of a run, `timestamp` is when they ended. */
  training: Fields[]
  layers: Fields[]
  comparisons: Fields[]
  speed: Fields[]
  /** Cells of a paper's tables and figures, ours beside the paper's. */
  paper: Fields[]
}

/** The tables of a report; those of what it does not have are empty. */
export const tablesOf = ({ runs, benches, reproductions }: Material): ReportTables => ({
  networks: runs.flatMap((run) =>
    run.rows.map((row) => ({
      ...{ run: run.name, path: run.path, network: row.name, branch: row.branch, sparsity: row.sparsity },
      ...{ target: row.target, objective: row.objective, matched: row.matched },
      ...{ weightsTotal: row.weights.total, weightsLeft: row.weights.remaining },
      ...{ macsTotal: row.macs.total, macsLeft: row.macs.remaining },
      ...fields('benign', row.accuracy),
      ...fields('era', row.era),
      ...Object.assign(
        {},
        ...(row.verifications ?? []).map(({ verifier, vra }) => fields(`vra.${verifier.kind}`, vra)),
      ),
    })),
  ),
  training: runs.flatMap(({ name, history }) => {
    const last = history.epochs.at(-1)?.epoch ?? 0
    return [
      ...history.epochs.map(({ epoch, loss, accuracy, learningRate, time }) => ({
        ...{ run: name, step: epoch, timestamp: time, branch: 'pretrain', epoch, loss, accuracy },
        learningRate,
      })),
      ...history.steps.map(({ branch, step, sparsity, loss, accuracy, time }) => ({
        ...{
          run: name,
          step: last + step,
          timestamp: time,
          branch,
          pruneStep: step,
          loss,
          accuracy,
          sparsity,
        },
      })),
    ]
  }),
  layers: runs.flatMap(({ name, layers }) =>
    [...layers].flatMap(([network, left]) =>
      left.map(({ layer, total, remaining }) => ({ run: name, network, layer, total, remaining })),
    ),
  ),
  comparisons: runs.flatMap((first, index) =>
    runs.slice(index + 1).flatMap((second) =>
      compareRuns(first, second).networks.flatMap(({ first: a, second: b, measures }) =>
        measures.map(({ measure, difference, paired, ...values }) => ({
          ...{ firstRun: first.name, secondRun: second.name, firstNetwork: a, secondNetwork: b, measure },
          ...{ first: values.first.value, second: values.second.value, difference },
          ...{ onlyFirst: paired?.onlyFirst, onlySecond: paired?.onlySecond, n: paired?.n, p: paired?.p },
        })),
      ),
    ),
  ),
  speed: benches.flatMap(({ name, report }) =>
    report.models.flatMap(({ model, network, structure, sparsity, rows }) =>
      rows.map(({ batch, dtype, engine, sameType, best, equalMacs }) => ({
        ...{ benchmark: name, model, network, structure, sparsity, batch, dtype },
        ...{ seconds: engine.warm.median, secondsFlushed: engine.flushed.median, program: engine.program },
        ...{ ratioSameType: sameType.ratios.warm, ratioBest: best.ratios.warm },
        ratioEqualMacs: equalMacs?.ratios.warm,
      })),
    ),
  ),
  paper: reproductions.flatMap(({ name, scale, cells }) =>
    cells.map(({ row, column, ours, paper, compared, kept, difference, verdict }) => ({
      ...{
        table: name,
        scale,
        row: row.join(', '),
        column,
        ours: ours?.value,
        low: ours?.low,
        high: ours?.high,
      },
      ...{ n: ours?.n, by: ours?.by, paper, compared, keptOurs: kept?.ours, keptPaper: kept?.paper },
      ...{ difference, verdict },
    })),
  ),
})

const fields = (key: string, { value, low, high, n }: Proportion): Fields => ({
  [key]: value,
  [`${key}.low`]: low,
  [`${key}.high`]: high,
  [`${key}.n`]: n,
})
