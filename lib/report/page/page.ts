/** The report as one file: no network is needed to read it, and nothing in it runs but its own script. */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describeAttack } from '../../attacks/attack.js'
import { formatPixels, formatSeconds } from '../../base/numbers.js'
import { packageFolder, version } from '../../base/version.js'
import type { Proportion } from '../../base/wilson.js'
import { describeObjective } from '../../objectives/index.js'
import type { ResultRow } from '../../runs/result.js'
import { benchText } from '../benchText.js'
import {
  compareNetworks,
  compareRuns,
  leaves,
  type MeasureComparison,
  type NetworkComparison,
} from '../compare.js'
import type { Figure } from '../figures/figure.js'
import { keptFigure } from '../figures/kept.js'
import { layerFigures } from '../figures/layers.js'
import { paperFigure } from '../figures/paper.js'
import { speedFigure, speedOverview } from '../figures/speed.js'
import { tradeOffFigures } from '../figures/tradeOff.js'
import { trainingFigure } from '../figures/training.js'
import { and, networkName, one, plural, pValue, tight } from '../figures/words.js'
import { findingOf } from '../finding.js'
import type { BenchRecord, Material, RunRecord } from '../material/record.js'
import { count, percent, vraColumn } from '../tables.js'
import { declarations } from '../theme.js'
import { figureHtml } from './figureHtml.js'
import { Html, html, NOTHING } from './html.js'
import { paperHtml } from './paperHtml.js'

/** Pairs of runs that are compared. */
const MOST_PAIRS = 200

/** All of a report but its frame, by sections. */
export async function reportPage(material: Material, created = new Date()): Promise<string> {
  const { runs, benches } = material
  // Without a network that was evaluated, the finding is what was timed.
  const [bench, ...others] = benches
  const lead =
    paperFigure(material.reproductions) ??
    keptFigure(material) ??
    (bench && (others.length === 0 ? speedFigure(bench) : speedOverview(benches)))
  const sections: { id: string; title: string; body: Html }[] = []
  const add = (id: string, title: string, body: Html): void => {
    if (body.text.trim() !== '') sections.push({ id, title, body })
  }
  const draw = async (figures: readonly (Figure | undefined)[]): Promise<Html> => {
    const drawn = []
    for (const figure of figures) if (figure !== undefined) drawn.push(await figureHtml(figure))
    return html`${drawn}`
  }
  add('faults', 'What is missing or wrong', faultsHtml(material))
  add('paper', 'The paper', await paperHtml(material))
  add('networks', 'Networks', html`${networksTable(runs)}${attacksNote(runs)}`)
  add('size', 'Accuracy against size', await draw(tradeOffFigures(material)))
  add('training-section', 'Training', await draw([trainingFigure(material)]))
  add('layers', 'Layers', await draw(layerFigures(material)))
  add('comparisons', 'Side by side', comparisonsHtml(runs))
  add('runs', 'Runs', html`${runs.map(runHtml)}`)
  add('benchmarks', 'Speed', html`${await Promise.all(benches.map(benchHtml))}`)
  const what = [
    ...(runs.length > 0 ? [plural(runs.length, 'run')] : []),
    ...(material.reproductions.length > 0
      ? [plural(material.reproductions.length, 'table or figure of the paper')]
      : []),
    ...(benches.length > 0 ? [plural(benches.length, 'benchmark')] : []),
  ].join(', ')
  const title = findingOf(material)
  return framed(
    title,
    html`<header>
<p class="kicker">Coppice report · ${what} · <time datetime="${created.toISOString()}">${created.toISOString().slice(0, 10)}</time></p>
<h1>${tight(title)}</h1>
</header>
<main>
${lead === undefined ? NOTHING : await leadHtml(lead)}
<nav aria-label="Sections"><ul>${sections.map(({ id, title: name }) => html`<li><a href="#${id}">${name}</a></li>`)}</ul></nav>
${sections.map(
  ({
    id,
    title: name,
    body,
  }) => html`<section id="${id}" aria-labelledby="${id}-title"><h2 id="${id}-title">${name}</h2>
${body}</section>
`,
)}
</main>
<footer><p>Made by Coppice ${version}. ERA is an upper bound of robustness, VRA a lower one; intervals are Wilson's, 95 %.</p></footer>`,
  )
}

/** A page with the style and the script of reports. */
export const framed = (
  title: string,
  body: Html,
  { script, start } = { script: 'report.js', start: 'finding' },
): string => {
  const code = asset(script)
  const hash = createHash('sha256').update(code).digest('base64')
  const policy = `default-src 'none'; style-src 'unsafe-inline'; img-src data: blob:; connect-src 'self'; script-src 'sha256-${hash}'; base-uri 'none'; form-action 'none'`
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="generator" content="Coppice ${version}">
<title>${title}</title>
<style>
:root{${new Html(declarations('light'))}}
@media (prefers-color-scheme:dark){:root{${new Html(declarations('dark'))}}}
@media print{:root{${new Html(declarations('light'))}}}
${new Html(asset('report.css'))}</style>
</head>
<body>
<a class="skip" href="#${start}">Skip to the content</a>
${body}
<script>${new Html(code)}</script>
</body>
</html>
`.text
}

const asset = (name: string): string => readFileSync(join(packageFolder, 'web', name), 'utf8')

const leadHtml = async (figure: Figure): Promise<Html> => {
  const drawn = await figureHtml({ ...figure, id: 'finding', finding: '' }, 'h2')
  return new Html(drawn.text.replace('<p></p></figcaption>', '</figcaption>'))
}

const faultsHtml = ({ runs, faults }: Material): Html => {
  const own = runs.filter((run) => run.faults.length > 0)
  if (own.length === 0 && faults.length === 0) return NOTHING
  return html`<ul class="faults">${faults.map((fault) => html`<li>${fault}</li>`)}${own.map(
    (run) =>
      html`<li><a href="#${run.id}">${run.name}</a>: ${run.faults.length === 1 ? run.faults[0] : html`<ul>${run.faults.map((fault) => html`<li>${fault}</li>`)}</ul>`}</li>`,
  )}</ul>
`
}

const scrolling = (label: string, table: Html): Html =>
  html`<div class="scroll" tabindex="0" role="group" aria-label="${label}">${table}</div>
`

/** Every network of every run, with its intervals, and a link to the run that each figure stands on. */
const networksTable = (runs: readonly RunRecord[]): Html => {
  const rows = runs.flatMap((run) => run.rows.map((row) => ({ run, row })))
  if (rows.length === 0) return NOTHING
  const proofs = [
    ...new Set(
      rows.flatMap(({ row }) => (row.verifications ?? []).map(({ verifier }) => vraColumn(verifier))),
    ),
  ]
  const several = runs.length > 1
  const heads = [
    ...(several ? ['run'] : []),
    'network',
    'weights left',
    'MACs left',
    'benign %',
    'ERA %',
    'ERA kept',
    ...proofs,
    'n',
  ]
  return scrolling(
    'All networks',
    html`<table class="networks"><thead><tr>${heads.map((head, index) => html`<th scope="col"${index > (several ? 1 : 0) ? new Html(' class="number"') : ''}>${head}</th>`)}</tr></thead><tbody>
${rows.map(({ run, row }) => {
  const dense = run.rows.find(({ branch }) => branch === 'dense')
  return html`<tr class="${row.branch === 'dense' ? 'dense' : ''}">${several ? html`<td><a href="#${run.id}">${run.name}</a></td><th scope="row">${networkName(row)}</th>` : html`<th scope="row"><a href="#${run.id}">${networkName(row)}</a></th>`}
<td class="number">${percent(row.weights.remaining / row.weights.total)}</td><td class="number">${percent(row.macs.remaining / row.macs.total)}</td>
${figure(row.accuracy)}${figure(row.era)}<td class="number">${keptOf(row, dense)}</td>${proofs.map((head) =>
    figure(row.verifications?.find(({ verifier }) => vraColumn(verifier) === head)?.vra),
  )}<td class="number">${count(row.n)}</td></tr>
`
})}</tbody></table>`,
  )
}

/** What ERA and VRA are under, where runs know. */
const attacksNote = (runs: readonly RunRecord[]): Html => {
  const told = new Map<string, string[]>()
  for (const { name, result } of runs) {
    if (result === undefined) continue
    const proofs = (result.rows[0]?.verifications ?? []).map(
      ({ verifier, epsilon, n }) =>
        `; ${vraColumn(verifier).replace(' %', '')} at eps ${formatPixels(epsilon)} of ${plural(n, 'image')}`,
    )
    const text = `ERA under ${describeAttack(result.attack)}${proofs.join('')}`
    told.set(text, [...(told.get(text) ?? []), name])
  }
  return html`${[...told].map(
    ([text, names]) => html`<p class="note">${told.size === 1 ? '' : `${and(names)}: `}${text}.</p>`,
  )}`
}

const keptOf = (row: ResultRow, dense: ResultRow | undefined): string =>
  dense === undefined || dense === row || dense.era.value === 0
    ? ''
    : `${((100 * row.era.value) / dense.era.value).toFixed(0)} %`

const figure = (proportion: Proportion | undefined): Html =>
  proportion === undefined
    ? html`<td></td>`
    : html`<td class="number">${one(proportion.value)} <small>[${one(proportion.low)}, ${one(proportion.high)}]</small></td>`

/** Any two runs beside each other. */
const comparisonsHtml = (runs: readonly RunRecord[]): Html => {
  const pairs = runs.flatMap((first, index) =>
    runs.slice(index + 1).map((second) => [first, second] as const),
  )
  const shown = pairs.slice(0, MOST_PAIRS)
  return html`${shown.map(([first, second]) => {
    const { differences, networks } = compareRuns(first, second)
    const known = first.recipe !== undefined && second.recipe !== undefined
    return html`<details class="pair"${pairs.length === 1 ? new Html(' open') : ''}><summary>${first.name} and ${second.name}</summary>
${
  differences.length === 0
    ? html`<p>${known ? 'Their recipes are the same.' : 'The recipe of one of them is not there.'}</p>`
    : scrolling(
        `Recipes of ${first.name} and ${second.name}`,
        html`<table><caption>What differs in the recipe</caption><thead><tr><th scope="col">value</th><th scope="col">${first.name}</th><th scope="col">${second.name}</th></tr></thead><tbody>${differences.map(
          ({ path, first: a, second: b }) =>
            html`<tr><th scope="row">${path}</th><td>${a ?? '–'}</td><td>${b ?? '–'}</td></tr>`,
        )}</tbody></table>`,
      )
}${networks.length === 0 ? html`<p>They have no network in common.</p>` : outcomeTable(networks, first.name, second.name)}</details>
`
  })}${pairs.length > shown.length ? html`<p class="note">The first ${shown.length} of ${pairs.length} pairs.</p>` : NOTHING}`
}

const outcomeTable = (
  networks: readonly NetworkComparison[],
  first: string,
  second: string,
  label = `Outcomes of ${first} and ${second}`,
): Html =>
  scrolling(
    label,
    html`<table><caption>What differs in the outcome</caption><thead><tr><th scope="col">network</th><th scope="col">measure</th><th scope="col" class="number">${first}</th><th scope="col" class="number">${second}</th><th scope="col" class="number">difference</th><th scope="col">images that changed</th></tr></thead><tbody>${networks.flatMap(
      ({ first: a, second: b, measures }) =>
        measures.map(
          (measure) =>
            html`<tr><th scope="row">${a === b ? a : `${a}, ${b}`}</th><td>${measure.measure}</td>${figure(measure.first)}${figure(measure.second)}<td class="number">${signed(measure.difference)}</td><td>${changes(measure)}</td></tr>`,
        ),
    )}</tbody></table>`,
  )

/** `+1.2`, with a minus as long as the plus. */
const signed = (value: number): string => `${value < 0 ? '−' : '+'}${one(Math.abs(value))}`

const changes = ({ paired, first, second }: MeasureComparison): string | Html => {
  if (paired === undefined) {
    const apart = first.low > second.high || second.low > first.high
    return `not known image by image; the intervals ${apart ? 'are apart' : 'overlap'}`
  }
  const { onlyFirst, onlySecond, p, n, changed } = paired
  const summary = `${onlyFirst} lost, ${onlySecond} won of ${n}; ${pValue(p)}`
  return changed.length === 0
    ? summary
    : html`<details><summary>${summary}</summary>${changed.join(', ')}${changed.length < onlyFirst + onlySecond ? ' …' : ''}</details>`
}

/** All that a figure of a run stands on. */
const runHtml = (run: RunRecord): Html => {
  const { environment, recipe, result, history } = run
  const dense = run.rows.find(({ branch }) => branch === 'dense')
  const against = run.rows
    .filter((row) => dense !== undefined && row !== dense)
    .map((row) =>
      compareNetworks(dense as ResultRow, row, [run.outcomes.get('dense'), run.outcomes.get(row.name)]),
    )
  const facts: [string, string | undefined][] = [
    ['state', run.state],
    ['folder', run.path],
    ['again', recipe && `coppice run ${quoted(`${run.path}/recipe.json`)} -o FOLDER`],
    ['trained with', result && describeObjective(result.objective)],
    ['time', result && formatSeconds(result.seconds)],
    ['begun', history.started],
    ['interrupted', history.resumes > 0 ? plural(history.resumes, 'time') : undefined],
    ['identity', result?.identity ?? environment?.identity],
    ['hardware', environment && hardware(environment)],
    [
      'software',
      environment &&
        `Coppice ${environment.coppice}${environment.commit ? ` (${environment.commit.slice(0, 12)})` : ''}, libtorch ${environment.torch}, Node ${environment.node}`,
    ],
    ['images', environment && `${environment.data.name}; test ${environment.data.test.slice(0, 12)}`],
    ['seed', environment && String(environment.seed)],
  ]
  const warnings = [...new Set([...(result?.warnings ?? []), ...history.warnings])]
  return html`<article id="${run.id}" class="run"><h3>${run.name}</h3>
<dl>${facts.flatMap(([name, value]) => (value === undefined ? [] : [html`<div><dt>${name}</dt><dd>${value}</dd></div>`]))}</dl>
${warnings.length === 0 ? NOTHING : html`<ul class="faults">${warnings.map((warning) => html`<li>${warning}</li>`)}</ul>`}
${
  against.length === 0
    ? NOTHING
    : outcomeTable(
        against.map((each) => ({ ...each, first: each.second })),
        'dense',
        'pruned',
        `Networks of ${run.name} against the dense one`,
      )
}
${
  recipe === undefined
    ? NOTHING
    : html`<details><summary>Recipe<span class="hidden"> of ${run.name}</span></summary>${scrolling(
        `Recipe of ${run.name}`,
        html`<table><tbody>${[...leaves(recipe)].map(([path, value]) => html`<tr><th scope="row">${path}</th><td>${value}</td></tr>`)}</tbody></table>`,
      )}</details>`
}</article>
`
}

const hardware = ({
  cpu,
  gpu,
  device,
  devices,
  threads,
  cpuCapability,
}: NonNullable<RunRecord['environment']>): string =>
  gpu === undefined
    ? `${cpu} (${cpuCapability}), ${plural(threads, 'thread')}`
    : `${devices === undefined ? '' : `${devices} × `}${gpu} (${device}), ${cpu}`

/** A word of a shell. */
const quoted = (word: string): string =>
  /^[\w./@:+-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`

const benchHtml = async (bench: BenchRecord): Promise<Html> => {
  const { id, name, path, report } = bench
  const speed = speedFigure(bench)
  return html`<article id="${id}" class="run">${speed === undefined ? html`<h3>${name}</h3>` : await figureHtml(speed)}
<dl><div><dt>folder</dt><dd>${path}</dd></div><div><dt>command</dt><dd>${report.command}</dd></div></dl>
<details><summary>All times<span class="hidden"> of ${name}</span></summary><pre tabindex="0" role="group" aria-label="Times of ${name}">${benchText(report)}</pre></details></article>
`
}
