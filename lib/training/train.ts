/** Training as users call it: `train(network, data, { objective, epochs })`. */

import { settle } from '../../bindings/jobs.js'
import type { NativeAugmentation, Precision } from '../../bindings/native.js'
import { optionsOf } from '../base/arguments.js'
import { invalid } from '../base/errors.js'
import { learningRateSchema, parse, strict } from '../base/schemas.js'
import { type Dataset, requireDataset } from '../data/dataset.js'
import { type Network, requireNetwork } from '../models/network.js'
import { defaultRampEpochs, natural, type Objective, objectiveSchema } from '../objectives/index.js'
import { defaultOptimiser } from './defaults.js'
import { trainingLoop } from './loop.js'
import { type Optimiser, withOptimiser } from './optimiser.js'
import { type EpochResult, FIRST_STEP, type TrainHooks } from './plan.js'
import { type LearningRateSchedule, scheduleSchema } from './schedules.js'
import {
  epochsSchema,
  rampEpochsSchema,
  requirePrecision,
  requireRates,
  resolveSettings,
  settingsShape,
} from './settings.js'

const schema = strict({
  ...settingsShape,
  objective: objectiveSchema.optional(),
  epochs: epochsSchema,
  learningRate: learningRateSchema.optional(),
  schedule: scheduleSchema.optional(),
  rampEpochs: rampEpochsSchema.optional(),
})

/** Settings that pre-training and fine-tuning share. */
export interface TrainingSettings {
  /** Default: the network's own (`defaultOptimiser`). */
  optimiser?: Optimiser | undefined
  /** Default 128. */
  batchSize?: number | undefined
  /** `bf16` keeps fp32 master weights. Default: `fp64` for float64 networks, else `fp32`. */
  precision?: Precision | undefined
  /** `standard`: random crops of the image padded by 4 pixels, and flips. Default `standard`. */
  augment?: 'standard' | 'none' | NativeAugmentation | undefined
  /** With epoch and sample, the key of all randomness; default 0. */
  seed?: number | undefined
}

export interface TrainOptions extends TrainingSettings, TrainHooks {
  /** What a batch's loss is. Default: what the network was trained with before, or `natural()`. */
  objective?: Objective | undefined
  /** Passes over the data. */
  epochs: number
  /** Default: the network's own; for an optimiser of another kind 0.1 (SGD) or 0.001 (Adam). */
  learningRate?: number | undefined
  /** The learning rate over the epochs. Default: the network's own. */
  schedule?: LearningRateSchedule | undefined
  /**
   * Epochs over which a robust objective's ε grows linearly from 0, and after which the weight of a robust loss grows.
   * Default: a third of the epochs for `mixTrain`, half of them for `ibp` and `crownIbp`, else 0.
   */
  rampEpochs?: number | undefined
}

/** The last epoch, and what was trained for. */
export interface TrainSummary extends EpochResult {
  objective: Objective
}

/**
 * Trains a network in place, and lets it remember the objective. Momentum starts from zero.
 *
 * @throws CoppiceError `ERR_DIVERGED` when the loss becomes NaN or infinite; the signal's reason when aborted, which
 * takes effect within one batch and leaves the network as it is after that batch
 */
export async function train(
  network: Network,
  dataset: Dataset,
  options: TrainOptions,
): Promise<TrainSummary> {
  requireNetwork(network, 'train')
  requireDataset(dataset, 'train')
  const { signal, onProgress, onEpoch, onWarning, checkpoint, start, ...rest } = optionsOf(options, 'train')
  const settings = parse(schema, rest, 'train')
  const own = withOptimiser(defaultOptimiser(network.spec), settings.optimiser)
  const objective = settings.objective ?? network.history.objective ?? natural()
  const plan = {
    ...resolveSettings(network, settings, own),
    phase: 'pretrain',
    objective,
    epochs: settings.epochs,
    learningRate: settings.learningRate ?? own.learningRate,
    schedule: settings.schedule ?? own.schedule,
    rampEpochs: settings.rampEpochs ?? defaultRampEpochs(objective, settings.epochs),
    learn: { kind: 'weights' },
  } as const
  requireRates(plan.learningRate, plan.schedule, 'train')
  requirePrecision(plan.precision, network.type, 'train')
  if (dataset.length === 0) throw invalid('train: the data set is empty')
  network.history = { objective: plan.objective }
  if (start === undefined) await settle(() => network.handle.resetMoments(), signal)
  const hooks = { signal, onProgress, onEpoch, onWarning, checkpoint }
  const { last } = await trainingLoop(network, dataset, plan, hooks, start ?? FIRST_STEP)
  if (last === null)
    throw invalid(`train.start: epoch ${start?.epoch} is not one of the ${plan.epochs} epochs`)
  return { ...last, objective: plan.objective }
}
