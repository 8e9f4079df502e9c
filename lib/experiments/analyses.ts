/**
 * What is looked at in networks that are there already: the conflict of their gradients. Done once for each network, here,
 * when its run is done, and kept in `analyses/` under the name of the run.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { CoppiceError } from '../base/errors.js'
import { makeFolder } from '../files/files.js'
import { writeJson } from '../files/json.js'
import { type GridFolder, runFolder } from '../grids/index.js'
import { readFileAs } from '../runs/parseFile.js'
import { checkpointPath, resultPath } from '../runs/run.js'
import { type Conflict, conflictOf, conflictSchema } from './conflict.js'
import type { ExperimentPlan, PlannedRun } from './plan.js'

type Folder = Pick<GridFolder, 'folder'>

const analysisPath = ({ folder }: Folder, run: string): string =>
  join(folder, 'analyses', `${run}.conflict.json`)

/** The runs of a plan whose networks are looked at. */
const runsToAnalyse = ({ experiments, seeds, runOf }: ExperimentPlan): PlannedRun[] => {
  const sources = experiments.flatMap(({ cells }) => cells.flatMap(({ measure }) => measure.sources))
  const wanted = sources.filter(({ conflict }) => conflict)
  return [...new Set(seeds.flatMap((seed) => wanted.map((source) => runOf(source, seed))))]
}

/** Looks at every network whose run is done and that was not looked at before. */
export async function analyse(
  plan: ExperimentPlan,
  grid: Folder,
  { signal }: { signal?: AbortSignal | undefined } = {},
): Promise<void> {
  for (const { task, resolved, seed, images } of runsToAnalyse(plan)) {
    const run = runFolder(grid, task.name)
    if (!existsSync(resultPath(run)) || (await readAnalysis(grid, task.name)) !== undefined) continue
    await makeFolder(join(grid.folder, 'analyses'))
    const { objective, batchSize } = resolved.pretrain
    const options = { device: images.device, objective, batchSize, seed, signal }
    const conflict = await conflictOf(checkpointPath(run, 'dense'), images, options)
    await writeJson(analysisPath(grid, task.name), conflict)
  }
}

/** What was found of them, by the names of the runs. */
export const conflictsOf = async (plan: ExperimentPlan, grid: Folder): Promise<Map<string, Conflict>> => {
  const found = new Map<string, Conflict>()
  for (const { task } of runsToAnalyse(plan)) {
    const conflict = await readAnalysis(grid, task.name)
    if (conflict !== undefined) found.set(task.name, conflict)
  }
  return found
}

/** What was found of a run's network; nothing where there is none, or a damaged one, which is found again. */
const readAnalysis = async (grid: Folder, run: string): Promise<Conflict | undefined> => {
  const path = analysisPath(grid, run)
  if (!existsSync(path)) return undefined
  try {
    return await readFileAs(path, conflictSchema)
  } catch (error) {
    if (error instanceof CoppiceError) return undefined
    throw error
  }
}
