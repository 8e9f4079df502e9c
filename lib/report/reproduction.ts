/** A reproduced table or figure as Markdown: ours beside the paper's, and what each figure stands on. */
import { join } from 'node:path'
import { makeFolder } from '../files/files.js'
import { writeJson } from '../files/json.js'
import { replaceFile } from '../files/replaceFile.js'
import type { ReproducedCell, Reproduction } from '../papers/reproduction.js'
import { chartSvg } from './chart.js'
import { reproductionChart } from './reproductionChart.js'

/** Writes `NAME.json` and `NAME.md` for each, of curves `NAME.svg`, and `README.md` for all of them. */
export async function writeReproductions(folder: string, all: readonly Reproduction[]): Promise<void> {
  await makeFolder(folder)
  const write = (name: string, text: string) =>
    replaceFile(join(folder, name), (file) => file.writeFile(text))
  for (const reproduction of all) {
    await writeJson(join(folder, `${reproduction.name}.json`), reproduction)
    await write(`${reproduction.name}.md`, reproductionMarkdown(reproduction))
    const chart = reproductionChart(reproduction)
    if (chart !== undefined) await write(`${reproduction.name}.svg`, await chartSvg(chart))
  }
  await write('README.md', overviewMarkdown(all))
}

/** The whole page of one experiment. */
export const reproductionMarkdown = (reproduction: Reproduction): string => {
  const { name, title, where, scale, readings, changes, head, cells, findings } = reproduction
  const hasChart = reproductionChart(reproduction) !== undefined
  const columns = [...new Set(cells.map(({ column }) => column))]
  const rows = [...new Map(cells.map(({ row }) => [row.join(), row])).values()]
  const at = (row: readonly string[], column: string) =>
    cells.find((cell) => cell.column === column && cell.row.join() === row.join())
  return [
    `# ${title}`,
    '',
    `${where}. Scale ${scale}; ${[readingsText(readings), ...changes].join(', ')}. Ours, and the paper's in brackets; percent.`,
    '',
    ...(findings.length === 0 ? [] : [...findings.map((finding) => `- ${finding}`), '']),
    ...(hasChart ? [`![${title}](${name}.svg)`, ''] : []),
    ...markdownTable(
      [...head, ...columns],
      rows.map((row) => [...row, ...columns.map((column) => cellText(at(row, column)))]),
    ),
    '',
    '## Every figure',
    '',
    `${comparison(cells)} Intervals are 95 %.`,
    '',
    ...markdownTable(
      [
        ...head,
        'figure',
        'ours',
        'interval',
        'n',
        'seeds',
        'by',
        'paper',
        'kept: ours',
        'paper',
        'difference',
        'verdict',
        'run',
      ],
      cells.map((cell) => [...cell.row, cell.column, ...standing(cell)]),
    ),
    '',
  ].join('\n')
}

const readingsText = (readings: Reproduction['readings']): string =>
  Object.entries(readings)
    .map(([key, value]) => `${key} ${value}`)
    .join(', ')

const comparison = (cells: readonly ReproducedCell[]): string =>
  cells.some(({ compared }) => compared === 'kept')
    ? "Networks and data are smaller than the paper's: compared is what is kept of the dense network's figure."
    : 'Compared are the figures as they are.'

export const markdownTable = (head: readonly string[], rows: readonly (readonly string[])[]): string[] => {
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`
  return [line(head), line(head.map(() => '---')), ...rows.map(line)]
}

/** `39.8 (41.4)`. */
const cellText = (cell: ReproducedCell | undefined): string => {
  if (cell === undefined) return ''
  const ours = cell.ours === undefined ? '…' : cell.ours.value.toFixed(1)
  return cell.paper === undefined ? ours : `${ours} (${number(cell.paper)})`
}

const standing = ({ ours, seeds, paper, kept, difference, verdict, runs }: ReproducedCell): string[] => [
  ours === undefined
    ? ''
    : ours.value.toFixed(1) + (ours.spread === undefined ? '' : ` ± ${ours.spread.toFixed(1)}`),
  ours?.low === undefined || ours.high === undefined
    ? ''
    : `${ours.low.toFixed(1)} to ${ours.high.toFixed(1)}`,
  ours === undefined ? '' : `${ours.n}`,
  seeds.join(' '),
  ours?.by ?? '',
  paper === undefined ? '' : number(paper),
  kept?.ours.toFixed(0) ?? '',
  kept?.paper.toFixed(0) ?? '',
  difference === undefined ? '' : `${difference < 0 ? '−' : '+'}${Math.abs(difference).toFixed(1)}`,
  verdict,
  runs.length > 2 ? `${runs[0]} and ${runs.length - 1} more` : runs.join(' '),
]

const number = (value: number): string => `${Number(value.toFixed(1))}`

/** All experiments in a few lines each: their findings, and how many figures agree. */
export const overviewMarkdown = (all: readonly Reproduction[]): string =>
  [
    '# Reproduction',
    '',
    ...all.flatMap(({ name, title, where, cells, findings }) => [
      `## [${name}](${name}.md): ${title}`,
      '',
      `${where}. ${countsText(cells)}`,
      '',
      ...(findings.length === 0 ? [] : [...findings.map((finding) => `- ${finding}`), '']),
    ]),
  ].join('\n')

/** `42 figures: 20 agrees, 12 better, 10 worse.` */
export const countsText = (cells: readonly ReproducedCell[]): string => {
  const counts = new Map<string, number>()
  for (const { verdict } of cells) counts.set(verdict, (counts.get(verdict) ?? 0) + 1)
  const parts = [...counts].sort(([, a], [, b]) => b - a).map(([verdict, count]) => `${count} ${verdict}`)
  return `${cells.length} figures: ${parts.join(', ')}.`
}
