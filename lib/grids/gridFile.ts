/**
 * A grid as a file a person writes: a recipe, and a matrix of values for paths in it.
 *
 *     recipe: vgg16-adversarial.yaml        # or the recipe itself
 *     matrix:
 *       prune.sparsity: [0.9, 0.95, 0.99]
 *       seed: [1, 2, 3]
 *     exclude: [{ prune.sparsity: 0.99, seed: 3 }]
 *     include: [{ prune.sparsity: 0.5 }]
 */
import { basename, dirname, extname, resolve } from 'node:path'
import { z } from 'zod'
import { CoppiceError, invalid } from '../base/errors.js'
import { hashOf, sameData } from '../base/json.js'
import { LIMITS } from '../base/limits.js'
import { didYouMean, show } from '../base/numbers.js'
import { listOf, parse, strict, textUpTo } from '../base/schemas.js'
import { parseRecipe, type Recipe } from '../recipes/recipe.js'
import { assignValue, readRecipeFile } from '../recipes/recipeFile.js'
import { withAbsolutePaths } from '../recipes/resolve.js'
import { labelsOf } from './names.js'
import { MOST_TASKS, type Task } from './plan.js'

type Plain = Record<string, unknown>
type Point = Readonly<Record<string, unknown>>

const pointSchema = z
  .record(z.string(), z.unknown(), {
    error: (issue) => `expected paths and values, received ${show(issue.input)}`,
  })
  .refine((point) => Object.keys(point).length > 0, { error: 'has no path of the recipe' })

const axisSchema = listOf(z.unknown(), 'expected a list of values').refine((values) => values.length > 0, {
  error: 'needs at least one value',
})

const gridSchema = strict({
  /** What the grid is called; default: the name of the file. */
  name: textUpTo(LIMITS.name, 'a name').optional(),
  /** What all tasks have in common: a recipe file, its path relative to this file, or a recipe. */
  recipe: z.union([z.string(), z.record(z.string(), z.unknown())], {
    error: (issue) => `expected a recipe, or the path of one, received ${show(issue.input)}`,
  }),
  /** Values for paths of the recipe; every combination is a task. */
  matrix: z
    .record(z.string(), axisSchema, {
      error: (issue) => `expected paths with lists of values, received ${show(issue.input)}`,
    })
    .default({}),
  /** Combinations that are none: those that have all values of one of these. */
  exclude: listOf(pointSchema, 'expected a list').default([]),
  /** Tasks besides: the recipe with these values. */
  include: listOf(pointSchema, 'expected a list').default([]),
})

/** A grid file as it was read. */
export interface GridFile {
  readonly name: string
  /** One for each combination; nothing is shared yet. */
  readonly tasks: Task[]
}

/**
 * Reads a grid from YAML or JSON. `change` is applied to the recipe before the values of the matrix are.
 *
 * @throws CoppiceError `ERR_FILE` where a file is missing or not YAML or JSON; else a message that names the place
 */
export async function readGridFile(
  path: string,
  change: (recipe: Plain) => Plain = (recipe) => recipe,
): Promise<GridFile> {
  const written = await readRecipeFile(path)
  if (written.recipe === undefined && written.network !== undefined) {
    throw invalid(`${path} is a recipe; a grid has it as \`recipe\`, and a \`matrix\` of values`)
  }
  const {
    name = basename(path, extname(path)),
    recipe,
    matrix,
    exclude,
    include,
  } = parse(gridSchema, withoutNulls(written), path)
  const base = change(
    typeof recipe === 'string' ? await readRecipeFile(resolve(dirname(path), recipe)) : recipe,
  )
  const points = [...combinations(path, matrix, exclude), ...include]
  if (points.length === 0) throw invalid(`${path}: every combination is excluded`)
  return { name, tasks: tasksOf(path, base, points) }
}

/** A section that is empty in YAML is not there. */
const withoutNulls = (written: Plain): Plain =>
  Object.fromEntries(Object.entries(written).filter(([, value]) => value !== null))

/** Every combination of the axes' values, the last axis changing first, without those that are excluded. */
const combinations = (
  path: string,
  matrix: Readonly<Record<string, readonly unknown[]>>,
  exclude: readonly Point[],
): Point[] => {
  const axes = Object.entries(matrix)
  const total = axes.reduce((product, [, values]) => product * values.length, 1)
  if (total > MOST_TASKS) {
    throw invalid(`${path}: the matrix has ${total} combinations; at most ${MOST_TASKS} are allowed`)
  }
  if (axes.length === 0 && exclude.length > 0) throw invalid(`${path}.exclude: there is no matrix`)
  let points: Point[] = axes.length === 0 ? [] : [{}]
  for (const [axis, values] of axes) {
    points = points.flatMap((point) => values.map((value) => ({ ...point, [axis]: value })))
  }
  const excluded = new Set<Point>()
  for (const [index, hole] of exclude.entries()) {
    const what = `${path}.exclude[${index}]`
    for (const axis of Object.keys(hole)) {
      if (!Object.hasOwn(matrix, axis)) {
        throw invalid(
          `${what}: ${show(axis)} is no axis of the matrix${didYouMean(axis, Object.keys(matrix))}`,
        )
      }
    }
    const hit = points.filter((point) =>
      Object.entries(hole).every(([axis, value]) => sameData(point[axis], value)),
    )
    if (hit.length === 0) throw invalid(`${what}: no combination has these values`)
    for (const point of hit) excluded.add(point)
  }
  return points.filter((point) => !excluded.has(point))
}

const tasksOf = (path: string, base: Plain, points: readonly Point[]): Task[] => {
  const names = new Set<string>()
  const recipes = new Map<string, string>()
  return points.map((point) => {
    const name = freeName(labelsOf(point).join(','), names)
    const recipe = recipeAt(path, base, point, name)
    const { name: _, ...content } = recipe
    const twin = recipes.get(hashOf(content))
    if (twin !== undefined) throw invalid(`${path}: ${name} is the same recipe as ${twin}`)
    recipes.set(hashOf(content), name)
    return { name, recipe, point }
  })
}

const recipeAt = (path: string, base: Plain, point: Point, name: string): Recipe => {
  const written = Object.entries(point).reduce(
    (recipe, [place, value]) => assignValue(recipe, place, value, `${path}: ${place}`),
    base,
  )
  try {
    return withAbsolutePaths(parseRecipe({ ...written, name }))
  } catch (error) {
    if (!(error instanceof CoppiceError)) throw error
    throw new CoppiceError(error.code, `${path}, ${name}: ${error.message}`, { cause: error })
  }
}

/** Names of folders are no longer than this. */
const LONGEST = 120

/** Values may look alike as words. */
const freeName = (label: string, names: Set<string>): string => {
  const plain = label.slice(0, LONGEST)
  let name = plain
  for (let count = 2; names.has(name); count++) name = `${plain},${count}`
  names.add(name)
  return name
}
