/**
 * The folder of a grid: `grid.json` (the tasks), `runs/NAME` (ordinary run directories), `logs/NAME.log`, `states/NAME.json`
 * (what the latest attempt at a task came to), `results.*`. What stands there is all there is to know about a grid.
 */
import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { z } from 'zod'
import { CoppiceError } from '../base/errors.js'
import { canonicalJson, sameData } from '../base/json.js'
import { version } from '../base/version.js'
import { fileError, makeFolder } from '../files/files.js'
import { writeJson } from '../files/json.js'
import { type Recipe, recipeSchema } from '../recipes/recipe.js'
import { readFileAs } from '../runs/parseFile.js'
import { type Plan, requirePlan, type Task } from './plan.js'

/** A plan whose folder is there. */
export interface GridFolder extends Plan {
  /** Tells its jobs from those of other grids. */
  readonly id: string
}

const GRID = 'grid.json'

const taskSchema: z.ZodType<Task> = z.looseObject({
  name: z.string(),
  recipe: recipeSchema,
  pretrained: z.exactOptional(z.string()),
  point: z.exactOptional(z.record(z.string(), z.unknown())),
})

const gridSchema = z.looseObject({
  coppice: z.string(),
  id: z.string().regex(/^[0-9a-f]{8}$/, 'expected eight hexadecimal digits'),
  name: z.string(),
  tasks: z.array(taskSchema),
})

/** Whether a folder holds a grid. */
export const isGrid = (folder: string): boolean => existsSync(join(folder, GRID))

/** @throws CoppiceError `ERR_FILE` where the folder holds no grid, or a damaged one */
export async function readGrid(path: string): Promise<GridFolder> {
  const folder = resolve(path)
  if (!isGrid(folder)) {
    const what = existsSync(folder) ? `holds no grid: it has no ${GRID}` : 'does not exist'
    throw new CoppiceError('ERR_FILE', `${path} ${what}`)
  }
  const { id, name, tasks } = await readFileAs(join(folder, GRID), gridSchema)
  return { id, name, tasks, folder }
}

/**
 * Makes the folder of a plan, or opens it where it holds the same grid. A plan that has all tasks of the grid that is
 * there, and more, extends it. With `add` the tasks of the plan join those that are there, whatever they are; who plans
 * so vouches that tasks of the same name are the same run.
 *
 * @throws CoppiceError `ERR_FILE` where the folder holds anything else; nothing is overwritten
 */
export async function openGrid(plan: Plan, { add = false } = {}): Promise<GridFolder> {
  requirePlan(plan)
  const folder = resolve(plan.folder)
  // What JSON does not write, such as undefined, is no difference.
  const tasks = JSON.parse(JSON.stringify(plan.tasks)) as Task[]
  const { name } = plan
  if (!isGrid(folder)) {
    await requireEmpty(plan.folder)
    try {
      for (const inner of ['runs', 'logs', 'states', 'slurm']) await makeFolder(join(folder, inner))
    } catch (error) {
      throw fileError('cannot make the folder of the grid', plan.folder, error)
    }
    const grid = { id: randomBytes(4).toString('hex'), name, tasks, folder }
    await writeGrid(grid)
    return grid
  }
  const before = await readGrid(folder)
  if (!add) requireSame(plan.folder, before.tasks, tasks)
  const own = new Set(tasks.map((task) => task.name))
  const others = before.tasks.filter((task) => !own.has(task.name))
  const grid = { id: before.id, name, tasks: [...others, ...tasks], folder }
  if (!sameData(before, grid)) await writeGrid(grid)
  return grid
}

const writeGrid = ({ id, name, tasks, folder }: GridFolder): Promise<void> =>
  writeJson(join(folder, GRID), { coppice: version, id, name, tasks })

const requireEmpty = async (path: string): Promise<void> => {
  const names = await readdir(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return []
    throw fileError('cannot use the folder', path, error)
  })
  // What a creation that was killed half-way leaves behind.
  const foreign = names.find((name) => !/^(runs|logs|states|slurm|grid\.json\..*)$/.test(name))
  if (foreign === undefined) return
  throw new CoppiceError(
    'ERR_FILE',
    `${path} is not empty (it holds ${foreign}); choose another folder with -o`,
  )
}

/** Tasks may be added to a grid; those it has stay as they are. */
const requireSame = (folder: string, before: readonly Task[], now: readonly Task[]): void => {
  const refuse = (what: string) => {
    throw new CoppiceError(
      'ERR_FILE',
      `${folder} holds another grid: ${what}; choose another folder with -o, or put the grid back as it was`,
    )
  }
  const byName = new Map(now.map((task) => [task.name, task]))
  const missing = before.filter(({ name }) => !byName.has(name))
  const [gone] = missing
  if (gone !== undefined) {
    refuse(
      `${gone.name}${missing.length > 1 ? ` and ${missing.length - 1} more` : ''} of it are no tasks now`,
    )
  }
  for (const { name, recipe } of before) {
    const other = byName.get(name)?.recipe
    const place = other && differenceIn(recipe, plain(other))
    if (place !== undefined) refuse(`${place} of ${name} is another there`)
  }
}

const plain = (recipe: Recipe): unknown => JSON.parse(JSON.stringify(recipe))

/** The path of the first value that differs between two recipes. */
const differenceIn = (there: unknown, here: unknown, path = 'recipe'): string | undefined => {
  if (canonicalJson(there) === canonicalJson(here)) return undefined
  if (!isObject(there) || !isObject(here)) return path
  for (const key of new Set([...Object.keys(there), ...Object.keys(here)])) {
    const place = differenceIn(there[key] ?? null, here[key] ?? null, `${path}.${key}`)
    if (place !== undefined) return place
  }
  return undefined
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** The run directory of a task. */
export const runFolder = ({ folder }: Pick<Plan, 'folder'>, task: string): string =>
  join(folder, 'runs', task)

export const logFile = ({ folder }: Pick<Plan, 'folder'>, task: string): string =>
  join(folder, 'logs', `${task}.log`)

export const stateFile = ({ folder }: Pick<Plan, 'folder'>, task: string): string =>
  join(folder, 'states', `${task}.json`)

/** Where the scheduler's own files lie: the script, what its arrays hold, their logs. */
export const slurmFolder = ({ folder }: Pick<Plan, 'folder'>): string => join(folder, 'slurm')
