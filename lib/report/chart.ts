/** Charts: a Vega-Lite specification becomes an SVG's text. No browser is needed, nothing is fetched. */
import type { TopLevelSpec } from 'vega-lite'
import { colour, withoutVariables } from './theme.js'

const FONT = 'system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif'

/** One look for all charts. */
const CONFIG = {
  background: colour('paper'),
  font: FONT.replaceAll('"', "'"),
  aria: false,
  axis: {
    labelFontSize: 12,
    titleFontSize: 12,
    titleFontWeight: 'normal',
    labelColor: colour('muted'),
    titleColor: colour('muted'),
    gridColor: colour('grid'),
    domainColor: colour('rule'),
    tickColor: colour('rule'),
    titlePadding: 8,
  },
  header: {
    labelFontSize: 13,
    labelFontWeight: 600,
    labelColor: colour('ink'),
    titleColor: colour('ink'),
    titleFontSize: 12,
    titleFontWeight: 'normal',
  },
  legend: {
    labelFontSize: 12,
    titleFontSize: 12,
    titleFontWeight: 'normal',
    labelColor: colour('ink'),
    titleColor: colour('muted'),
    labelLimit: 0,
    symbolStrokeWidth: 2.5,
  },
  title: {
    fontSize: 15,
    subtitleFontSize: 12,
    anchor: 'start',
    color: colour('ink'),
    subtitleColor: colour('muted'),
    offset: 14,
  },
  text: { color: colour('ink') },
  view: { stroke: null },
} as const

/** Loads Vega before the first chart is wanted. */
export const loadCharts = () => Promise.all([import('vega'), import('vega-lite')])

/** The chart as it stands in a page, whose style sheet has the variables of `theme.ts`. Vega is loaded with the first one. */
export const themedSvg = async (spec: TopLevelSpec): Promise<string> => {
  const [vega, lite] = await loadCharts()
  const { spec: compiled } = lite.compile({ ...spec, config: { ...CONFIG, ...spec.config } } as TopLevelSpec)
  const view = new vega.View(vega.parse(compiled), { renderer: 'none' })
  try {
    return slim(await view.toSVG())
  } finally {
    view.finalize()
  }
}

/** The chart as the text of an SVG file. */
export const chartSvg = async (spec: TopLevelSpec): Promise<string> =>
  `${withoutVariables(await themedSvg(spec))}\n`

/** Without what draws nothing: half of what Vega writes. */
const slim = (svg: string): string =>
  svg
    .replace(/ pointer-events="none"| aria-hidden="true"| opacity="1"/g, '')
    .replace(/<path class="(background|foreground)" d="(M0,0h0v0h0Z)?"( display="none")?\/>/g, '')
    .replace(/<path class="(background|foreground)" d="[^"]*"( display="none")?\/>/g, '')
    .replace(/<text [^>]*opacity="0"[^>]*>[^<]*<\/text>/g, '')
    .replace(/<g><\/g>/g, '')
    .replace(/ (d|transform)="[^"]*"/g, (attribute) => attribute.replace(/(\.\d{2})\d+/g, '$1'))
