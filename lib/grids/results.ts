/** The results of a grid's tasks, as far as they are done. */
import { existsSync } from 'node:fs'
import { type RunResult, readResult } from '../runs/result.js'
import { resultPath } from '../runs/run.js'
import { type GridFolder, runFolder } from './folder.js'

export interface TaskResult {
  readonly name: string
  /** What tells the task from others: values by paths of the recipe. */
  readonly point: Readonly<Record<string, unknown>>
  /** Its run directory. */
  readonly run: string
  readonly result: RunResult
}

/** The results there are, in the order of the tasks; pre-training that only serves others is none. */
export async function resultsOf(grid: GridFolder): Promise<TaskResult[]> {
  const results: TaskResult[] = []
  for (const { name, point } of grid.tasks) {
    const run = runFolder(grid, name)
    if (point === undefined || !existsSync(resultPath(run))) continue
    results.push({ name, point, run, result: await readResult(resultPath(run)) })
  }
  return results
}
