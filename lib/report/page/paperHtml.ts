/** The tables of a paper as it prints them, ours beside the paper's. */
import { join, resolve } from 'node:path'
import type { ReproducedCell } from '../../papers/reproduction.js'
import { paperFigure, paperFinding, VERDICTS } from '../figures/paper.js'
import { one } from '../figures/words.js'
import type { Material, RunRecord } from '../material/record.js'
import { comparedOf, type ReproductionRecord } from '../material/reproductions.js'
import { figureHtml } from './figureHtml.js'
import { type Html, html, NOTHING } from './html.js'

export const paperHtml = async ({ reproductions, runs }: Material): Promise<Html> => {
  const byPath = new Map(runs.map((run) => [resolve(run.path), run]))
  const parts = []
  for (const each of reproductions) parts.push(await oneHtml(each, byPath, reproductions.length > 1))
  return html`${parts}`
}

const oneHtml = async (
  reproduction: ReproductionRecord,
  byPath: ReadonlyMap<string, RunRecord>,
  /** The chart of a single one stands at the top already. */
  withChart: boolean,
): Promise<Html> => {
  const { id, title, where, scale, head, cells, findings, folder } = reproduction
  const columns = [...new Set(cells.map(({ column }) => column))]
  const rows = new Map<string, ReproducedCell[]>()
  for (const cell of cells) rows.set(cell.row.join('\n'), [...(rows.get(cell.row.join('\n')) ?? []), cell])
  const chart = withChart ? paperFigure([reproduction], `${id}-chart`) : undefined
  const runOf = ({ runs }: ReproducedCell) =>
    runs.map((run) => byPath.get(resolve(join(folder, run)))).find((run) => run !== undefined)
  const sentences = [paperFinding([reproduction]), ...findings].filter((sentence) => sentence !== undefined)
  return html`<article id="${id}" class="run"><h3>${title}</h3>
<p class="note">${where}; scale ${scale}.</p>
${sentences.map((sentence) => html`<p>${sentence}</p>`)}
<div class="scroll" tabindex="0" role="group" aria-label="${title}"><table class="networks"><thead><tr>${head.map((name) => html`<th scope="col">${name}</th>`)}${columns.map((name) => html`<th scope="col" class="number">${name}</th>`)}</tr></thead><tbody>
${[...rows.values()].map(
  (row) =>
    html`<tr>${head.map((_, index) => html`<th scope="row">${row[0]?.row[index] ?? ''}</th>`)}${columns.map(
      (name) => {
        const cell = row.find(({ column }) => column === name)
        return cell === undefined ? html`<td></td>` : cellHtml(cell, runOf(cell))
      },
    )}</tr>
`,
)}</tbody></table></div>
<p class="note">Ours, then the paper's and the difference. ${Object.entries(VERDICTS).map(([verdict, { mark }], index) => `${index === 0 ? '' : ', '}${mark} ${verdict}`)}.</p>
${chart === undefined ? NOTHING : await figureHtml(chart)}</article>
`
}

const cellHtml = (cell: ReproducedCell, run: RunRecord | undefined): Html => {
  const { ours, paper, difference, verdict } = cell
  const printed = paper === undefined ? '' : `paper ${one(paper)}`
  if (ours === undefined) return html`<td class="number">–<small>${printed} ${verdict}</small></td>`
  const mark = VERDICTS[verdict]?.mark
  const interval =
    ours.low === undefined || ours.high === undefined ? '' : ` [${one(ours.low)}, ${one(ours.high)}]`
  const kept = cell.compared === 'kept' ? comparedOf(cell) : undefined
  const beside = kept === undefined ? printed : `kept ${one(kept.ours)}, paper ${one(kept.paper)}`
  const apart =
    difference === undefined
      ? ''
      : `${beside === '' ? '' : '; '}${difference < 0 ? '−' : '+'}${one(Math.abs(difference))}`
  const value =
    run === undefined ? html`${one(ours.value)}` : html`<a href="#${run.id}">${one(ours.value)}</a>`
  return html`<td class="number ${verdict === 'worse' || verdict === 'another order' ? 'disagrees' : ''}">${
    mark === undefined ? NOTHING : html`<span aria-hidden="true">${mark}</span> `
  }${value}${interval}<small>${beside}${apart}</small><small>${verdict}; n = ${ours.n.toLocaleString('en-US')}</small></td>`
}
