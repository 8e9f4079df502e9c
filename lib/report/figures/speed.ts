/** How many times as fast as dense libtorch pruned networks are: over what was pruned, or a row for each of them. */
import type { TopLevelSpec } from 'vega-lite'
import type { ModelResult } from '../../sparse/benchmark/sparse.js'
import type { BenchRecord } from '../material/record.js'
import { colour, seriesColours } from '../theme.js'
import { type Figure, type Space, VEGA_LITE, WIDE } from './figure.js'
import { plural } from './words.js'

interface Point extends Record<string, string | number | boolean | null> {
  model: string
  structure: string
  batch: number
  dtype: string
  panel: string
  /** Percent of the multiply-adds that are gone. */
  pruned: number
  ratio: number
  against: string
}

const SAME = 'same type'
const BEST = 'at its best'
/** A benchmark's figure; undefined where nothing was timed. */
export const speedFigure = ({ id, name, report }: BenchRecord): Figure | undefined => {
  const points = pointsOf(report.models)
  if (points.length === 0) return undefined
  return {
    id: `speed-${id}`,
    title: `Speed against dense libtorch: ${name}`,
    finding: findingOf(points),
    note: `${report.cpu}, ${report.threads} threads; medians, layout conversion included.`,
    data: points,
    spec: (space) => spec(points, space),
  }
}

/** All cases of several benchmarks, a row for each of these. */
export const speedOverview = (benches: readonly BenchRecord[]): Figure | undefined => {
  const cases = benches.flatMap(({ name, report }) =>
    pointsOf(report.models)
      .filter(({ against }) => against === BEST)
      .map((point) => ({ benchmark: name, ...point })),
  )
  if (cases.length === 0) return undefined
  return {
    id: 'speed',
    title: 'Speed against dense libtorch at its best',
    finding: findingOf(cases),
    note: 'A dot for each network, batch and type; left of the line the pruned network is slower.',
    data: cases,
    spec: ({ width, narrow }) =>
      ({
        $schema: VEGA_LITE,
        data: { values: cases },
        facet: {
          row: {
            field: 'benchmark',
            type: 'nominal',
            title: null,
            sort: benches.map(({ name }) => name),
            header: {
              labelOrient: 'top',
              labelAnchor: 'start',
              labelAngle: 0,
              labelLimit: 0,
              labelPadding: -4,
            },
          },
        },
        spacing: 14,
        spec: {
          width,
          height: 22,
          layer: [
            ...lossArea(cases, 'x'),
            { mark: { type: 'rule', color: colour('ink'), strokeWidth: 1.5 }, encoding: { x: { datum: 1 } } },
            {
              mark: {
                type: 'point',
                filled: true,
                size: narrow ? 70 : 90,
                opacity: 0.7,
                color: colour('blue'),
              },
              encoding: {
                x: { field: 'ratio', type: 'quantitative', ...X, axis: { format: '~g', tickCount: 5 } },
              },
            },
          ],
        },
      }) as unknown as TopLevelSpec,
  }
}

/** The chart of a benchmark as it stands by itself. */
export const speedChart = (models: readonly ModelResult[], machine: string): TopLevelSpec => {
  const networks = [...new Set(models.map(({ network }) => network))].join(', ')
  const dtypes = [...new Set(models.flatMap(({ rows }) => rows.map(({ dtype }) => dtype)))].join(', ')
  const subtitle = `${machine}; ${dtypes}; medians, layout conversion included; below 1 it loses`
  return {
    ...spec(pointsOf(models), WIDE),
    title: { text: `${networks}: speed of the pruned network`, subtitle },
  }
}

const pointsOf = (models: readonly ModelResult[]): Point[] => {
  const dtypes = new Set(models.flatMap(({ rows }) => rows.map(({ dtype }) => dtype)))
  const panel = (batch: number, dtype: string) => `batch ${batch}${dtypes.size > 1 ? `, ${dtype}` : ''}`
  return models.flatMap(({ model, structure, macs, denseMacs, rows }) =>
    rows.flatMap(({ batch, dtype, sameType, best }) => {
      const place = {
        model,
        structure,
        batch,
        dtype,
        panel: panel(batch, dtype),
        pruned: 100 * (1 - macs / denseMacs),
      }
      return [
        { ...place, ratio: sameType.ratios.warm, against: SAME },
        { ...place, ratio: best.ratios.warm, against: BEST },
      ]
    }),
  )
}

const findingOf = (points: readonly Point[]): string => {
  const best = points.filter(({ against }) => against === BEST)
  const losing = best.filter(({ ratio }) => ratio < 1)
  const ratios = best.map(({ ratio }) => ratio)
  const [low, high] = [Math.min(...ratios), Math.max(...ratios)].map((ratio) => ratio.toFixed(2))
  const lost =
    losing.length === 0
      ? ''
      : `; it is slower in ${plural(losing.length, 'case')}: ${losing
          .slice(0, 3)
          .map(({ model, panel }) => `${model} at ${panel}`)
          .join('; ')}${losing.length > 3 ? ' …' : ''}`
  return best.length === 1
    ? `The pruned network is ${low} times as fast as dense libtorch at its best${lost}.`
    : `In ${best.length} cases the pruned network is ${low} to ${high} times as fast as dense libtorch at its best${lost}.`
}

/** Lines where a structure was timed at several sparsities, else a row for each network. */
const spec = (points: readonly Point[], space: Space): TopLevelSpec => {
  const structures = new Set(points.map(({ structure }) => structure)).size
  const amounts = new Set(points.map(({ structure, pruned }) => `${structure} ${pruned}`)).size
  return amounts > structures ? lines(points, space) : dots(points, space)
}

const X = { title: 'times as fast as dense', scale: { type: 'log', nice: false, padding: 14 } } as const
const AGAINST = {
  field: 'against',
  type: 'nominal',
  title: 'against libtorch',
  scale: { domain: [SAME, BEST] },
} as const

/** What lies below 1 is in the colour of loss. */
const lossArea = (points: readonly Point[], channel: 'x' | 'y') => {
  const least = Math.min(...points.map(({ ratio }) => ratio), 1)
  return least >= 1
    ? []
    : [
        {
          mark: { type: 'rect', color: colour('loss') },
          encoding: { [channel]: { datum: 0.95 * least }, [`${channel}2`]: { datum: 1 } },
        },
      ]
}

const panelsOf = (points: readonly Point[]) => [...new Set(points.map(({ panel }) => panel))]

/** A row for each network in a panel for each batch and type; of a single network, a row for each batch and type. */
const dots = (points: readonly Point[], { width, narrow }: Space): TopLevelSpec => {
  const panels = panelsOf(points)
  const models = [...new Set(points.map(({ model }) => model))]
  const single = models.length === 1
  const names = single ? panels : models
  const columns = narrow || single ? 1 : Math.min(2, panels.length)
  // About what Vega takes for text of that length.
  const labels = narrow ? 0 : 10 * Math.max(...names.map((name) => name.length))
  const y = {
    field: single ? 'panel' : 'model',
    type: 'nominal',
    title: null,
    sort: names,
    axis: { grid: true, domain: false, ticks: false, labelLimit: 0 },
  }
  const rowOf = ({ model, panel }: Point) => (single ? panel : `${model}, ${panel}`)
  const x = { field: 'ratio', type: 'quantitative', ...X, axis: { format: '~g', tickCount: 4, grid: false } }
  const place = narrow ? { x } : { x, y }
  const inner = {
    width: Math.max(200, Math.floor((width - labels) / columns) - (columns > 1 ? 20 : 0)),
    height: narrow ? 32 : { step: 32 },
    layer: [
      ...lossArea(points, 'x'),
      { mark: { type: 'rule', color: colour('ink'), strokeWidth: 1.5 }, encoding: { x: { datum: 1 } } },
      {
        mark: { type: 'point', filled: true, size: 90, opacity: 1 },
        encoding: {
          ...place,
          shape: { ...AGAINST, legend: { orient: 'top' } },
          color: { ...AGAINST, scale: { domain: [SAME, BEST], range: [colour('grey'), colour('blue')] } },
        },
      },
      {
        transform: [{ filter: `datum.against === '${BEST}'` }],
        mark: { type: 'text', dy: -12, fontSize: 12, color: colour('ink') },
        encoding: { ...place, text: { field: 'ratio', format: '.2f' } },
      },
    ],
  }
  const titled = { labelOrient: 'top', labelAnchor: 'start', labelLimit: 0 }
  const facet = { type: 'nominal', title: null, header: titled }
  return {
    $schema: VEGA_LITE,
    data: { values: [...points] },
    ...(single && !narrow && inner),
    ...(!single && !narrow && { facet: { field: 'panel', sort: panels, ...facet }, columns, spec: inner }),
    // On a phone, names stand above their rows.
    ...(narrow && {
      data: { values: points.map((point) => ({ ...point, row: rowOf(point) })) },
      facet: {
        row: {
          ...{ field: 'row', sort: [...new Set(points.map(rowOf))], ...facet },
          header: { ...titled, labelAngle: 0, labelPadding: -4 },
        },
      },
      spacing: 14,
      spec: inner,
    }),
  } as unknown as TopLevelSpec
}

/** One panel for each batch, log scale; solid against libtorch in the same type, dashed against libtorch at its best. */
const lines = (points: readonly Point[], { width, narrow }: Space): TopLevelSpec => {
  const panels = panelsOf(points)
  const structures = [...new Set(points.map(({ structure }) => structure))]
  const columns = narrow ? 1 : Math.min(3, panels.length)
  const color = {
    field: 'structure',
    type: 'nominal',
    title: null,
    scale: { domain: structures, range: seriesColours(structures.length) },
    legend: { orient: 'top', symbolType: 'circle' },
  }
  const x = {
    field: 'pruned',
    type: 'quantitative',
    title: 'multiply-adds pruned, %',
    scale: { zero: false, nice: false, padding: 12 },
    axis: { tickCount: 5 },
  } as const
  const y = {
    field: 'ratio',
    type: 'quantitative',
    title: X.title,
    scale: X.scale,
    axis: { format: '~g', tickCount: 6 },
  } as const
  return {
    $schema: VEGA_LITE,
    data: { values: [...points] },
    facet: { field: 'panel', type: 'nominal', title: null, sort: panels },
    columns,
    spec: {
      width: narrow ? width : Math.floor((width - 40 * (columns - 1)) / columns),
      height: 200,
      layer: [
        ...lossArea(points, 'y'),
        {
          mark: { type: 'rule', color: colour('ink') },
          encoding: { y: { datum: 1 } },
        },
        {
          mark: { type: 'line', strokeWidth: 2 },
          encoding: {
            x,
            y,
            color,
            strokeDash: {
              ...AGAINST,
              scale: {
                domain: [SAME, BEST],
                range: [
                  [1, 0],
                  [5, 4],
                ],
              },
              legend: {
                orient: 'top',
                symbolType: 'stroke',
                symbolSize: 400,
                symbolStrokeColor: colour('ink'),
              },
            },
          },
        },
        {
          mark: { type: 'point', filled: true, size: 45, opacity: 1 },
          encoding: { x, y, color, detail: { field: 'against' } },
        },
      ],
    },
  } as unknown as TopLevelSpec
}
