/** The sparsity of each pruning step: a schedule, moved slightly so that it meets every milestone exactly. */
import { invalid } from '../base/errors.js'
import { type PruneSchedule, sparsityAt } from '../pruning/schedules.js'

export interface PlannedStep {
  sparsity: number
  /** Whether this step is one of the milestones, or the target itself. */
  milestone: boolean
}

/**
 * Steps 1 … `steps` up to `target`. For each milestone, the step whose sparsity is nearest takes the milestone's.
 *
 * @throws CoppiceError for milestones that lie beyond the target, or more of them than steps
 */
export const planSteps = (
  schedule: PruneSchedule,
  target: number,
  steps: number,
  milestones: readonly number[] = [],
): PlannedStep[] => {
  const planned = Array.from({ length: steps }, (_, index) => ({
    sparsity: sparsityAt(schedule, target, index + 1, steps),
    milestone: index === steps - 1,
  }))
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
  let first = 0
  before.forEach((milestone, index) => {
    const last = steps - 1 - (before.length - index)
    const place = nearestStep(planned, milestone, first, last)
    planned[place] = { sparsity: milestone, milestone: true }
    first = place + 1
  })
  return monotone(planned)
}

const nearestStep = (planned: readonly PlannedStep[], to: number, first: number, last: number): number => {
  const distance = (index: number) => Math.abs((planned[index]?.sparsity ?? 0) - to)
  let best = first
  for (let index = first; index <= last; index++) if (distance(index) < distance(best)) best = index
  return best
}

/** Steps next to a milestone must not overtake it. */
const monotone = (planned: readonly PlannedStep[]): PlannedStep[] => {
  let limit = 1
  const capped = planned.toReversed().map((step) => {
    const sparsity = Math.min(step.sparsity, limit)
    if (step.milestone) limit = step.sparsity
    return { ...step, sparsity }
  })
  let floor = 0
  return capped.toReversed().map((step) => {
    floor = Math.max(floor, step.sparsity)
    return { ...step, sparsity: floor }
  })
}
