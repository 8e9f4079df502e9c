/** Training that goes nowhere, said in one sentence with what to do about it: divergence, collapse, too long a ramp. */

import { CoppiceError } from '../base/errors.js'
import { formatPixels } from '../base/numbers.js'
import type { EpochResult, TrainCursor, TrainHooks, TrainingPlan } from './plan.js'
import { rampFactor } from './schedules.js'

/** The native loop stops at a loss that is not finite, without knowing of epochs and optimisers. */
export const explainDivergence = (error: unknown, { epoch }: TrainCursor, plan: TrainingPlan): unknown => {
  if (!(error instanceof CoppiceError) || error.code !== 'ERR_DIVERGED') return error
  const { rampEpochs, phase } = plan
  const robust =
    plan.objective.kind === 'natural' || phase === 'fineTune'
      ? ''
      : `${rampEpochs === 0 ? 'set rampEpochs' : `raise rampEpochs from ${brief(rampEpochs)}`} so that ε grows slowly, `
  return new CoppiceError(
    'ERR_DIVERGED',
    `training diverged in epoch ${epoch + 1}: the loss is no longer finite (learning rate ${plan.learningRate}, ` +
      `${plan.optimiser.kind}); lower learningRate, ${robust}or use adam for networks without batch norm`,
    { cause: error },
  )
}

/** Whether an epoch was no better than guessing: accuracy within 3 standard deviations of it, loss about ln(classes). */
export const isGuessing = (epoch: EpochResult, samples: number, classes: number): boolean => {
  const chance = 1 / classes
  const slack = 3 * Math.sqrt((chance * (1 - chance)) / samples)
  return epoch.accuracy / 100 <= chance + slack && epoch.loss >= 0.98 * Math.log(classes)
}

/** A ramp longer than the phase trains for a smaller ε than the objective names. */
export const tellLongRamp = (
  { objective, rampEpochs, epochs }: TrainingPlan,
  { onWarning }: TrainHooks,
): void => {
  if (objective.kind === 'natural' || rampEpochs <= epochs) return
  onWarning?.(`rampEpochs is ${rampEpochs} and there are ${epochs} epochs: ε never reaches its full size`)
}

export const tellChance = (
  cursor: TrainCursor,
  collapsed: boolean,
  plan: TrainingPlan,
  hooks: TrainHooks,
): void => {
  const done = cursor.epoch + 1
  // Robust training often needs a few epochs to get off the ground: patience before the first success.
  const patience = Math.min(plan.epochs, Math.ceil(Math.max(3, plan.epochs / 3, plan.rampEpochs + 1)))
  if (!collapsed && (cursor.aboveChance || done !== patience)) return
  const what = collapsed ? `training collapsed to chance in epoch ${done}` : 'training is still at chance'
  const { epochs, learningRate, optimiser } = plan
  hooks.onWarning?.(
    `${what} (of ${epochs}, learning rate ${learningRate}, ${optimiser.kind}${rampState(plan, done)}): ` +
      `try ${chanceAdvice(plan, collapsed)}`,
  )
}

/** How far ε had come at the end of an epoch, for objectives that have one. */
const rampState = ({ objective, rampEpochs, phase }: TrainingPlan, done: number): string => {
  if (objective.kind === 'natural' || phase === 'fineTune') return ''
  const { epsilon } = objective
  const ramp = rampFactor(rampEpochs, done, 0, 1)
  const how = rampEpochs === 0 ? 'without a ramp' : `after a ramp of ${brief(rampEpochs)} epochs`
  if (ramp === 1) return `, ε ${formatPixels(epsilon)} ${how}`
  return `, ε grown to ${brief(255 * ramp * epsilon)}/255 of ${formatPixels(epsilon)}`
}

const chanceAdvice = ({ objective, rampEpochs, epochs, phase }: TrainingPlan, collapsed: boolean): string => {
  const others = 'a lower learning rate or another optimiser'
  if (phase === 'fineTune') return 'a lower learning rate, more pruning steps or less sparsity'
  if (objective.kind === 'natural') return others
  const longer = Math.ceil(Math.max(2 * rampEpochs, epochs / 3))
  // What had learned before ε grew was lost to the ramp.
  if (!collapsed) return `${others}, or a longer ramp (rampEpochs: ${longer})`
  const more = 3 * rampEpochs > epochs ? ' and more epochs' : ''
  return `a longer ramp (rampEpochs: ${longer})${more}, else ${others}`
}

/** A number with at most two decimals. */
const brief = (value: number): string => `${Number(value.toFixed(2))}`
