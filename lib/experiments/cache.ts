/**
 * The runs of a reproduction are its cache: a folder each, called by the hash of what determines the run. Before
 * anything starts they are looked through; what is damaged, or of another version, is set aside and computed again.
 */
import { existsSync } from 'node:fs'
import { mkdir, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { CoppiceError } from '../base/errors.js'
import { sameData } from '../base/json.js'
import { version } from '../base/version.js'
import { type GridFolder, isGrid, readGrid, runFolder, statusOf } from '../grids/index.js'
import { readModel } from '../models/modelFile.js'
import { readOutcomes, readResult } from '../runs/result.js'
import {
  checkpointPath,
  isRun,
  outcomesPath,
  readRunEnvironment,
  readRunRecipe,
  requireFree,
  resultPath,
} from '../runs/run.js'
import type { PlannedRun } from './plan.js'

/** What was set aside, and why. */
export interface SetAside {
  readonly run: string
  readonly reason: string
  /** Where it lies now. */
  readonly now: string
}

/** Looks through what there is of these runs, but for those that are under way. */
export async function setDamagedAside(
  grid: Pick<GridFolder, 'folder'>,
  runs: readonly PlannedRun[],
): Promise<SetAside[]> {
  if (!isGrid(grid.folder)) return []
  const { tasks } = await statusOf(await readGrid(grid.folder))
  const busy = new Set(
    tasks.flatMap(({ name, state }) => (state === 'running' || state === 'waiting' ? [name] : [])),
  )
  const found: SetAside[] = []
  for (const run of runs.filter(({ task }) => !busy.has(task.name))) {
    const path = runFolder(grid, run.task.name)
    if (!existsSync(path)) continue
    const reason = await damageOf(path, run)
    if (reason === undefined) continue
    const now = await freePlace(grid, run.task.name)
    await rename(path, now)
    found.push({ run: run.task.name, reason, now })
  }
  return found
}

const freePlace = async ({ folder }: Pick<GridFolder, 'folder'>, name: string): Promise<string> => {
  const above = join(folder, 'set-aside')
  await mkdir(above, { recursive: true })
  let path = join(above, name)
  for (let count = 2; existsSync(path); count++) path = join(above, `${name}~${count}`)
  return path
}

/** Why a run's folder cannot be used, in one line; nothing where it can. */
const damageOf = async (path: string, run: PlannedRun): Promise<string | undefined> => {
  try {
    if (!isRun(path)) {
      await requireFree(path)
      return undefined
    }
    await readRunRecipe(path)
    const { identity, coppice } = await readRunEnvironment(path)
    if (coppice !== version) return `version ${coppice} of Coppice computed it`
    if (identity !== run.identity) return 'it is the run of another recipe, or of other data'
    if (existsSync(resultPath(path))) await requireFinished(path, run)
    else await readIfThere(checkpointPath(path, 'latest'))
    return undefined
  } catch (error) {
    if (error instanceof CoppiceError) return error.message
    throw error
  }
}

/** Figures are held against the outcomes they stand on; a network that others prune is read with its checksums. */
const requireFinished = async (path: string, { task }: PlannedRun): Promise<void> => {
  const { rows } = await readResult(resultPath(path))
  for (const row of rows) {
    const outcomes = outcomesPath(path, row.name)
    if (sameData((await readOutcomes(outcomes)).row, row)) continue
    throw new CoppiceError('ERR_FILE', `${outcomes} has other figures than ${resultPath(path)}`)
  }
  if (task.pretrained === undefined) await readModel(checkpointPath(path, 'dense'))
}

const readIfThere = async (path: string): Promise<void> => {
  if (existsSync(path)) await readModel(path)
}
