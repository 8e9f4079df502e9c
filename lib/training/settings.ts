/** The settings of training as options and recipes give them: schemas, and the defaults that depend on network and data. */
import { z } from 'zod'
import { fraction, show } from '../base/numbers.js'
import { batchSizeSchema, choice, integer, strict } from '../base/schemas.js'
import type { Dataset } from '../data/dataset.js'
import type { Network } from '../models/network.js'
import { optimiserSchema } from './optimiser.js'
import type { TrainingPlan } from './plan.js'

/** Random crops of the image padded by 4 pixels, and flips. */
const STANDARD = Object.freeze({ pad: 4, flip: true })

/** Schema of the augmentation: `standard`, `none`, or `{ pad, flip }`. */
const augmentSchema = z.union(
  [z.literal('standard'), z.literal('none'), strict({ pad: integer(0), flip: z.boolean() })],
  { error: (issue) => `expected "standard", "none" or { pad, flip }, received ${show(issue.input)}` },
)

export const epochsSchema = integer(1)

const someEpochs = fraction.refine((epochs) => epochs >= 0, { error: 'must be at least 0' }).optional()

/** How ε comes to its full size; what is not given follows from objective, network and epochs (`resolveRamp`). */
export const rampShape = {
  naturalEpochs: someEpochs,
  rampEpochs: someEpochs,
  rampPower: fraction
    .refine((power) => power >= 1 && power <= 10, { error: 'must be at least 1 and at most 10' })
    .optional(),
}

/** What pre-training and fine-tuning share. */
export const settingsShape = {
  optimiser: optimiserSchema.optional(),
  batchSize: batchSizeSchema.default(128),
  precision: choice(['fp32', 'bf16', 'fp64']).optional(),
  augment: augmentSchema.optional(),
  seed: integer(0).default(0),
}

export type Settings = z.output<ReturnType<typeof strict<typeof settingsShape>>>

/** The settings as the training loop takes them; network and data decide what was left open. */
export const resolveSettings = (
  network: Network,
  dataset: Dataset,
  settings: Settings,
  own: Pick<TrainingPlan, 'optimiser'>,
): Pick<TrainingPlan, 'optimiser' | 'batchSize' | 'precision' | 'augmentation' | 'seed'> => ({
  optimiser: settings.optimiser ?? own.optimiser,
  batchSize: settings.batchSize,
  precision: settings.precision ?? (network.type === 'float64' ? 'fp64' : 'fp32'),
  augmentation: augmentationOf(settings.augment ?? dataset.augment),
  seed: settings.seed,
})

/** What the native loop does for these words. */
export const augmentationOf = (augment: NonNullable<Settings['augment']>): TrainingPlan['augmentation'] =>
  augment === 'standard' ? STANDARD : augment === 'none' ? null : augment
