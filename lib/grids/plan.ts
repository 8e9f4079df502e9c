/**
 * A plan: tasks of one recipe each, in one folder. Whoever wants many runs (a grid file, an experiment) makes a plan and
 * hands it to `launch`; what becomes of it can be asked of the folder alone, by `status`, `follow` and `results`.
 */
import { invalid } from '../base/errors.js'
import { LIMITS } from '../base/limits.js'
import type { Recipe } from '../recipes/recipe.js'

/** One recipe, carried out in one run directory. */
export interface Task {
  /** Unlike all others of the plan; also the name of its run directory. */
  readonly name: string
  /** Its paths are absolute: it is carried out from anywhere. */
  readonly recipe: Recipe
  /** The task whose dense network it prunes, instead of training an equal one itself; it begins when that one is done. */
  readonly pretrained?: string
  /**
   * What tells it from others, as columns of the table of results: `{ seed: 1, 'prune.sparsity': 0.9 }`. None: the task
   * only serves others, and is no row of that table.
   */
  readonly point?: Readonly<Record<string, unknown>>
}

export interface Plan {
  /** What the grid is called. */
  readonly name: string
  /** Where everything of it goes. */
  readonly folder: string
  readonly tasks: readonly Task[]
}

/** Tasks that a plan may have. */
export const MOST_TASKS = 10_000

/** What a name of a task may be made of: it is a folder's, and is typed by people. */
const NAME = /^[A-Za-z0-9_=][A-Za-z0-9._=,:+-]*$/

/** @throws CoppiceError for a plan without tasks or with too many, for names, and for what is nobody's pre-training */
export const requirePlan = ({ name, tasks }: Plan): void => {
  if (tasks.length === 0) throw invalid(`${name}: the grid has no tasks`)
  if (tasks.length > MOST_TASKS) {
    throw invalid(`${name}: the grid has ${tasks.length} tasks; at most ${MOST_TASKS} are allowed`)
  }
  const byName = new Map<string, Task>()
  for (const task of tasks) {
    if (!NAME.test(task.name) || task.name.length > LIMITS.name)
      throw invalid(`${name}: ${JSON.stringify(task.name)} cannot be the name of a task`)
    if (byName.has(task.name)) throw invalid(`${name}: two tasks have the name ${task.name}`)
    byName.set(task.name, task)
  }
  for (const { name: dependent, pretrained } of tasks) {
    if (pretrained === undefined) continue
    const first = byName.get(pretrained)
    if (first === undefined) throw invalid(`${name}: ${dependent} waits for ${pretrained}, which is no task`)
    if (first.pretrained !== undefined)
      throw invalid(`${name}: ${dependent} waits for ${pretrained}, which itself trains no network`)
  }
}
