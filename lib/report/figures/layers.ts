/** What pruning left of each layer. */
import type { TopLevelSpec } from 'vega-lite'
import type { Material } from '../material/record.js'
import { branchColours } from '../theme.js'
import { type Figure, type Space, VEGA_LITE } from './figure.js'
import { networkName, one } from './words.js'

/** Runs that have a figure of their own. */
const MOST = 12

interface Point extends Record<string, string | number | boolean | null> {
  layer: string
  network: string
  branch: string
  /** Percent of the layer's weights. */
  left: number
  remaining: number
  total: number
}

/** A figure for each run whose pruned networks were kept. */
export const layerFigures = ({ runs }: Pick<Material, 'runs'>): Figure[] =>
  runs.slice(0, MOST).flatMap((run) => {
    const points = alike(
      run.rows
        .filter(({ branch }) => branch !== 'dense')
        .map((row) =>
          (run.layers.get(row.name) ?? []).map(({ layer, total, remaining }) => ({
            ...{ layer, network: networkName(row), branch: row.branch, remaining, total },
            left: total === 0 ? 0 : (100 * remaining) / total,
          })),
        ),
    )
    if (points.length === 0) return []
    return [
      {
        id: `layers-${run.id}`,
        title: runs.length > 1 ? `Weights left, layer by layer: ${run.name}` : 'Weights left, layer by layer',
        finding: findingOf(points),
        data: points,
        spec: (space: Space) => spec(points, space),
      },
    ]
  })

/** Networks with as much left of every layer are one: its name is what their names have in common. */
const alike = (networks: readonly Point[][]): Point[] => {
  const groups = new Map<string, Point[][]>()
  for (const points of networks) {
    const key = points.map(({ left }) => one(left)).join()
    groups.set(key, [...(groups.get(key) ?? []), points])
  }
  return [...groups.values()].flatMap(([first = [], ...others]) =>
    others.length === 0
      ? first
      : first.map((point) => ({ ...point, network: point.network.split(',')[0] ?? '', branch: 'dense' })),
  )
}

/** Percentage points between layers that are none. */
const EQUAL = 0.5

const findingOf = (points: readonly Point[]): string => {
  const by = (order: (a: Point, b: Point) => boolean) => points.reduce((a, b) => (order(a, b) ? b : a))
  const networks = [...new Set(points.map(({ network }) => network))]
  const spread = networks.map((name) => {
    const left = points.filter(({ network }) => network === name).map((point) => point.left)
    return Math.max(...left) - Math.min(...left)
  })
  if (Math.max(...spread) < EQUAL) return 'Every layer of a network keeps the same part of its weights.'
  const [least, most] = [by((a, b) => b.left < a.left), by((a, b) => b.left > a.left)]
  return `${least.layer} keeps the least of its weights, ${one(least.left)} % (${least.network}), ${most.layer} the most, ${one(most.left)} % (${most.network}).`
}

const spec = (points: readonly Point[], { width, narrow }: Space): TopLevelSpec => {
  const layers = [...new Set(points.map(({ layer }) => layer))]
  const networks = [...new Set(points.map(({ network }) => network))]
  const branches = networks.map((name) => points.find(({ network }) => network === name)?.branch ?? '')
  const key = {
    field: 'network',
    type: 'nominal',
    title: null,
    legend: networks.length === 1 ? null : { orient: 'top', columns: narrow ? 1 : 2 },
  }
  const encoding = {
    y: {
      field: 'layer',
      type: 'nominal',
      title: null,
      sort: layers,
      axis: { grid: true, domain: false, ticks: false, labelLimit: narrow ? 80 : 180 },
    },
    x: {
      field: 'left',
      type: 'quantitative',
      title: 'weights left, %',
      scale: { domain: [0, 100] },
      axis: { tickCount: 5, grid: false },
    },
    color: { ...key, scale: { domain: networks, range: branchColours(branches) } },
    shape: key,
  }
  return {
    $schema: VEGA_LITE,
    data: { values: [...points] },
    width: width - 60,
    height: { step: 22 },
    mark: { type: 'point', filled: true, size: 80, opacity: 0.9 },
    encoding,
  } as unknown as TopLevelSpec
}
