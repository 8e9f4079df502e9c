/** How far a run is, and how long it still takes, from its recipe and the events of its log. */
import { trainingWork } from '../../compression/work.js'
import type { Objective } from '../../objectives/index.js'
import { parseRecipe, type Recipe } from '../../recipes/recipe.js'
import { branchesOf, type ResolvedRecipe } from '../../recipes/resolve.js'
import type { History } from '../material/history.js'
import type { RunRecord } from '../material/record.js'

export interface Progress {
  /** Part of the training that is done. */
  fraction: number
  /** Seconds; undefined until two points in time are known. */
  left?: number | undefined
}

/** Points in time that the pace is taken from. */
const RECENT = 12

/** Undefined where the recipe does not tell how much there is to do. */
export const progressOf = ({ recipe, state, history }: RunRecord): Progress | undefined => {
  if (state === 'finished') return { fraction: 1 }
  const plan = planOf(recipe)
  if (plan === undefined) return undefined
  const done = doneBy(plan, history)
  const last = done.at(-1)
  if (last === undefined) return { fraction: 0 }
  const first = done[Math.max(0, done.length - RECENT)] ?? last
  const pace = (last.work - first.work) / (last.time - first.time)
  const left = (plan.total - last.work) / pace
  return {
    fraction: Math.min(1, last.work / plan.total),
    ...(state === 'running' && Number.isFinite(left) && left >= 0 && { left }),
  }
}

interface WorkPlan {
  epoch: number
  /** Work of a step of each branch. */
  steps: ReadonlyMap<string, number>
  total: number
}

const planOf = (written: RunRecord['recipe']): WorkPlan | undefined => {
  let recipe: Recipe
  try {
    recipe = parseRecipe(written)
  } catch {
    return undefined
  }
  const { pretrain, prune } = recipe
  const { objective, epochs } = pretrain
  if (objective === undefined || epochs === undefined) return undefined
  const epoch = trainingWork(objective)
  const perStep = (tuned: Objective | undefined) =>
    tuned === undefined || prune === undefined ? 0 : prune.epochsPerStep * trainingWork(tuned)
  // The recipe of a run has nothing left to default.
  const branches = prune === undefined ? [] : branchesOf(recipe as ResolvedRecipe)
  const steps = new Map(branches.map(({ name, objective: tuned }) => [name, perStep(tuned)]))
  const tuning = [...steps.values()].reduce((sum, work) => sum + work * (prune?.steps ?? 0), 0)
  const total = epochs * epoch + tuning
  return total > 0 ? { epoch, steps, total } : undefined
}

const doneBy = (plan: WorkPlan, { epochs, steps }: History): { time: number; work: number }[] => {
  const before = (epochs.at(-1)?.epoch ?? 0) * plan.epoch
  const furthest = new Map<string, number>()
  const points = [
    ...epochs.map(({ epoch, time }) => ({ time, work: epoch * plan.epoch })),
    ...steps.map(({ branch, step, time }) => {
      furthest.set(branch, Math.max(step, furthest.get(branch) ?? 0))
      const tuned = [...furthest].reduce((sum, [name, count]) => sum + count * (plan.steps.get(name) ?? 0), 0)
      return { time, work: before + tuned }
    }),
  ]
  return points.flatMap(({ time, work }) => {
    const at = time === undefined ? Number.NaN : Date.parse(time) / 1000
    return Number.isFinite(at) ? [{ time: at, work }] : []
  })
}
