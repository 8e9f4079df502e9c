/** What networks keep of accuracy and robustness: the finding. */
import type { TopLevelSpec } from 'vega-lite'
import type { ResultRow } from '../../runs/result.js'
import { findingOf, keptIn } from '../finding.js'
import type { Material, RunRecord } from '../material/record.js'
import { branchColours, colour } from '../theme.js'
import { type Figure, type Space, VEGA_LITE, WIDE } from './figure.js'
import { networkName, one, robustness } from './words.js'

/** Networks that are drawn as bars; of more, dots are drawn. */
const MOST_BARS = 10

/** Undefined where no network was evaluated. */
export const keptFigure = (material: Material): Figure | undefined => {
  const runs = material.runs.filter(({ rows }) => rows.length > 0)
  const networks = runs.flatMap(toldOf)
  if (networks.length === 0) return undefined
  const bars = networks.length <= MOST_BARS
  return {
    id: 'finding',
    title: 'What pruning keeps',
    finding: findingOf(material),
    note: noteOf(networks.map(({ row }) => row)),
    data: bars ? barsOf(networks, runs.length > 1) : dotsOf(networks),
    spec: (space) =>
      bars ? keptBars(barsOf(networks, runs.length > 1), space) : keptDots(dotsOf(networks), space),
  }
}

/** The networks that the finding tells of: the dense one and those that were pruned the most, the best of them first. */
const toldOf = (run: RunRecord): Network[] => {
  const kept = keptIn(run)
  const [first] = kept ?? []
  if (kept === undefined || first === undefined) return run.rows.map((row) => ({ run, row }))
  return [first.dense, ...kept.map(({ row }) => row)].map((row) => ({ run, row }))
}

/** The finding as a chart that stands by itself; undefined where no network was evaluated. */
export const keptChart = (material: Material): TopLevelSpec | undefined => {
  const figure = keptFigure(material)
  return (
    figure && {
      ...figure.spec(WIDE),
      title: { text: linesOf(figure.finding), subtitle: figure.note ?? '', anchor: 'start', offset: 18 },
    }
  )
}

/** Characters of a line of a title. */
const LINE = 84

const linesOf = (text: string): string[] => {
  const lines: string[] = []
  for (const word of text.split(' ')) {
    const last = lines.at(-1)
    if (last === undefined || last.length + word.length >= LINE) lines.push(word)
    else lines[lines.length - 1] = `${last} ${word}`
  }
  return lines
}

const noteOf = (rows: readonly ResultRow[]): string => {
  const counts = [...new Set(rows.map(({ n }) => n))].sort((a, b) => a - b)
  const measures = [...new Set(rows.map((row) => robustness(row).measure))]
  const meaning = {
    ERA: 'ERA: test images that stay right under attack',
    VRA: 'VRA: test images that are proved to stay right',
  }
  return `${measures.map((measure) => meaning[measure]).join('; ')}. Lines are 95 % intervals, n = ${counts.map((n) => n.toLocaleString('en-US')).join(', ')}.`
}

type Network = { run: RunRecord; row: ResultRow }

interface Bar extends Record<string, string | number | boolean | null> {
  network: string
  branch: string
  measure: string
  /** Whether it is benign accuracy. */
  benign: boolean
  /** Percent, with the ends of its 95 % interval. */
  value: number
  low: number
  high: number
  n: number
  /** Percent of what the dense network of the same run has. */
  kept: number | null
  /** The robustness of the dense network of the same run. */
  dense: number | null
  label: string
}

const barsOf = (networks: readonly Network[], several: boolean): Bar[] =>
  networks.flatMap(({ run, row }) => {
    const dense = networks.find((other) => other.run === run && other.row.branch === 'dense')?.row
    const { measure, proportion } = robustness(row)
    const whole = dense && robustness(dense).proportion.value
    const kept = row.branch === 'dense' || !whole ? null : (100 * proportion.value) / whole
    const common = {
      network: several ? `${run.name}: ${networkName(row)}` : networkName(row),
      branch: row.branch,
    }
    const bar = (name: string, { value, low, high, n }: typeof proportion, part: number | null): Bar => ({
      ...common,
      ...{ measure: name, benign: name === 'benign', value, low, high, n, kept: part, dense: whole ?? null },
      label: `${name} ${one(value)}${part === null ? '' : `: keeps ${part.toFixed(0)} %`}`,
    })
    return [bar('benign', row.accuracy, null), bar(measure, proportion, kept)]
  })

/** A pair of bars under the name of each network; a dashed line at the robustness of the dense one. */
const keptBars = (bars: readonly Bar[], { width, narrow }: Space): TopLevelSpec => {
  const networks = [...new Set(bars.map(({ network }) => network))]
  const branches = [...new Set(bars.map(({ branch }) => branch))]
  // Within the bar where there is room for the label, else behind it.
  const within = narrow ? 62 : 34
  const y = { field: 'benign', type: 'nominal', title: null, axis: null, sort: 'descending' } as const
  const x = {
    field: 'value',
    type: 'quantitative',
    title: 'of the test images, %',
    scale: { domain: [0, 100] },
    axis: { tickCount: 5, domain: false, ticks: false },
  } as const
  const text = (filter: string, placed: object, at: object, ink: object) => ({
    transform: [{ filter }],
    mark: { type: 'text', fontSize: narrow ? 12 : 13, fontWeight: 600, baseline: 'middle', ...placed },
    encoding: { y, x: at, text: { field: 'label' }, ...ink },
  })
  const ink = {
    color: {
      condition: { test: 'datum.benign', value: colour('ink') },
      value: colour('onSeries'),
    },
  }
  const interval = (strokeWidth: number, color: string) => ({
    mark: { type: 'rule', strokeWidth, color },
    encoding: { y, x: { field: 'low', type: 'quantitative' }, x2: { field: 'high' } },
  })
  return {
    $schema: VEGA_LITE,
    data: { values: [...bars] },
    facet: {
      row: {
        field: 'network',
        type: 'nominal',
        title: null,
        sort: networks,
        header: {
          labelOrient: 'top',
          labelAnchor: 'start',
          labelPadding: -6,
          labelAngle: 0,
          labelLimit: 0,
        },
      },
    },
    spacing: 20,
    spec: {
      width,
      height: { step: 24 },
      layer: [
        {
          mark: { type: 'bar', height: { band: 0.88 }, cornerRadiusEnd: 2 },
          encoding: {
            y,
            x,
            color: {
              condition: { test: 'datum.benign', value: colour('quiet') },
              field: 'branch',
              type: 'nominal',
              legend: null,
              scale: { domain: branches, range: branchColours(branches) },
            },
          },
        },
        {
          transform: [{ filter: 'isValid(datum.kept)' }],
          mark: { type: 'rule', strokeDash: [4, 3], strokeWidth: 1.5, color: colour('ink') },
          encoding: { x: { field: 'dense', type: 'quantitative' } },
        },
        ...[interval(4, colour('paper')), interval(1.5, colour('ink'))],
        text(`datum.low > ${within}`, { align: 'left', dx: 8 }, { datum: 0 }, ink),
        // Text behind a bar stands out from lines that cross it.
        ...[{ stroke: colour('paper'), strokeWidth: 4 }, {}].map((halo) =>
          text(
            `datum.low <= ${within}`,
            { align: 'left', dx: 8, color: colour('ink'), ...halo },
            { field: 'high', type: 'quantitative' },
            {},
          ),
        ),
      ],
    },
  } as unknown as TopLevelSpec
}

interface Dot extends Record<string, string | number | boolean | null> {
  run: string
  network: string
  branch: string
  tuned: string
  sparsity: number
  measure: string
  value: number
  kept: number
}

const dotsOf = (networks: readonly Network[]): Dot[] =>
  networks.flatMap(({ run, row }) => {
    const dense = networks.find((other) => other.run === run && other.row.branch === 'dense')?.row
    const { measure, proportion } = robustness(row)
    const whole = dense && robustness(dense).proportion.value
    if (row.branch === 'dense' || !whole) return []
    return [
      {
        ...{ run: run.name, network: networkName(row), branch: row.branch, tuned: networkName(row) },
        ...{ sparsity: row.sparsity, measure, value: proportion.value },
        kept: (100 * proportion.value) / whole,
      },
    ]
  })

/** A dot for each pruned network, in a row for each way of pruning. */
const keptDots = (dots: readonly Dot[], { width, narrow }: Space): TopLevelSpec => {
  const branches = [...new Set(dots.map(({ branch }) => branch))]
  const names = [...new Set(dots.map(({ tuned }) => tuned))]
  const mean = (name: string) => {
    const kept = dots.flatMap((dot) => (dot.tuned === name ? [dot.kept] : []))
    return kept.reduce((sum, each) => sum + each, 0) / kept.length
  }
  names.sort((a, b) => mean(b) - mean(a))
  return {
    $schema: VEGA_LITE,
    data: { values: [...dots] },
    facet: {
      row: {
        field: 'tuned',
        type: 'nominal',
        title: null,
        sort: names,
        header: {
          labelOrient: 'top',
          labelAnchor: 'start',
          labelPadding: -6,
          labelAngle: 0,
          labelLimit: 0,
        },
      },
    },
    spacing: 20,
    spec: {
      width,
      height: 26,
      layer: [
        {
          mark: { type: 'rule', strokeDash: [4, 3], strokeWidth: 1.5, color: colour('ink') },
          encoding: { x: { datum: 100 } },
        },
        {
          mark: { type: 'point', filled: true, size: narrow ? 70 : 90, opacity: 0.75 },
          encoding: {
            x: {
              field: 'kept',
              type: 'quantitative',
              title: 'robustness kept, % of the dense network',
              scale: { zero: true, nice: true },
              axis: { tickCount: 5, domain: false, ticks: false },
            },
            color: {
              field: 'branch',
              type: 'nominal',
              legend: null,
              scale: { domain: branches, range: branchColours(branches) },
            },
          },
        },
      ],
    },
  } as unknown as TopLevelSpec
}
