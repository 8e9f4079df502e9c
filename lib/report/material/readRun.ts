/** Reads a run directory as it is: of another version, unfinished or damaged, the rest is read and the fault is named. */
import { existsSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import { version } from '../../base/version.js'
import { LONGEST_RECIPE, readJson } from '../../files/json.js'
import { lockHolder } from '../../files/lock.js'
import { type LayerWeights, readLayerWeights } from '../../models/layerWeights.js'
import { parseRecipe } from '../../recipes/recipe.js'
import {
  type OutcomeFile,
  type ResultRow,
  type RunResult,
  readOutcomes,
  readResult,
} from '../../runs/result.js'
import { checkpointPath, metricsPath, outcomesPath, readRunEnvironment, resultPath } from '../../runs/run.js'
import { readTail, START } from '../../runs/tail.js'
import { emptyHistory, type History, HistoryReader } from './history.js'
import type { RunRecord } from './record.js'

/** Whether a folder holds a run, or at least the result of one. */
export const holdsRun = (path: string): boolean =>
  existsSync(join(path, 'recipe.json')) || existsSync(resultPath(path))

/** What a run says of itself besides its log and its networks. */
export interface RunFiles
  extends Pick<RunRecord, 'path' | 'name' | 'state' | 'recipe' | 'environment' | 'result'> {
  faults: string[]
}

/** Everything but the anchor, which is given out when all runs are known. Never throws for what a file holds. */
export async function readRun(path: string): Promise<Omit<RunRecord, 'id'>> {
  const { faults, ...files } = await readRunFiles(path)
  const tried = attempts(faults)
  const history = existsSync(metricsPath(path)) ? await tried(() => readHistory(path)) : undefined
  const rows = distinct(files.result?.rows ?? history?.rows ?? [])
  const outcomes = new Map<string, OutcomeFile>()
  const layers = new Map<string, readonly LayerWeights[]>()
  for (const { name } of rows) {
    const file = outcomesPath(path, name)
    if (existsSync(file)) {
      const read = await tried(() => readOutcomes(file))
      if (read !== undefined) outcomes.set(name, read)
    }
    const model = checkpointPath(path, name)
    if (existsSync(model)) {
      const read = await tried(() => readLayerWeights(model))
      if (read !== undefined) layers.set(name, read)
    }
  }
  return recordOf({ ...files, faults }, history ?? emptyHistory(), { rows, outcomes, layers })
}

/** A run from its parts. */
export const recordOf = (
  files: RunFiles,
  history: History,
  { rows, outcomes, layers }: Partial<Pick<RunRecord, 'rows' | 'outcomes' | 'layers'>> = {},
): Omit<RunRecord, 'id'> => ({
  ...files,
  ...{ history, rows: rows ?? distinct(files.result?.rows ?? history.rows) },
  ...{ outcomes: outcomes ?? new Map(), layers: layers ?? new Map() },
  faults: [...files.faults, ...oddities(files, history)],
})

/** Reads what is small and whole: recipe, environment, result, and whether a process works on the run. */
export async function readRunFiles(path: string): Promise<RunFiles> {
  const faults: string[] = []
  const tried = attempts(faults)
  const has = (file: string) => existsSync(join(path, file))
  const recipe = has('recipe.json') ? await tried(() => readRecipe(path, faults)) : undefined
  const environment = has('environment.json') ? await tried(() => readRunEnvironment(path)) : undefined
  const result = existsSync(resultPath(path)) ? await tried(() => readResult(resultPath(path))) : undefined
  const running = (await tried(() => lockHolder(join(path, 'lock')))) !== undefined
  const state = result !== undefined ? 'finished' : running ? 'running' : 'stopped'
  return { path, name: nameOf(path, result, recipe), state, recipe, environment, result, faults }
}

/** Tries something, and where it fails keeps the reason. */
const attempts =
  (faults: string[]) =>
  async <Value>(work: () => Promise<Value>): Promise<Value | undefined> => {
    try {
      return await work()
    } catch (error) {
      faults.push(sentence(error))
      return undefined
    }
  }

/** The log of a run from beginning to end. */
export const readHistory = async (path: string): Promise<History> => {
  const reader = new HistoryReader()
  await readTail(
    metricsPath(path),
    START,
    (event) => reader.event(event),
    (fault) => reader.fault(fault),
  )
  return reader.history
}

const readRecipe = async (path: string, faults: string[]): Promise<RunRecord['recipe']> => {
  const file = join(path, 'recipe.json')
  const value = await readJson(file, LONGEST_RECIPE)
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    faults.push(`${file} is no recipe`)
    return undefined
  }
  try {
    parseRecipe(value)
  } catch (error) {
    faults.push(`${file} is no recipe of this version: ${sentence(error)}`)
  }
  return value as Readonly<Record<string, unknown>>
}

const nameOf = (path: string, result: RunResult | undefined, recipe: RunRecord['recipe']): string => {
  const folder = basename(resolve(path))
  const own = result?.name ?? recipe?.name
  return folder !== '' ? folder : typeof own === 'string' ? own : path
}

/** Names of networks become names of files: one that would lead elsewhere is none. */
const distinct = (rows: readonly ResultRow[]): ResultRow[] => {
  const byName = new Map(rows.filter(({ name }) => basename(name) === name).map((row) => [row.name, row]))
  return [...byName.values()]
}

const oddities = ({ state, environment }: RunFiles, history: History): string[] => [
  ...(state === 'stopped' ? ['It is unfinished, and no process works on it; coppice resume goes on.'] : []),
  ...(environment !== undefined && environment.coppice !== version
    ? [`Coppice ${environment.coppice} wrote it; this is ${version}.`]
    : []),
  ...(history.faultCount > 0
    ? [
        `metrics.ndjson: ${history.faults.join('; ')}` +
          (history.faultCount > history.faults.length
            ? `; ${history.faultCount - history.faults.length} more lines are damaged.`
            : '.'),
      ]
    : []),
]

/** An error as one line of plain characters. */
export const sentence = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error))
    .replace(/[\p{Cc}\u2028\u2029]+/gu, ' ')
    .slice(0, 500)
