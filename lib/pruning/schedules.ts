/** How sparsity grows over the pruning steps: one formula per schedule. */
import { invalid } from '../base/errors.js'
import { didYouMean } from '../base/numbers.js'

export const pruneScheduleNames = ['linear', 'cubic', 'geometric', 'oneShot'] as const

/**
 * - `linear`: equal steps
 * - `cubic`: large steps first, target · (1 − (1 − progress)³) (Zhu and Gupta, 2017)
 * - `geometric`: each step keeps the same fraction of what the last one left
 * - `oneShot`: all at the first step
 */
export type PruneSchedule = (typeof pruneScheduleNames)[number]

/** Sparsity after the fraction `progress` in (0, 1) of the steps. */
const formulas: Record<PruneSchedule, (target: number, progress: number) => number> = {
  linear: (target, progress) => target * progress,
  cubic: (target, progress) => target * (1 - (1 - progress) ** 3),
  geometric: (target, progress) => 1 - (1 - target) ** progress,
  oneShot: (target) => target,
}

/**
 * Sparsity to reach at `step` of `steps` (counted from 1) on the way to `target`; the last step gives `target` exactly.
 *
 * @throws CoppiceError for a target outside [0, 1), or a step outside 1 … steps.
 */
export const sparsityAt = (schedule: PruneSchedule, target: number, step: number, steps: number): number => {
  if (!(target >= 0 && target < 1))
    throw invalid(`sparsity must be at least 0 and below 1, received ${target}`)
  if (!(Number.isInteger(steps) && steps >= 1)) {
    throw invalid(`the number of pruning steps must be a whole number of at least 1, received ${steps}`)
  }
  if (!(Number.isInteger(step) && step >= 1 && step <= steps)) {
    throw invalid(`the pruning step must be a whole number from 1 to ${steps}, received ${step}`)
  }
  const formula = formulas[schedule]
  if (formula === undefined) {
    const known = pruneScheduleNames.join(', ')
    throw invalid(
      `unknown schedule "${schedule}"; known are ${known}${didYouMean(String(schedule), pruneScheduleNames)}`,
    )
  }
  return step === steps ? target : formula(target, step / steps)
}
