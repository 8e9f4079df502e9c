/** From finished runs to cells beside the paper's. What is not finished yet is said, and takes nothing from the others. */
import { existsSync } from 'node:fs'
import { relative } from 'node:path'
import { proportion } from '../base/wilson.js'
import { type GridFolder, runFolder } from '../grids/index.js'
import type { Figure, ReproducedCell, Reproduction } from '../papers/reproduction.js'
import { type RunResult, readResult } from '../runs/result.js'
import { resultPath } from '../runs/run.js'
import { conflictsOf } from './analyses.js'
import type { Cell, Found, Measure, Setting } from './experiment.js'
import type { ExperimentPlan } from './plan.js'
import { judged } from './verdict.js'

/** The cells of all experiments of a plan, as far as their runs are done. */
export async function gather(
  plan: ExperimentPlan,
  grid: Pick<GridFolder, 'folder'>,
  { scale, readings, changes }: Setting,
): Promise<Reproduction[]> {
  const results = await resultsOf(plan, grid)
  const conflicts = await conflictsOf(plan, grid)
  /** With each seed, and of all together. */
  const figureOf = (measure: Measure): { figure?: Figure; seeds: number[] } => {
    const each = plan.seeds.flatMap((seed) => {
      const found = measure.sources.map((source): Found | undefined => {
        const result = results.get(plan.runOf(source, seed).task.name)
        const row = result?.rows.find(({ name }) => name === source.row)
        const conflict = source.conflict ? conflicts.get(plan.runOf(source, seed).task.name) : undefined
        return result && row && { result, row, ...(conflict && { conflict }) }
      })
      const complete = found.filter((one) => one !== undefined)
      const figure = complete.length === found.length ? measure.of(complete) : undefined
      return figure === undefined ? [] : [{ seed, figure }]
    })
    const figure = together(each.map((one) => one.figure))
    return { ...(figure && { figure }), seeds: each.map(({ seed }) => seed) }
  }
  const reproduced = (cell: Cell): Parameters<typeof judged>[0][number] => {
    const { measure, dense, row, column, paper, rivals } = cell
    const { figure, seeds } = figureOf(measure)
    const runs = measure.sources.flatMap((source) =>
      seeds.map((seed) => relative(grid.folder, runFolder(grid, plan.runOf(source, seed).task.name))),
    )
    const whole = dense && figureOf(dense.measure).figure
    return {
      ...{ row, column, seeds, runs: [...new Set(runs)], good: measure.good },
      ...(figure && { ours: figure }),
      ...(paper !== undefined && { paper }),
      ...(dense && whole && { dense: { ours: whole, paper: dense.paper } }),
      ...(rivals !== undefined && { rivals: [row.join(), rivals].join() }),
    }
  }
  return plan.experiments.map(({ experiment, cells: planned }): Reproduction => {
    const { name, title, where, head, findings } = experiment
    const cells: readonly ReproducedCell[] = judged(planned.map(reproduced), scale.full)
    const done = cells.every(({ ours }) => ours !== undefined)
    const said = done ? (findings?.(cells) ?? []) : []
    return { name, title, where, scale: scale.name, readings, changes, head, cells, findings: said }
  })
}

const resultsOf = async (
  { runs }: ExperimentPlan,
  grid: Pick<GridFolder, 'folder'>,
): Promise<Map<string, RunResult>> => {
  const results = new Map<string, RunResult>()
  for (const { task } of runs) {
    const path = resultPath(runFolder(grid, task.name))
    if (existsSync(path)) results.set(task.name, await readResult(path))
  }
  return results
}

/** One figure of those of several seeds: of proportions that of all images, else the mean; with the spread. */
const together = (figures: readonly Figure[]): Figure | undefined => {
  const [first] = figures
  if (first === undefined || figures.length === 1) return first
  const mean = figures.reduce((sum, { value }) => sum + value, 0) / figures.length
  const squares = figures.reduce((sum, { value }) => sum + (value - mean) ** 2, 0)
  const spread = Math.sqrt(squares / (figures.length - 1))
  const { n, by } = first
  const shared = { value: mean, n, spread, ...(by !== undefined && { by }) }
  if (first.low === undefined) return shared
  const successes = figures.reduce((sum, { value }) => sum + Math.round((value * n) / 100), 0)
  const { low, high } = proportion(successes, n * figures.length)
  return { ...shared, low, high }
}
