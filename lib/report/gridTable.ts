/** The results of a grid as one table: a row for each network of each task, in Markdown, CSV and JSON. */
import { join } from 'node:path'
import { canonicalJson } from '../base/json.js'
import type { Proportion } from '../base/wilson.js'
import { writeJson } from '../files/json.js'
import { replaceFile } from '../files/replaceFile.js'
import type { GridFolder } from '../grids/folder.js'
import { columnOf } from '../grids/names.js'
import type { TaskResult } from '../grids/results.js'
import { describeObjective } from '../objectives/index.js'
import type { ResultRow } from '../runs/result.js'
import { csv } from './csv.js'
import { formatProportion, percent, vraColumn } from './tables.js'

/** Writes `results.md`, `results.csv` and `results.json` into the folder of a grid. */
export async function writeGridResults(grid: GridFolder, results: readonly TaskResult[]): Promise<void> {
  const file = (ending: string) => join(grid.folder, `results.${ending}`)
  const write = (ending: string, text: string) => replaceFile(file(ending), (open) => open.writeFile(text))
  await write('md', gridMarkdown(grid.name, grid.tasks.filter(({ point }) => point).length, results))
  await write('csv', gridCsv(results))
  await writeJson(file('json'), results)
}

interface Column {
  head: string
  /** The cell for people, and as data. */
  text: (task: TaskResult, row: ResultRow) => string
  values: (task: TaskResult, row: ResultRow) => Readonly<Record<string, unknown>>
}

/** The table as Markdown, with what its figures stand on. */
export const gridMarkdown = (name: string, tasks: number, results: readonly TaskResult[]): string => {
  const columns = columnsOf(results)
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`
  const rows = results.flatMap((task) =>
    task.result.rows.map((row) => line(columns.map(({ text }) => text(task, row)))),
  )
  return [
    `# ${name}`,
    '',
    `${results.length} of ${tasks} tasks are done. 95 % intervals.`,
    '',
    ...(rows.length === 0
      ? []
      : [line(columns.map(({ head }) => head)), line(columns.map(() => '---')), ...rows, '']),
  ].join('\n')
}

/** The same as CSV (RFC 4180): numbers in full, the ends of the intervals in columns of their own. */
export const gridCsv = (results: readonly TaskResult[]): string => {
  const columns = columnsOf(results)
  const records = results.flatMap((task) =>
    task.result.rows.map((row) =>
      Object.assign({ task: task.name }, ...columns.map(({ values }) => values(task, row))),
    ),
  ) as Record<string, unknown>[]
  return csv(records)
}

const columnsOf = (results: readonly TaskResult[]): Column[] => {
  const paths = [...new Set(results.flatMap(({ point }) => Object.keys(point)))]
  const rows = results.flatMap(({ result }) => result.rows)
  const verifiers = [
    ...new Map(
      rows.flatMap(({ verifications = [] }) =>
        verifications.map(({ verifier, epsilon }) => [vraColumn(verifier), { verifier, epsilon }] as const),
      ),
    ),
  ]
  return [
    ...paths.map((path) => axis(path, paths)),
    { head: 'network', text: (_, row) => row.branch, values: (_, row) => ({ network: row.branch }) },
    {
      head: 'sparsity',
      text: (_, row) => percent(row.sparsity),
      values: (_, row) => ({ target: row.target, sparsity: row.sparsity }),
    },
    {
      head: 'MACs left',
      text: (_, { macs }) => percent(macs.remaining / macs.total),
      values: (_, { macs, weights }) => ({
        weightsTotal: weights.total,
        weightsLeft: weights.remaining,
        macsTotal: macs.total,
        macsLeft: macs.remaining,
      }),
    },
    {
      head: 'fine-tuned with',
      text: (_, { objective }) => (objective === null ? '' : describeObjective(objective)),
      values: (_, { objective, matched }) => ({ objective, matched }),
    },
    measure('benign %', 'accuracy', (row) => row.accuracy),
    measure('ERA %', 'era', (row) => row.era),
    ...verifiers.map(([head, { verifier }]) =>
      measure(
        head,
        `vra.${verifier.kind}`,
        ({ verifications = [] }) => verifications.find((each) => each.verifier.kind === verifier.kind)?.vra,
      ),
    ),
    {
      head: 'n',
      text: (_, { n }) => `${n}`,
      values: ({ result, run }) => ({ seconds: result.seconds, run }),
    },
  ]
}

/** Heads of columns that are measured: an axis of the same name is told by more of its path. */
const MEASURED = ['network', 'sparsity', 'n']

/** A path of the recipe: its value in the task, where the task has one of its own. */
const axis = (path: string, paths: readonly string[]): Column => ({
  head: columnOf(path, [...paths, ...MEASURED]),
  text: ({ point }) => {
    const value = point[path]
    return value === undefined ? '' : typeof value === 'object' ? canonicalJson(value) : String(value)
  },
  values: ({ point }) => ({ [path]: point[path] }),
})

const measure = (head: string, key: string, of: (row: ResultRow) => Proportion | undefined): Column => ({
  head,
  text: (_, row) => {
    const proportion = of(row)
    return proportion === undefined ? '' : formatProportion(proportion)
  },
  values: (_, row) => {
    const { value, low, high, n } = of(row) ?? {}
    return { [key]: value, [`${key}.low`]: low, [`${key}.high`]: high, [`${key}.n`]: n }
  },
})
