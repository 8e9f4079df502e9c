/** Charts: a Vega-Lite specification becomes an SVG file's text. No browser is needed, nothing is fetched. */
import type { TopLevelSpec } from 'vega-lite'

/** One look for all charts. */
const CONFIG = {
  background: 'white',
  font: 'Helvetica, Arial, sans-serif',
  axis: {
    labelFontSize: 11,
    titleFontSize: 12,
    titleFontWeight: 'normal',
    gridColor: '#e6e6e6',
    titlePadding: 8,
  },
  header: { labelFontSize: 12, titleFontSize: 12, titleFontWeight: 'normal' },
  legend: { labelFontSize: 12, titleFontSize: 12, titleFontWeight: 'normal', symbolStrokeWidth: 2.5 },
  title: { fontSize: 14, subtitleFontSize: 12, anchor: 'start', subtitleColor: '#555', offset: 14 },
  view: { stroke: '#ccc' },
} as const

/** The chart as the text of an SVG file. Vega is loaded when the first chart is drawn. */
export const chartSvg = async (spec: TopLevelSpec): Promise<string> => {
  const [vega, lite] = await Promise.all([import('vega'), import('vega-lite')])
  const { spec: compiled } = lite.compile({ ...spec, config: { ...CONFIG, ...spec.config } } as TopLevelSpec)
  const view = new vega.View(vega.parse(compiled), { renderer: 'none' })
  try {
    return `${await view.toSVG()}\n`
  } finally {
    view.finalize()
  }
}
