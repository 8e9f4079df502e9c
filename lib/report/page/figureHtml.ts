/** A figure in a page: what it says, the chart wide and narrow, its data, and ways to take it along. */
import { themedSvg } from '../chart.js'
import { type Figure, NARROW, WIDE } from '../figures/figure.js'
import { tight } from '../figures/words.js'
import { embeddedJson, type Html, html, NOTHING, trusted } from './html.js'

/** Rows of its data that a figure shows. */
const MOST_ROWS = 60
/** Records that a specification carries within a page. */
const MOST_RECORDS = 5000

/** `withData: false` leaves out the data and what can be taken along. */
export const figureHtml = async (
  figure: Figure,
  heading: 'h2' | 'h3' = 'h3',
  { withData } = { withData: true },
): Promise<Html> => {
  const label = `${figure.title}. ${figure.finding}`
  const draw = async (space: typeof WIDE) =>
    trusted(
      (await themedSvg(figure.spec(space))).replace('<svg ', '<svg aria-hidden="true" focusable="false" '),
    )
  const title = heading === 'h2' ? html`<h2>${figure.title}</h2>` : html`<h3>${figure.title}</h3>`
  return html`<figure class="chart" id="${figure.id}">
<figcaption>${title}<p>${tight(figure.finding)}</p></figcaption>
<div class="wide" role="img" aria-label="${label}">${await draw(WIDE)}</div>
<div class="narrow" role="img" aria-label="${label}">${await draw(NARROW)}</div>
${figure.note === undefined ? NOTHING : html`<p class="note">${figure.note}</p>`}
${withData ? dataHtml(figure) : NOTHING}
</figure>
`
}

const dataHtml = ({ id, title, data, spec }: Figure): Html => {
  const heads = [...new Set(data.flatMap((record) => Object.keys(record)))]
  const shown = data.slice(0, MOST_ROWS)
  const carried = spec(WIDE)
  return html`<details class="data"><summary>Data and downloads<span class="hidden"> of: ${title}</span></summary>
<p class="tools" hidden>${['svg', 'png', 'csv', 'json'].map(
    (kind) =>
      html`<button type="button" data-take="${kind}" data-of="${id}">${kind === 'json' ? 'Vega-Lite' : kind.toUpperCase()}<span class="hidden"> of: ${title}</span></button>`,
  )}</p>
<div class="scroll" tabindex="0" role="group" aria-label="Data of: ${title}"><table><thead><tr>${heads.map(
    (head) => html`<th scope="col">${head}</th>`,
  )}</tr></thead><tbody>${shown.map(
    (record) => html`<tr>${heads.map((head) => cell(record[head]))}</tr>`,
  )}</tbody></table></div>
${data.length > shown.length ? html`<p class="note">The first ${shown.length} of ${data.length} records; the CSV has ${data.length > MOST_RECORDS ? `${MOST_RECORDS} of them` : 'all'}.</p>` : NOTHING}
<script type="application/json" data-spec="${id}">${embeddedJson(carried)}</script>
<script type="application/json" data-records="${id}">${embeddedJson(data.slice(0, MOST_RECORDS))}</script>
</details>`
}

const cell = (value: unknown): Html =>
  typeof value === 'number'
    ? html`<td class="number">${Number(value.toPrecision(6))}</td>`
    : html`<td>${value === null || value === undefined ? '' : String(value)}</td>`
