/** Loss and accuracy over the epochs: pre-training, then fine-tuning after each step of pruning, and what was evaluated. */
import type { TopLevelSpec } from 'vega-lite'
import type { Material, RunRecord } from '../material/record.js'
import { branchColours, colour, seriesColours } from '../theme.js'
import { type Figure, type Space, VEGA_LITE } from './figure.js'
import { one, plural, robustness } from './words.js'

/** Points of a line that are drawn, and of all lines. */
const MOST_OF_LINE = 300
const MOST_DRAWN = 3000

interface Point extends Record<string, string | number | boolean | null> {
  run: string
  branch: string
  series: string
  /** Counted on from pre-training. */
  epoch: number
  loss: number
  accuracy: number
}

interface Evaluated extends Record<string, string | number | boolean | null> {
  run: string
  branch: string
  series: string
  epoch: number
  measure: string
  value: number
  low: number
  high: number
}

/** Undefined where no epoch was logged. */
export const trainingFigure = ({ runs }: Pick<Material, 'runs'>): Figure | undefined => {
  const logged = runs.filter(({ history }) => history.epochs.length > 0 || history.steps.length > 0)
  const several = logged.length > 1
  const points = logged.flatMap((run) =>
    pointsOf(run, several, Math.min(MOST_OF_LINE, Math.ceil(MOST_DRAWN / logged.length))),
  )
  if (points.length === 0) return undefined
  const evaluated = logged.flatMap((run) => evaluatedOf(run, several))
  return {
    id: 'training',
    title: 'Loss and accuracy over the epochs',
    finding: findingOf(logged, points),
    note:
      'Accuracy is on what the objective trained on, adversarial examples among it.' +
      (evaluated.length > 0
        ? ' Circles are benign accuracy and diamonds ERA or VRA on test images, with 95 % intervals.'
        : ''),
    data: [...points, ...evaluated],
    spec: (space) => trainingSpec(points, evaluated, several, space),
  }
}

const findingOf = (runs: readonly RunRecord[], points: readonly Point[]): string => {
  const [run] = runs
  const epochs = runs.reduce((sum, { history }) => sum + history.epochs.length, 0)
  const last = points.at(-1)
  if (runs.length > 1 || run === undefined || last === undefined)
    return `${plural(epochs, 'epoch')} of pre-training in ${plural(runs.length, 'run')}.`
  const [first, end] = [run.history.epochs[0], run.history.epochs.at(-1)]
  if (first === undefined || end === undefined)
    return `${plural(run.history.steps.length, 'step')} of pruning.`
  return first === end
    ? `One epoch so far: loss ${first.loss.toFixed(3)}, training accuracy ${one(first.accuracy)} %.`
    : `In ${end.epoch} epochs of pre-training the loss went from ${first.loss.toFixed(3)} to ${end.loss.toFixed(3)}, training accuracy from ${one(first.accuracy)} to ${one(end.accuracy)} %.`
}

const PRETRAINING = 'pre-training'

const seriesOf = (run: RunRecord, branch: string, several: boolean): string => (several ? run.name : branch)

/** Epochs that a step of pruning stands for. */
const epochsPerStep = ({ recipe }: RunRecord): number => {
  const prune = recipe?.prune as { epochsPerStep?: unknown } | undefined
  return typeof prune?.epochsPerStep === 'number' && prune.epochsPerStep > 0 ? prune.epochsPerStep : 1
}

const pretrained = ({ history, recipe }: RunRecord): number => {
  const pretrain = recipe?.pretrain as { epochs?: unknown } | undefined
  return history.epochs.at(-1)?.epoch ?? (typeof pretrain?.epochs === 'number' ? pretrain.epochs : 0)
}

const pointsOf = (run: RunRecord, several: boolean, most: number): Point[] => {
  const { epochs, steps } = run.history
  const before = pretrained(run)
  const each = epochsPerStep(run)
  const common = (branch: string) => ({ run: run.name, branch, series: seriesOf(run, branch, several) })
  const last = epochs.at(-1)
  const branches = [...new Set(steps.map(({ branch }) => branch))]
  return [
    ...thin(epochs, most).map(({ epoch, loss, accuracy }) => ({
      ...common(PRETRAINING),
      ...{ epoch, loss, accuracy },
    })),
    ...branches.flatMap((branch) => {
      const tuned = thin(
        steps.filter((step) => step.branch === branch && step.loss !== undefined),
        most,
      )
      // Lines of fine-tuning begin where pre-training ended.
      const start = last && { ...common(branch), epoch: before, loss: last.loss, accuracy: last.accuracy }
      return tuned.length === 0
        ? []
        : [
            ...(start ? [start] : []),
            ...tuned.map(({ step, loss = 0, accuracy = 0 }) => ({
              ...common(branch),
              ...{ epoch: before + step * each, loss, accuracy },
            })),
          ]
    }),
  ]
}

const thin = <Item>(items: readonly Item[], most: number): readonly Item[] => {
  const stride = Math.ceil(items.length / most)
  return items.filter((_, index) => index % stride === 0 || index === items.length - 1)
}

/** Where a network was evaluated: after pre-training, or after the step whose sparsity it has. */
const evaluatedOf = (run: RunRecord, several: boolean): Evaluated[] => {
  const before = pretrained(run)
  return run.rows.flatMap((row) => {
    const step =
      row.branch === 'dense'
        ? 0
        : run.history.steps.find(
            ({ branch, sparsity }) => branch === row.branch && Math.abs(sparsity - row.sparsity) < 1e-9,
          )?.step
    if (step === undefined) return []
    const branch = row.branch === 'dense' ? PRETRAINING : row.branch
    const { measure, proportion } = robustness(row)
    return (
      [
        ['benign', row.accuracy],
        [measure, proportion],
      ] as const
    ).map(([name, { value, low, high }]) => ({
      ...{ run: run.name, branch, series: seriesOf(run, branch, several) },
      ...{ epoch: before + step * epochsPerStep(run), measure: name, value, low, high },
    }))
  })
}

const trainingSpec = (
  points: readonly Point[],
  evaluated: readonly Evaluated[],
  several: boolean,
  { width, narrow }: Space,
): TopLevelSpec => {
  const series = [...new Set([...points, ...evaluated].map((point) => point.series))]
  const range = several
    ? seriesColours(series.length)
    : branchColours(series.map((name) => (name === PRETRAINING ? 'dense' : name)))
  const color = {
    field: 'series',
    type: 'nominal',
    title: null,
    scale: { domain: series, range },
    // One line needs no key.
    legend: series.length === 1 ? null : { orient: 'top', columns: narrow ? 2 : 4, symbolType: 'stroke' },
  }
  const x = {
    field: 'epoch',
    type: 'quantitative',
    title: 'epoch',
    scale: { zero: true, nice: false },
    axis: { tickMinStep: 1, tickCount: narrow ? 5 : 10, grid: false, format: 'd' },
  }
  const longest = Math.max(...series.map((name) => points.filter((point) => point.series === name).length))
  const line = (field: string, title: string, axis: object) => ({
    mark: { type: 'line', strokeWidth: 2, point: longest <= 2 ? { size: 50 } : false },
    encoding: {
      x,
      y: { field, type: 'quantitative', title, axis: { tickCount: 5, ...axis } },
      color,
      detail: [{ field: 'run' }, { field: 'branch' }],
      ...(several && {
        strokeDash: {
          condition: { test: `datum.branch !== '${PRETRAINING}'`, value: [4, 3] },
          value: [1, 0],
        },
      }),
    },
  })
  return {
    $schema: VEGA_LITE,
    vconcat: [
      {
        width,
        height: narrow ? 130 : 150,
        data: { values: [...points] },
        ...line('loss', 'loss', { format: '~g' }),
      },
      {
        width,
        height: narrow ? 180 : 210,
        layer: [
          { data: { values: [...points] }, ...line('accuracy', 'accuracy, %', {}) },
          ...(evaluated.length === 0
            ? []
            : [
                {
                  data: { values: [...evaluated] },
                  mark: { type: 'rule', strokeWidth: 1.5 },
                  encoding: {
                    x,
                    y: { field: 'low', type: 'quantitative' },
                    y2: { field: 'high' },
                    color,
                  },
                },
                {
                  data: { values: [...evaluated] },
                  mark: {
                    type: 'point',
                    filled: true,
                    size: 80,
                    opacity: 1,
                    stroke: colour('paper'),
                    strokeWidth: 1,
                  },
                  encoding: {
                    x,
                    y: { field: 'value', type: 'quantitative' },
                    color,
                    shape: {
                      condition: { test: "datum.measure === 'benign'", value: 'circle' },
                      value: 'diamond',
                    },
                  },
                },
              ]),
        ],
      },
    ],
    spacing: 24,
  } as unknown as TopLevelSpec
}
