/**
 * The one training loop: one native job per epoch, stopped and continued at any step. Everything random is a
 * function of seed, epoch and sample, so a cursor and the arenas are all the state there is.
 */
import { addon } from '../../bindings/load.js'
import type {
  Floats,
  NativeAugmentation,
  Precision,
  TrainRequest,
  TrainResult,
} from '../../bindings/native.js'
import type { Dataset } from '../data/dataset.js'
import { CoppiceError } from '../errors.js'
import type { Network } from '../networks/network.js'
import { nativeObjective, type Objective } from '../objectives/index.js'
import type { Optimiser } from './optimiser.js'
import { epochOrder } from './order.js'
import { type LearningRateSchedule, learningRateFactor, rampFactor } from './schedules.js'

/** A phase of training with nothing left to default. */
export interface TrainingPlan {
  objective: Objective
  epochs: number
  optimiser: Optimiser
  learningRate: number
  schedule: LearningRateSchedule
  /** Epochs over which ε grows linearly from 0. */
  rampEpochs: number
  batchSize: number
  precision: Precision
  augmentation: NativeAugmentation | null
  seed: number
  /** `scores` freezes the weights and learns which `keep` fraction of each tensor to keep. */
  learn: { kind: 'weights' } | { kind: 'scores'; keep: number }
}

/** Where a phase stands: `step` steps of epoch `epoch` (from 0) are done. Plain data. */
export interface TrainCursor {
  epoch: number
  step: number
  /** Sums over the steps done in this epoch. */
  loss: number
  correct: number
  samples: number
  /** Whether an epoch so far was better than guessing. */
  aboveChance: boolean
  /** The last complete epoch. */
  last: EpochResult | null
}

export interface TrainProgress {
  /** Counted from 1. */
  epoch: number
  epochs: number
  /** Steps done in this epoch, and steps it has. */
  step: number
  steps: number
  /** Samples done in this phase, and samples it has; they grow with the steps. */
  samples: number
  totalSamples: number
  /** Mean loss of the latest batches. */
  loss: number
}

export interface EpochResult {
  /** Counted from 1. */
  epoch: number
  loss: number
  /** Correct predictions, in percent, on what the objective trained on. */
  accuracy: number
  learningRate: number
}

/** Decides when a checkpoint is due, and writes it. */
export interface Checkpointer<Cursor> {
  /** Milliseconds until the next one is due; training pauses for it within one batch. */
  dueIn(): number
  save(cursor: Cursor, scores: Floats | undefined): Promise<void>
}

export interface TrainHooks {
  /** Stops within one batch; the loop saves a checkpoint and rejects with the signal's reason. */
  signal?: AbortSignal | undefined
  onProgress?: ((progress: TrainProgress) => void) | undefined
  onEpoch?: ((result: EpochResult) => void) | undefined
  /** Told in one sentence when training goes nowhere. */
  onWarning?: ((message: string) => void) | undefined
  checkpoint?: Checkpointer<TrainCursor> | undefined
  /** Where to go on, on a network whose weights and moments are as they were there. Default: at the beginning. */
  start?: TrainCursor | undefined
}

/** Node fires timers at once that are set for longer. */
const LONGEST_TIMER = 2 ** 31 - 1

export const FIRST_STEP: TrainCursor = Object.freeze({
  epoch: 0,
  step: 0,
  loss: 0,
  correct: 0,
  samples: 0,
  aboveChance: false,
  last: null,
})

/** Trains from `start` to the end of the plan. The moments are used as they are: reset them before a first start. */
export async function trainingLoop(
  network: Network,
  dataset: Dataset,
  plan: TrainingPlan,
  hooks: TrainHooks,
  start: TrainCursor,
  startScores?: Floats,
): Promise<{ last: EpochResult | null; scores: Floats | undefined }> {
  const steps = Math.ceil(dataset.length / plan.batchSize)
  let cursor = start
  let scores = startScores
  let { last } = start
  if (start === FIRST_STEP) warnOfRamp(plan, hooks)
  while (cursor.epoch < plan.epochs) {
    const epochPlan = planEpoch(dataset, plan, cursor.epoch, steps)
    while (cursor.step < steps) {
      hooks.signal?.throwIfAborted()
      const result = await runSteps(network, dataset, plan, hooks, cursor, epochPlan, scores)
      cursor = advance(cursor, result)
      scores = result.scores ?? scores
      const stopped = hooks.signal?.aborted === true
      if (cursor.step < steps && (stopped || (hooks.checkpoint?.dueIn() ?? 1) <= 0)) {
        await hooks.checkpoint?.save(cursor, scores)
      }
      if (cursor.step < steps) hooks.signal?.throwIfAborted()
    }
    last = {
      epoch: cursor.epoch + 1,
      loss: cursor.loss / steps,
      accuracy: (100 * cursor.correct) / cursor.samples,
      learningRate: epochPlan.learningRates[steps - 1] ?? plan.learningRate,
    }
    const guessing = isGuessing(last, cursor.samples, network.classes)
    const aboveChance = cursor.aboveChance || !guessing
    if (guessing) warnOfChance(cursor, plan, hooks)
    hooks.onEpoch?.(last)
    cursor = { ...FIRST_STEP, epoch: cursor.epoch + 1, aboveChance, last }
    const stopped = hooks.signal?.aborted === true
    if (stopped || (hooks.checkpoint?.dueIn() ?? 1) <= 0) await hooks.checkpoint?.save(cursor, scores)
    hooks.signal?.throwIfAborted()
  }
  return { last, scores }
}

interface EpochPlan {
  order: Uint32Array
  learningRates: Float64Array
  epsilonFactors: Float64Array
}

const planEpoch = (dataset: Dataset, plan: TrainingPlan, epoch: number, steps: number): EpochPlan => ({
  order: epochOrder(dataset.indices, plan.seed, epoch),
  learningRates: Float64Array.from(
    { length: steps },
    (_, step) => plan.learningRate * learningRateFactor(plan.schedule, epoch, plan.epochs, step, steps),
  ),
  epsilonFactors: Float64Array.from({ length: steps }, (_, step) =>
    rampFactor(plan.rampEpochs, epoch, step, steps),
  ),
})

/** Runs the rest of an epoch, or as much of it as there is time for before a checkpoint or an abort. */
async function runSteps(
  network: Network,
  dataset: Dataset,
  plan: TrainingPlan,
  hooks: TrainHooks,
  cursor: TrainCursor,
  epochPlan: EpochPlan,
  scores: Floats | undefined,
): Promise<TrainResult> {
  const steps = epochPlan.learningRates.length
  const request: TrainRequest = {
    order: epochPlan.order.subarray(cursor.step * plan.batchSize),
    batchSize: plan.batchSize,
    objective: nativeObjective(plan.objective),
    optimiser: plan.optimiser,
    learningRates: epochPlan.learningRates.subarray(cursor.step),
    epsilonFactors: epochPlan.epsilonFactors.subarray(cursor.step),
    stepsTaken: cursor.epoch * steps + cursor.step,
    augmentation: plan.augmentation,
    precision: plan.precision,
    seed: plan.seed,
    epoch: cursor.epoch,
    learn: plan.learn.kind === 'weights' ? plan.learn : { ...plan.learn, scores: scores ?? null },
  }
  const { onProgress, signal, checkpoint } = hooks
  const report =
    onProgress === undefined
      ? null
      : (progress: { steps: number; samples: number; loss: number }) =>
          onProgress({
            epoch: cursor.epoch + 1,
            epochs: plan.epochs,
            step: cursor.step + progress.steps,
            steps,
            samples: cursor.epoch * dataset.length + cursor.samples + progress.samples,
            totalSamples: plan.epochs * dataset.length,
            loss: progress.loss,
          })
  let timer: NodeJS.Timeout | undefined
  let pause = (): void => undefined
  try {
    const job = addon().train(network.handle, dataset.handle, request, report)
    pause = () => job.pause()
    signal?.addEventListener('abort', pause, { once: true })
    if (checkpoint !== undefined) timer = setTimeout(pause, Math.min(LONGEST_TIMER, checkpoint.dueIn()))
    return await job.promise
  } catch (error) {
    throw explain(error, cursor, plan)
  } finally {
    clearTimeout(timer)
    signal?.removeEventListener('abort', pause)
  }
}

const advance = (cursor: TrainCursor, result: TrainResult): TrainCursor => ({
  ...cursor,
  loss: result.losses.reduce((sum, loss) => sum + loss, cursor.loss),
  step: cursor.step + result.steps,
  correct: cursor.correct + result.correct,
  samples: cursor.samples + result.samples,
})

/** The native loop stops at a loss that is not finite, without knowing of epochs and optimisers. */
const explain = (error: unknown, { epoch }: TrainCursor, plan: TrainingPlan): unknown => {
  if (!(error instanceof CoppiceError) || error.code !== 'ERR_DIVERGED') return error
  const robust = plan.objective.kind === 'natural' ? '' : 'set rampEpochs so that ε grows slowly, '
  return new CoppiceError(
    'ERR_DIVERGED',
    `training diverged in epoch ${epoch + 1}: the loss is no longer finite (learning rate ${plan.learningRate}, ` +
      `${plan.optimiser.kind}); lower learningRate, ${robust}or use adam for networks without batch norm`,
    { cause: error },
  )
}

/** Whether an epoch was no better than guessing: accuracy within 3 standard deviations of it, loss about ln(classes). */
const isGuessing = (epoch: EpochResult, samples: number, classes: number): boolean => {
  const chance = 1 / classes
  const slack = 3 * Math.sqrt((chance * (1 - chance)) / samples)
  return epoch.accuracy / 100 <= chance + slack && epoch.loss >= 0.98 * Math.log(classes)
}

/** A ramp longer than the phase trains for a smaller ε than the objective names. */
const warnOfRamp = ({ objective, rampEpochs, epochs }: TrainingPlan, { onWarning }: TrainHooks): void => {
  if (objective.kind === 'natural' || rampEpochs <= epochs) return
  onWarning?.(`rampEpochs is ${rampEpochs} and there are ${epochs} epochs: ε never reaches its full size`)
}

const warnOfChance = (cursor: TrainCursor, plan: TrainingPlan, hooks: TrainHooks): void => {
  const done = cursor.epoch + 1
  // Robust training often needs a few epochs to get off the ground: patience before the first success.
  const patience = Math.min(plan.epochs, Math.ceil(Math.max(3, plan.epochs / 3, plan.rampEpochs + 1)))
  if (!cursor.aboveChance && done !== patience) return
  const what = cursor.aboveChance
    ? `training collapsed to chance in epoch ${done}`
    : 'training is still at chance'
  hooks.onWarning?.(
    `${what} (of ${plan.epochs}, learning rate ${plan.learningRate}, ${plan.optimiser.kind}): try a lower ` +
      `learning rate${plan.objective.kind === 'natural' ? '' : ', a longer rampEpochs'} or another optimiser`,
  )
}
