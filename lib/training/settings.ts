/** The settings of training as options and recipes give them: schemas, and the defaults that depend on the network. */

import { z } from 'zod'
import { LIMITS } from '../base/limits.js'
import { fractionBetween, show } from '../base/numbers.js'
import { batchSizeSchema, choice, integer, seedSchema, strict } from '../base/schemas.js'
import type { Network } from '../models/network.js'
import { optimiserSchema } from './optimiser.js'
import type { TrainingPlan } from './plan.js'

/** Random crops of the image padded by 4 pixels, and flips. */
const STANDARD = Object.freeze({ pad: 4, flip: true })

/** Schema of the augmentation: `standard`, `none`, or `{ pad, flip }`. */
const augmentSchema = z
  .union(
    [z.literal('standard'), z.literal('none'), strict({ pad: integer(0, LIMITS.pad), flip: z.boolean() })],
    {
      error: (issue) => `expected "standard", "none" or { pad, flip }, received ${show(issue.input)}`,
    },
  )
  .default('standard')

export const epochsSchema = integer(1, LIMITS.epochs)

export const rampEpochsSchema = fractionBetween(0, LIMITS.epochs)

/** What pre-training and fine-tuning share. */
export const settingsShape = {
  optimiser: optimiserSchema.optional(),
  batchSize: batchSizeSchema.default(128),
  precision: choice(['fp32', 'bf16', 'fp64']).optional(),
  augment: augmentSchema,
  seed: seedSchema.default(0),
}

export type Settings = z.output<ReturnType<typeof strict<typeof settingsShape>>>

/** The settings as the training loop takes them; `network` decides what was left open. */
export const resolveSettings = (
  network: Network,
  settings: Settings,
  own: Pick<TrainingPlan, 'optimiser'>,
): Pick<TrainingPlan, 'optimiser' | 'batchSize' | 'precision' | 'augmentation' | 'seed'> => ({
  optimiser: settings.optimiser ?? own.optimiser,
  batchSize: settings.batchSize,
  precision: settings.precision ?? (network.type === 'float64' ? 'fp64' : 'fp32'),
  augmentation:
    settings.augment === 'standard' ? STANDARD : settings.augment === 'none' ? null : settings.augment,
  seed: settings.seed,
})
