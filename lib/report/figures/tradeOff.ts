/** Accuracy and robustness against what is left: weights, or multiply-adds; with the networks that none betters. */
import type { TopLevelSpec } from 'vega-lite'
import type { Proportion } from '../../base/wilson.js'
import type { ResultRow } from '../../runs/result.js'
import type { Material, RunRecord } from '../material/record.js'
import { count } from '../tables.js'
import { branchColours, colour } from '../theme.js'
import { type Figure, type Space, VEGA_LITE } from './figure.js'
import { and, networkName, one, robustness } from './words.js'

/** What networks are set against. */
const COSTS = {
  weights: { title: 'weights left', words: 'weights', of: (row: ResultRow) => row.weights.remaining },
  macs: {
    title: 'multiply-adds left, an image',
    words: 'multiply-adds',
    of: (row: ResultRow) => row.macs.remaining,
  },
} as const

type Cost = keyof typeof COSTS

interface Point extends Record<string, string | number | boolean | null> {
  run: string
  network: string
  branch: string
  /** Tells the test images. */
  data: string
  measure: string
  cost: number
  value: number
  low: number
  high: number
  /** Whether no network of the same data costs no more and is better. */
  front: boolean
}

/** Multiply-adds tell nothing that weights do not where pruning left as much of both, up to this part of the whole. */
const ALIKE = 0.01

/** A figure for each cost in which the networks differ. */
export const tradeOffFigures = ({ runs }: Pick<Material, 'runs'>): Figure[] => {
  const networks = runs.flatMap((run) => run.rows.map((row) => ({ run, row })))
  return (Object.keys(COSTS) as Cost[]).flatMap((cost) => {
    if (new Set(networks.map(({ row }) => COSTS[cost].of(row))).size < 2) return []
    if (cost === 'macs' && networks.every(({ row }) => isAlike(row))) return []
    const points = pointsOf(networks, cost)
    return [
      {
        id: `against-${cost}`,
        title: `Accuracy against ${COSTS[cost].words}`,
        finding: findingOf(points, cost),
        note: 'The dashed line joins the networks that no other with as little left betters on the same images. Lines through points are 95 % intervals.',
        data: points,
        spec: (space: Space) => spec(points, cost, space),
      },
    ]
  })
}

const isAlike = ({ weights, macs }: ResultRow): boolean =>
  Math.abs(weights.remaining / weights.total - macs.remaining / macs.total) < ALIKE

/** What tells on which images runs were tested: fingerprints where all have one, else the sets' names. */
const imagesBy = (runs: readonly RunRecord[]): ((run: RunRecord) => string) =>
  runs.every(({ environment }) => environment !== undefined)
    ? ({ environment }) => environment?.data.test.slice(0, 12) ?? ''
    : ({ environment, result }) => environment?.data.name ?? result?.data ?? ''

const pointsOf = (networks: readonly { run: RunRecord; row: ResultRow }[], cost: Cost): Point[] => {
  const imagesOf = imagesBy(networks.map(({ run }) => run))
  const measured = networks.flatMap(({ run, row }) => {
    const { measure, proportion } = robustness(row)
    const point = (name: string, { value, low, high }: Proportion) => ({
      ...{ run: run.name, network: networkName(row), branch: row.branch, measure: name, data: imagesOf(run) },
      ...{ cost: COSTS[cost].of(row), value, low, high },
    })
    return [
      point('benign', row.accuracy),
      point('ERA', row.era),
      ...(measure === 'VRA' ? [point('VRA', proportion)] : []),
    ]
  })
  return measured.map((point) => ({
    ...point,
    front: !measured.some(
      (other) =>
        other.measure === point.measure &&
        other.data === point.data &&
        other.cost <= point.cost &&
        other.value >= point.value &&
        (other.cost < point.cost || other.value > point.value),
    ),
  }))
}

/** Networks of the front that the sentence lists. */
const MOST_LISTED = 4

const findingOf = (points: readonly Point[], cost: Cost): string => {
  const sets = new Set(points.map(({ data }) => data)).size
  if (sets > 1) return `Networks that were tested on ${sets} different sets of images.`
  const robust = points.some(({ measure }) => measure === 'VRA') ? 'VRA' : 'ERA'
  const front = points
    .filter(({ measure, front: best }) => measure === robust && best)
    .sort((a, b) => a.cost - b.cost)
  const told = front.slice(-MOST_LISTED).map(({ value, cost: left }) => `${one(value)} % with ${count(left)}`)
  return front.length === 1
    ? `One network has the most ${robust} and the fewest ${COSTS[cost].words}: ${told[0]}.`
    : `No other network has as much ${robust} with as few ${COSTS[cost].words}: ${and(told)}.`
}

const spec = (points: readonly Point[], cost: Cost, { width, narrow }: Space): TopLevelSpec => {
  const measures = [...new Set(points.map(({ measure }) => measure))]
  const branches = [...new Set(points.map(({ branch }) => branch))]
  const columns = narrow ? 1 : measures.length
  const x = {
    field: 'cost',
    type: 'quantitative',
    title: COSTS[cost].title,
    scale: { type: 'log', nice: false, padding: 16 },
    axis: { format: '~s', tickCount: 4, grid: false },
  }
  const y = {
    field: 'value',
    type: 'quantitative',
    title: narrow ? '%' : 'of the test images, %',
    scale: { zero: true },
    axis: { tickCount: 5 },
  }
  const key = {
    type: 'nominal',
    field: 'branch',
    title: null,
    legend: { orient: 'top', columns: narrow ? 2 : 6 },
  }
  return {
    $schema: VEGA_LITE,
    data: { values: [...points] },
    facet: { field: 'measure', type: 'nominal', title: null, sort: measures },
    columns,
    spec: {
      width: narrow ? width : Math.floor((width - 60 * (columns - 1)) / columns),
      height: narrow ? 160 : 220,
      layer: [
        {
          transform: [{ filter: 'datum.front' }],
          mark: {
            type: 'line',
            interpolate: 'step-after',
            strokeWidth: 1.5,
            color: colour('muted'),
            strokeDash: [4, 3],
          },
          encoding: { x, y, order: { field: 'cost', type: 'quantitative' }, detail: { field: 'data' } },
        },
        {
          mark: { type: 'rule', strokeWidth: 1.5 },
          encoding: {
            x,
            y: { field: 'low', type: 'quantitative' },
            y2: { field: 'high' },
            color: { ...key, scale: { domain: branches, range: branchColours(branches) } },
          },
        },
        {
          mark: { type: 'point', filled: true, size: 90, opacity: 1 },
          encoding: {
            x,
            y,
            color: { ...key, scale: { domain: branches, range: branchColours(branches) } },
            shape: key,
          },
        },
      ],
    },
    resolve: { scale: { x: 'shared', y: 'shared' } },
  } as unknown as TopLevelSpec
}
