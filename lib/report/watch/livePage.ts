/** The page of runs that go on: sections that are drawn anew as they change. */
import { formatSeconds } from '../../base/numbers.js'
import { keptFigure } from '../figures/kept.js'
import { trainingFigure } from '../figures/training.js'
import { one } from '../figures/words.js'
import { findingOf } from '../finding.js'
import type { RunRecord } from '../material/record.js'
import { figureHtml } from '../page/figureHtml.js'
import { type Html, html, NOTHING } from '../page/html.js'
import { framed } from '../page/page.js'
import { formatProportion } from '../tables.js'
import { progressOf } from './progress.js'

/** Sections by their ids, as HTML. */
export type Sections = Readonly<Record<string, string>>

export const SECTIONS = ['live-finding', 'live-runs', 'live-training', 'live-kept'] as const

/** The page before anything is known: the script fills its sections. */
export const livePage = (): string =>
  framed(
    'coppice watch',
    html`<header>
<p class="kicker">Coppice watch · <span id="live-state" role="status">connecting</span></p>
<h1 id="live-finding">Reading the runs</h1>
</header>
<main id="watched">
<section id="live-runs" aria-label="Runs"></section>
<section id="live-training" aria-label="Training"></section>
<section id="live-kept" aria-label="Networks"></section>
</main>
<noscript><p>This page needs its script; coppice report makes one that does not.</p></noscript>`,
    { script: 'watch.js', start: 'watched' },
  )

/** What goes to a page again and again is kept small; coppice report has the data. */
const LIVE = { withData: false }

/** The sections as the runs are now. */
export const sectionsOf = async (runs: readonly RunRecord[]): Promise<Sections> => {
  const material = { runs, benches: [], reproductions: [], faults: [] }
  const [training, kept] = [trainingFigure(material), keptFigure(material)]
  return {
    'live-finding': html`${runs.length === 0 ? 'No run has begun yet.' : findingOf(material)}`.text,
    'live-runs': html`${runs.map(runHtml)}`.text,
    'live-training': (training === undefined ? NOTHING : await figureHtml(training, 'h2', LIVE)).text,
    'live-kept': (kept === undefined ? NOTHING : await figureHtml({ ...kept, id: 'kept' }, 'h2', LIVE)).text,
  }
}

const runHtml = (run: RunRecord): Html => {
  const { id, name, path, state, history, rows } = run
  const progress = progressOf(run)
  const percent = progress && Math.floor(100 * progress.fraction)
  const messages = [...history.warnings, ...run.faults]
  return html`<article class="run live" id="${id}"><h2 class="live-name">${name} <span class="state ${state}">${state}</span></h2>
${
  percent === undefined
    ? NOTHING
    : html`<p class="progress"><progress max="100" value="${percent}" aria-label="Training of ${name} that is done"></progress> ${percent} %${
        progress?.left === undefined ? '' : `, ${formatSeconds(progress.left)} left`
      }</p>`
}
<p>${latest(run)}</p>
<details><summary>Log<span class="hidden"> of ${name}</span></summary><ul class="log">${logOf(run).map((line) => html`<li>${line}</li>`)}</ul><p class="note">${path}${
    history.resumes > 0 ? `, resumed ${history.resumes} times` : ''
  }</p></details>
${messages.length === 0 ? NOTHING : html`<ul class="faults">${messages.map((message) => html`<li>${message}</li>`)}</ul>`}
${rows.length === 0 ? NOTHING : html`<ul>${rows.map((row) => html`<li>${row.name}: benign ${formatProportion(row.accuracy)} %, ERA ${formatProportion(row.era)} %</li>`)}</ul>`}
</article>
`
}

const latest = ({ history }: RunRecord): string => {
  const [epoch, step] = [history.epochs.at(-1), history.steps.at(-1)]
  const figures = (loss: number, accuracy: number) =>
    `loss ${loss.toFixed(3)}, training accuracy ${one(accuracy)} %`
  if (step !== undefined) {
    const { branch, step: number, steps, loss, accuracy } = step
    return `${branch} step ${number} of ${steps}${loss === undefined || accuracy === undefined ? '' : `: ${figures(loss, accuracy)}`}`
  }
  return epoch === undefined
    ? 'No epoch has ended yet.'
    : `Pre-training epoch ${epoch.epoch}: ${figures(epoch.loss, epoch.accuracy)}`
}

/** Lines of the log that are shown, the latest first. */
const SHOWN = 20

const logOf = ({ history }: RunRecord): string[] => {
  const epochs = history.epochs.slice(-SHOWN).map(({ epoch, loss, accuracy, time }) => ({
    time,
    text: `epoch ${epoch}: loss ${loss.toFixed(3)}, accuracy ${one(accuracy)} %`,
  }))
  const steps = history.steps.slice(-SHOWN).map(({ branch, step, sparsity, time }) => ({
    time,
    text: `${branch} step ${step}: sparsity ${one(100 * sparsity)} %`,
  }))
  return [...epochs, ...steps]
    .slice(-SHOWN)
    .reverse()
    .map(({ time, text }) => `${time?.slice(11, 19) ?? ''} ${text}`)
}
