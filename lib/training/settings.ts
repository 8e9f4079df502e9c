/** The settings of training as options and recipes give them: schemas, and the defaults that depend on network and data. */
import { z } from 'zod'
import type { ParameterType, Precision } from '../../bindings/native.js'
import { invalid } from '../base/errors.js'
import { LIMITS } from '../base/limits.js'
import { fractionBetween, show } from '../base/numbers.js'
import { batchSizeSchema, choice, integer, seedSchema, strict } from '../base/schemas.js'
import type { Dataset } from '../data/dataset.js'
import type { Network } from '../models/network.js'
import { optimiserSchema } from './optimiser.js'
import type { TrainingPlan } from './plan.js'
import type { LearningRateSchedule } from './schedules.js'

/** Random crops of the image padded by 4 pixels, and flips. */
const STANDARD = Object.freeze({ pad: 4, flip: true })

/** Schema of the augmentation: `standard`, `none`, or `{ pad, flip }`. */
const augmentSchema = z.union(
  [z.literal('standard'), z.literal('none'), strict({ pad: integer(0, LIMITS.pad), flip: z.boolean() })],
  { error: (issue) => `expected "standard", "none" or { pad, flip }, received ${show(issue.input)}` },
)

export const epochsSchema = integer(1, LIMITS.epochs)

/**
 * Refuses a schedule that raises the learning rate, step by step, beyond what the engine takes.
 *
 * @throws CoppiceError whose message starts with `what`
 */
export const requireRates = (learningRate: number, schedule: LearningRateSchedule, what: string): void => {
  if (schedule.kind !== 'steps') return
  const highest = learningRate * Math.max(1, schedule.factor ** schedule.at.length)
  if (highest <= LIMITS.learningRate) return
  throw invalid(
    `${what}.schedule: raises the learning rate to ${highest}; it must be at most ${LIMITS.learningRate}`,
  )
}

/**
 * Refuses arithmetic that does not go with the network's type: fp64 goes with float64 networks, and only with them.
 *
 * @throws CoppiceError whose message starts with `what`
 */
export const requirePrecision = (
  precision: Precision | undefined,
  type: ParameterType,
  what: string,
): void => {
  if (precision === undefined || (precision === 'fp64') === (type === 'float64')) return
  throw invalid(
    `${what}.precision: fp64 goes with a float64 network and only with it; this is a ${type} network, and ` +
      `${precision} was asked for`,
  )
}

const someEpochs = fractionBetween(0, LIMITS.epochs).optional()

/** How ε comes to its full size; what is not given follows from objective, network and epochs (`resolveRamp`). */
export const rampShape = {
  naturalEpochs: someEpochs,
  rampEpochs: someEpochs,
  rampPower: fractionBetween(1, 10).optional(),
}

/** What pre-training and fine-tuning share. */
export const settingsShape = {
  optimiser: optimiserSchema.optional(),
  batchSize: batchSizeSchema.default(128),
  precision: choice(['fp32', 'bf16', 'fp64']).optional(),
  augment: augmentSchema.optional(),
  averaging: fractionBetween(0, 1).optional(),
  labelSmoothing: fractionBetween(0, 1).optional(),
  seed: seedSchema.default(0),
}

export type Settings = z.output<ReturnType<typeof strict<typeof settingsShape>>>

/** The settings as the training loop takes them; network and data decide what was left open. */
export const resolveSettings = (
  network: Network,
  dataset: Dataset,
  settings: Settings,
  own: Pick<TrainingPlan, 'optimiser'>,
): Pick<
  TrainingPlan,
  'optimiser' | 'batchSize' | 'precision' | 'augmentation' | 'averaging' | 'labelSmoothing' | 'seed'
> => ({
  optimiser: settings.optimiser ?? own.optimiser,
  batchSize: settings.batchSize,
  precision: settings.precision ?? (network.type === 'float64' ? 'fp64' : 'fp32'),
  augmentation: augmentationOf(settings.augment ?? dataset.augment),
  averaging: settings.averaging,
  labelSmoothing: settings.labelSmoothing,
  seed: settings.seed,
})

/** What the native loop does for these words. */
export const augmentationOf = (augment: NonNullable<Settings['augment']>): TrainingPlan['augmentation'] =>
  augment === 'standard' ? STANDARD : augment === 'none' ? null : augment
