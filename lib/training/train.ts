/** Training as users call it: `train(network, data, { objective, epochs })`. */

import { settle } from '../../bindings/jobs.js'
import type { NativeAugmentation, Precision } from '../../bindings/native.js'
import { optionsOf } from '../base/arguments.js'
import { invalid } from '../base/errors.js'
import { Job, type JobControl, type JobEnd } from '../base/job.js'
import { printedAs } from '../base/printed.js'
import { learningRateSchema, parse, strict } from '../base/schemas.js'
import { type Dataset, requireDataset } from '../data/dataset.js'
import { jobName, type Network, requireNetwork } from '../models/network.js'
import { describeObjective, natural, type Objective, objectiveSchema } from '../objectives/index.js'
import { defaultOptimiser, resolveRamp } from './defaults.js'
import { moreDevicesSchema } from './devices.js'
import { trainingLoop } from './loop.js'
import { type Optimiser, withOptimiser } from './optimiser.js'
import {
  describeEpoch,
  type EpochResult,
  FIRST_STEP,
  type TrainCursor,
  type TrainHooks,
  type TrainingPlan,
  type TrainProgress,
} from './plan.js'
import { defaultSchedule, type LearningRateSchedule, scheduleSchema } from './schedules.js'
import {
  epochsSchema,
  rampShape,
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
  ...rampShape,
})

/** The names of the options, for completion. */
export const trainOptionNames: readonly string[] = [
  ...Object.keys(schema.shape),
  ...['signal', 'onProgress', 'onEpoch', 'onWarning', 'checkpoint', 'moreDevices', 'start'],
]

/** Settings that pre-training and fine-tuning share. */
export interface TrainingSettings {
  /** Default: the network's own (`defaultOptimiser`). */
  optimiser?: Optimiser | undefined
  /** Default 128. */
  batchSize?: number | undefined
  /** `bf16` keeps fp32 master weights. Default: `fp64` for float64 networks, else `fp32`. */
  precision?: Precision | undefined
  /** `standard`: random crops of the image padded by 4 pixels, and flips. Default: what suits the data set. */
  augment?: 'standard' | 'none' | NativeAugmentation | undefined
  /**
   * End with the exponential mean of the weights over the steps, which so much of stays at each step (0.995, say), instead
   * of the last weights; batch-norm statistics are then estimated anew. After pruning a mean of its own begins. Default:
   * none. (Izmailov et al., "Averaging Weights Leads to Wider Optima", 2018; Gowal et al., 2020, for robustness)
   */
  averaging?: number | undefined
  /**
   * The part of the prediction loss's target that all classes share alike; attacks and bounds see the label alone. Default
   * 0. (Szegedy et al., "Rethinking the Inception Architecture", 2016)
   */
  labelSmoothing?: number | undefined
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
  /**
   * The learning rate over the epochs. Default: ×0.1 after 50, 75 and 90 % of the epochs; constant in trainings of fewer
   * than ten, or whose ramp takes longer than half of them.
   */
  schedule?: LearningRateSchedule | undefined
  /**
   * Epochs of the clean loss alone, before ε grows. Default: for objectives on bounds (`mixTrain`, `ibp`, `crownIbp`) a
   * tenth of the epochs, at least 50 steps, at most an eighth; for attacks on networks without batch norm 50 steps, at
   * most a quarter; else, or where `rampEpochs` is 0, none.
   */
  naturalEpochs?: number | undefined
  /**
   * Epochs over which a robust objective's ε then grows from 0, and after which the weight of a robust loss grows.
   * Default: for objectives on bounds two fifths of the epochs, at least 250 steps, at most five eighths; for attacks on
   * networks without batch norm a quarter, at least 100 steps, at most half; else 0.
   */
  rampEpochs?: number | undefined
  /** ε grows as this power of the part of the ramp that is done. Default: 4 for objectives on bounds, else 1. */
  rampPower?: number | undefined
}

/** The last epoch, and what was trained for. */
export interface TrainSummary extends EpochResult {
  objective: Objective
  /** Whether it was stopped before its end; the figures are then those of the epoch as far as it came. */
  stopped?: true
}

/**
 * Trains a network in place, and lets it remember the objective. Momentum starts from zero. Until it ends the network
 * belongs to it: others can read, and see the network as it was after some batch. Its steps are the epochs.
 *
 * @throws CoppiceError `ERR_BUSY` if a running job owns the network; `ERR_DIVERGED` when the loss becomes NaN or
 * infinite; the signal's reason when aborted, which takes effect within one batch and leaves the network as it is after
 * that batch
 */
export const train = (
  network: Network,
  dataset: Dataset,
  options: TrainOptions,
): Job<TrainSummary, EpochResult> =>
  new Job(
    jobName('train', network),
    (control) => trainSteps(network, dataset, options, control),
    options?.signal,
  )

async function* trainSteps(
  network: Network,
  dataset: Dataset,
  options: TrainOptions,
  { signal, halt, report }: JobControl,
): AsyncGenerator<EpochResult, JobEnd<TrainSummary, EpochResult>, undefined> {
  requireNetwork(network, 'train')
  requireDataset(dataset, 'train')
  const {
    signal: _,
    onProgress,
    onEpoch,
    onWarning,
    checkpoint,
    start,
    moreDevices,
    ...rest
  } = optionsOf(options, 'train')
  const settings = parse(schema, rest, 'train')
  const others = parse(moreDevicesSchema.optional(), moreDevices, 'train.moreDevices')
  using own = network.claim('train')
  const defaults = withOptimiser(defaultOptimiser(network.spec), settings.optimiser)
  const objective = settings.objective ?? network.history.objective ?? natural()
  const { epochs } = settings
  const steps = Math.ceil(dataset.length / settings.batchSize)
  const ramp = resolveRamp(settings, objective, network.spec, { epochs, steps })
  const plan = {
    ...resolveSettings(network, dataset, settings, defaults),
    phase: 'pretrain',
    objective,
    epochs,
    learningRate: settings.learningRate ?? defaults.learningRate,
    schedule: settings.schedule ?? defaultSchedule(epochs, ramp),
    ramp,
    learn: { kind: 'weights' },
  } as const
  requireRates(plan.learningRate, plan.schedule, 'train')
  requirePrecision(plan.precision, network.type, 'train')
  if (dataset.length === 0) throw invalid('train: the data set is empty')
  own.history = { objective: plan.objective }
  if (start === undefined) await settle(() => own.handle.resetMoments(), signal)
  const tell = (progress: TrainProgress): void => {
    const { epoch, samples: done, totalSamples: total, loss } = progress
    report({ label: `epoch ${epoch}/${epochs}`, done, total, loss, fraction: done / total })
    onProgress?.(progress)
  }
  const hooks = { signal, halt, onProgress: tell, onEpoch, onWarning, checkpoint, moreDevices: others }
  const end = yield* trainingLoop(own, dataset, plan, hooks, start ?? FIRST_STEP)
  const { cursor, last, halted } = end
  if (halted) {
    const result = printedAs({ ...soFar(cursor, plan), objective, stopped: true } as const, describeSummary)
    return { result, resume: () => train(network, dataset, { ...options, start: cursor }) }
  }
  if (last === null)
    throw invalid(`train.start: epoch ${start?.epoch} is not one of the ${plan.epochs} epochs`)
  return { result: printedAs({ ...last, objective }, describeSummary) }
}

/** `Training { epoch 3: loss 1.234, …, adversarial PGD-10, eps 8/255, step 2/255, stopped }`. */
const describeSummary = (summary: TrainSummary): string =>
  `Training { ${[describeEpoch(summary), describeObjective(summary.objective), ...(summary.stopped ? ['stopped'] : [])].join(', ')} }`

/** The epoch that was halted, as far as it came; the last one where it had not begun. */
const soFar = (
  { epoch, step, loss, correct, samples, last }: TrainCursor,
  plan: TrainingPlan,
): EpochResult =>
  step === 0 && last !== null
    ? last
    : {
        epoch: step === 0 ? 0 : epoch + 1,
        loss: loss / step,
        accuracy: (100 * correct) / samples,
        learningRate: plan.learningRate,
      }
