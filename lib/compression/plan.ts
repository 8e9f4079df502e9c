/** The sparsity of each pruning step: a schedule, moved slightly so that it meets every milestone exactly. */
import { invalid } from '../base/errors.js'
import { type PruneSchedule, sparsityAt } from '../pruning/schedules.js'

export interface PlannedStep {
  sparsity: number
  /** Whether this step is one of the milestones, or the target itself. */
  milestone: boolean
}

/** Steps are computed as they are asked for, so that a plan takes no more memory for many of them. */
export interface PrunePlan {
  /** What step 1 … `steps` aims at. */
  at(step: number): PlannedStep
  /** The steps that are milestones, in order, and their sparsities; the target is the last. */
  milestones: readonly { step: number; sparsity: number }[]
}

/**
 * Steps 1 … `steps` up to `target`. For each milestone, the step whose sparsity is nearest takes the milestone's; steps
 * next to it do not overtake it.
 *
 * @throws CoppiceError for milestones that lie beyond the target, or more of them than steps
 */
export const planSteps = (
  schedule: PruneSchedule,
  target: number,
  steps: number,
  milestones: readonly number[] = [],
): PrunePlan => {
  const scheduled = (step: number) => sparsityAt(schedule, target, step, steps)
  const end = { step: steps, sparsity: scheduled(steps) }
  const wanted = [...new Set(milestones)].sort((a, b) => a - b)
  const beyond = wanted.find((milestone) => !(milestone > 0 && milestone <= target))
  if (beyond !== undefined) {
    throw invalid(`milestones: ${beyond} does not lie between 0 and the target sparsity ${target}`)
  }
  const before = wanted.filter((milestone) => milestone < target)
  if (before.length >= steps) {
    throw invalid(`milestones: ${before.length} before the target need at least ${before.length + 1} steps`)
  }
  if (before.length > 0 && schedule === 'oneShot') {
    throw invalid('milestones: the schedule oneShot has none before its target; choose another schedule')
  }
  let first = 1
  const placed = before.map((sparsity, index) => {
    const step = nearestStep(scheduled, sparsity, first, steps - (before.length - index))
    first = step + 1
    return { step, sparsity }
  })
  const all = [...placed, end]
  return {
    milestones: all,
    at: (step) => {
      const next = all.find((milestone) => milestone.step >= step) ?? end
      if (next.step === step) return { sparsity: next.sparsity, milestone: true }
      const last = all.findLast((milestone) => milestone.step < step)
      const sparsity = Math.max(last?.sparsity ?? 0, Math.min(scheduled(step), next.sparsity))
      return { sparsity, milestone: false }
    },
  }
}

/** The step from `first` to `last` whose sparsity is nearest, of equals the first. Sparsity never falls from step to step. */
const nearestStep = (
  scheduled: (step: number) => number,
  to: number,
  first: number,
  last: number,
): number => {
  const above = firstWhere((step) => scheduled(step) >= to, first, last)
  if (above === first) return first
  const below = scheduled(above - 1)
  if (above <= last && scheduled(above) - to < to - below) return above
  return firstWhere((step) => scheduled(step) >= below, first, last)
}

/** The first step from `first` to `last` for which `holds`, which goes on to hold; one behind the last where there is none. */
const firstWhere = (holds: (step: number) => boolean, first: number, last: number): number => {
  let [low, high] = [first, last + 1]
  while (low < high) {
    const middle = Math.floor((low + high) / 2)
    if (holds(middle)) high = middle
    else low = middle + 1
  }
  return low
}
