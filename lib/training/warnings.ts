/** Training that goes nowhere, said in one sentence with what to do about it: divergence, collapse, too long a ramp. */
import { CoppiceError } from '../base/errors.js'
import { formatPixels } from '../base/numbers.js'
import { warn } from '../base/warnings.js'
import type { Dataset } from '../data/dataset.js'
import type { Network } from '../models/network.js'
import { defaultOptimiser, defaultRamp } from './defaults.js'
import { withOptimiser } from './optimiser.js'
import type { EpochResult, TrainCursor, TrainHooks, TrainingPlan } from './plan.js'
import { defaultSchedule, type LearningRateSchedule, rampPlace } from './schedules.js'

/** The native loop stops at a loss that is not finite, without knowing of epochs and optimisers. */
export const explainDivergence = (error: unknown, { epoch }: TrainCursor, plan: TrainingPlan): unknown => {
  if (!(error instanceof CoppiceError) || error.code !== 'ERR_DIVERGED') return error
  const { ramp, phase } = plan
  const { rampEpochs } = ramp
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
export const tellLongRamp = ({ objective, ramp, epochs }: TrainingPlan, { onWarning }: TrainHooks): void => {
  const { naturalEpochs, rampEpochs } = ramp
  if (objective.kind === 'natural' || naturalEpochs + rampEpochs <= epochs) return
  const natural = naturalEpochs === 0 ? '' : `after ${brief(naturalEpochs)} natural epochs `
  warn(
    `rampEpochs is ${brief(rampEpochs)} ${natural}and there are ${epochs} epochs: ε never reaches its full size`,
    'COPPICE_RAMP',
    onWarning,
  )
}

/** An epoch that was no better than guessing, the cursor still at its end, and how it came about. */
export interface Lost {
  network: Network
  dataset: Dataset
  plan: TrainingPlan
  cursor: TrainCursor
  /** Of an epoch. */
  steps: number
  /** Whether the epoch before was better. */
  collapsed: boolean
}

/** Before its first success training gets so many epochs and so many steps. */
const PATIENCE = { epochs: 3, steps: 100 }

export const tellChance = (lost: Lost, { onWarning }: TrainHooks): void => {
  const { plan, cursor, steps, collapsed } = lost
  const done = cursor.epoch + 1
  const patience = Math.min(plan.epochs, Math.max(PATIENCE.epochs, Math.ceil(PATIENCE.steps / steps)))
  if (!collapsed && (cursor.aboveChance || done !== patience)) return
  const { epochs, learningRate, optimiser } = plan
  const what = collapsed
    ? `training collapsed to chance in epoch ${done} of ${epochs}`
    : `after ${done} of ${epochs} epochs training is still at chance`
  warn(
    `${what} (learning rate ${learningRate}, ${optimiser.kind}${rampState(plan, done)}): try ${remedy(lost)}`,
    'COPPICE_CHANCE',
    onWarning,
  )
}

/** How far ε had come at the end of an epoch, for objectives that have one. */
const rampState = ({ objective, ramp, epochs, phase }: TrainingPlan, done: number): string => {
  if (objective.kind === 'natural' || phase === 'fineTune') return ''
  const { epsilon } = objective
  const place = rampPlace(ramp, done, epochs, 0, 1)
  if (place.natural) return ', ε not growing yet'
  const how = ramp.rampEpochs === 0 ? 'without a ramp' : `after a ramp of ${brief(ramp.rampEpochs)} epochs`
  if (place.epsilon === 1) return `, ε ${formatPixels(epsilon)} ${how}`
  return `, ε grown to ${brief(255 * place.epsilon * epsilon)}/255 of ${formatPixels(epsilon)}`
}

/** The defaults are known to start, so that what differs from them comes first. */
const remedy = (lost: Lost): string => {
  const { plan } = lost
  if (plan.phase === 'fineTune') return 'a lower learning rate, more pruning steps or less sparsity'
  const differences = fromDefaults(lost)
  const robust = plan.objective.kind !== 'natural'
  if (differences.length > 0) {
    return `the default ${differences.join(', ')}${robust ? '; else a smaller epsilon' : ''}`
  }
  if (!robust) return `learningRate: ${Number((plan.learningRate / 3).toPrecision(1))}`
  // With a lower rate the weights would follow ε even less.
  const { epochs, ramp } = plan
  const rampEpochs = 2 * ramp.rampEpochs || Math.max(1, epochs / 4)
  const longer = rampEpochs > epochs / 2 ? `, epochs: ${2 * epochs}` : ''
  return `a slower ramp (rampEpochs: ${brief(rampEpochs)}${longer}) or a smaller epsilon`
}

/** The options that stand in the way of a start, as the defaults have them. */
const fromDefaults = ({ network, dataset, plan, steps }: Lost): string[] => {
  const { objective, epochs, ramp } = plan
  const own = defaultOptimiser(network.spec)
  const usual = own.optimiser.kind === 'adam' ? own : withOptimiser(own, plan.optimiser)
  const gentle = defaultRamp(objective, network.spec, { epochs, steps })
  const keys = ['naturalEpochs', 'rampEpochs', 'rampPower'] as const
  return [
    ...(plan.optimiser.kind === usual.optimiser.kind ? [] : [`optimiser: ${usual.optimiser.kind}`]),
    ...(plan.learningRate > usual.learningRate ? [`learningRate: ${usual.learningRate}`] : []),
    ...keys.filter((key) => ramp[key] < gentle[key]).map((key) => `${key}: ${brief(gentle[key])}`),
    ...(falls(plan.schedule) && !falls(defaultSchedule(epochs, gentle)) ? ['schedule: constant'] : []),
    ...(plan.augmentation !== null && dataset.augment === 'none' ? ['augment: none'] : []),
  ]
}

const falls = ({ kind }: LearningRateSchedule): boolean => kind !== 'constant'

/** A number with at most two decimals. */
const brief = (value: number): string => `${Number(value.toFixed(2))}`
