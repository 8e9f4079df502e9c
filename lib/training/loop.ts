/**
 * The one training loop: one native job per epoch, stopped and continued at any step. Everything random is a
 * function of seed, epoch and sample, so a cursor and the arenas are all the state there is.
 */
import { settle } from '../../bindings/jobs.js'
import { addon } from '../../bindings/load.js'
import type { Floats, TrainRequest, TrainResult } from '../../bindings/native.js'
import { printedAs } from '../base/printed.js'
import type { Dataset } from '../data/dataset.js'
import { epochOrder } from '../data/order.js'
import type { Network } from '../models/network.js'
import { type LossWeights, lossWeights, nativeObjective } from '../objectives/index.js'
import {
  describeEpoch,
  type EpochResult,
  FIRST_STEP,
  type TrainCursor,
  type TrainHooks,
  type TrainingPlan,
} from './plan.js'
import { learningRateFactor, type RampPlace, rampPlace } from './schedules.js'
import { explainDivergence, isGuessing, tellChance, tellLongRamp } from './warnings.js'

/** Node fires timers at once that are set for longer. */
const LONGEST_TIMER = 2 ** 31 - 1

/** `halt` ends it as `signal` does, but as a success. */
type Hooks = TrainHooks & { halt?: AbortSignal | undefined }

/** How the loop ends. */
export interface LoopEnd {
  /** The last complete epoch. */
  last: EpochResult | null
  scores: Floats | undefined
  /** Where to go on: beyond the last epoch, unless it was halted before. */
  cursor: TrainCursor
  halted: boolean
}

/**
 * Trains from `start` to the end of the plan, or until `halt` is aborted and the batch under way is done; yields every
 * epoch. The moments are used as they are: reset them before a first start.
 */
export async function* trainingLoop(
  network: Network,
  dataset: Dataset,
  plan: TrainingPlan,
  hooks: Hooks,
  start: TrainCursor,
  startScores?: Floats,
): AsyncGenerator<EpochResult, LoopEnd, undefined> {
  const steps = Math.ceil(dataset.length / plan.batchSize)
  let cursor = start
  let scores = startScores
  let { last } = start
  if (start === FIRST_STEP) tellLongRamp(plan, hooks)
  while (cursor.epoch < plan.epochs) {
    const epochPlan = planEpoch(dataset, plan, cursor.epoch, steps)
    while (cursor.step < steps) {
      hooks.signal?.throwIfAborted()
      if (hooks.halt?.aborted) return { last, scores, cursor, halted: true }
      const result = await runSteps(network, dataset, plan, hooks, cursor, epochPlan, scores)
      cursor = advance(cursor, result)
      scores = result.scores ?? scores
      const stopped = isStopped(hooks)
      if (cursor.step < steps && (stopped || (hooks.checkpoint?.dueIn() ?? 1) <= 0)) {
        await hooks.checkpoint?.save(cursor, scores)
      }
      if (cursor.step < steps) hooks.signal?.throwIfAborted()
    }
    last = printedAs(
      {
        epoch: cursor.epoch + 1,
        loss: cursor.loss / steps,
        accuracy: (100 * cursor.correct) / cursor.samples,
        learningRate: epochPlan.learningRates[steps - 1] ?? plan.learningRate,
      },
      describeEpoch,
    )
    const isLost = (epoch: EpochResult) => isGuessing(epoch, cursor.samples, network.classes)
    const guessing = isLost(last)
    const aboveChance = cursor.aboveChance || !guessing
    // A collapse is told once, when it happens.
    const collapsed = cursor.aboveChance && cursor.last !== null && !isLost(cursor.last)
    if (guessing) tellChance({ network, dataset, plan, cursor, steps, collapsed }, hooks)
    hooks.onEpoch?.(last)
    cursor = { ...FIRST_STEP, epoch: cursor.epoch + 1, aboveChance, last }
    if (isStopped(hooks) || (hooks.checkpoint?.dueIn() ?? 1) <= 0)
      await hooks.checkpoint?.save(cursor, scores)
    hooks.signal?.throwIfAborted()
    yield last
  }
  if (plan.averaging !== undefined && plan.learn.kind === 'weights')
    await takeAverage(network, dataset, plan, hooks)
  return { last, scores, cursor, halted: false }
}

const isStopped = ({ signal, halt }: Hooks): boolean => signal?.aborted === true || halt?.aborted === true

/** What an epoch does in each of its steps. */
type EpochPlan = Pick<
  TrainRequest,
  'order' | 'learningRates' | 'epsilonFactors' | 'cleanWeights' | 'robustWeights' | 'averageShares'
>

/** Fine-tuning starts where the schedules of pre-training end. */
const AFTER_THE_RAMP: RampPlace = { natural: false, ramp: 1, epsilon: 1, afterRamp: 1 }
const CLEAN: LossWeights = { clean: 1, robust: 0 }

const planEpoch = (dataset: Dataset, plan: TrainingPlan, epoch: number, steps: number): EpochPlan => {
  const { phase, objective, learningRate, schedule, epochs, ramp, seed } = plan
  const places = Array.from({ length: steps }, (_, step) => ({
    ...{ seed, epoch, step },
    ...(phase === 'fineTune' ? AFTER_THE_RAMP : rampPlace(ramp, epoch, epochs, step, steps)),
  }))
  const weights = places.map((place) => (place.natural ? CLEAN : lossWeights(objective, place)))
  return {
    order: epochOrder(dataset.indices, seed, epoch),
    learningRates: Float64Array.from(
      places,
      ({ step }) => learningRate * learningRateFactor(schedule, epoch, epochs, step, steps),
    ),
    epsilonFactors: Float64Array.from(places, ({ epsilon }) => epsilon),
    cleanWeights: Float64Array.from(weights, ({ clean }) => clean),
    robustWeights: Float64Array.from(weights, ({ robust }) => robust),
    averageShares: averageShares(plan, epoch * steps, steps),
  }
}

/**
 * How much of the new weights goes into their mean at each of `steps` steps after `taken` others: all of the first ones',
 * so that the mean forgets where the phase began, then what the decay leaves.
 */
const averageShares = ({ averaging, learn }: TrainingPlan, taken: number, steps: number) =>
  averaging === undefined || learn.kind === 'scores'
    ? null
    : Float64Array.from({ length: steps }, (_, step) => Math.max(1 - averaging, 10 / (10 + taken + step)))

/** Steps that batch-norm statistics are estimated from: with a momentum of 0.1 the old ones count half a percent. */
const STATISTICS_STEPS = 50

/**
 * Puts the mean of the weights in their place. Batch-norm statistics, which were those of other weights, are estimated
 * by steps of length 0 on what the objective predicts in training; those on bounds need none for that. A function of where
 * the last step left the network, so that a run that is killed meanwhile does it again.
 */
async function takeAverage(
  network: Network,
  dataset: Dataset,
  plan: TrainingPlan,
  { signal, moreDevices }: TrainHooks,
): Promise<void> {
  const { handle } = network
  const average = await settle(() => handle.read('average'), signal)
  await settle(() => handle.write('parameters', average), signal)
  if (!network.spec.nodes.some(({ op }) => op === 'batchNorm2d')) return
  const { batchSize, seed, epochs } = plan
  const steps = Math.min(Math.ceil(dataset.length / batchSize), STATISTICS_STEPS)
  const still: EpochPlan = {
    order: epochOrder(dataset.indices, seed, epochs).subarray(0, steps * batchSize),
    learningRates: new Float64Array(steps),
    epsilonFactors: new Float64Array(steps).fill(1),
    cleanWeights: new Float64Array(steps).fill(1),
    robustWeights: new Float64Array(steps),
    averageShares: null,
  }
  const after: TrainCursor = { ...FIRST_STEP, epoch: epochs }
  await runSteps(network, dataset, plan, { signal, moreDevices }, after, still, undefined)
  signal?.throwIfAborted()
}

/** Runs the rest of an epoch, or as much of it as there is time for before a checkpoint or an abort. */
async function runSteps(
  network: Network,
  dataset: Dataset,
  plan: TrainingPlan,
  hooks: Hooks,
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
    cleanWeights: epochPlan.cleanWeights.subarray(cursor.step),
    robustWeights: epochPlan.robustWeights.subarray(cursor.step),
    averageShares: epochPlan.averageShares?.subarray(cursor.step) ?? null,
    labelSmoothing: plan.labelSmoothing ?? 0,
    stepsTaken: cursor.epoch * steps + cursor.step,
    augmentation: plan.augmentation,
    precision: plan.precision,
    seed: plan.seed,
    epoch: cursor.epoch,
    moreDevices: [...(hooks.moreDevices ?? [])],
    learn: plan.learn.kind === 'weights' ? plan.learn : { ...plan.learn, scores: scores ?? null },
  }
  const { onProgress, signal, halt, checkpoint } = hooks
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
    halt?.addEventListener('abort', pause, { once: true })
    if (checkpoint !== undefined) timer = setTimeout(pause, Math.min(LONGEST_TIMER, checkpoint.dueIn()))
    return await job.promise
  } catch (error) {
    throw explainDivergence(error, cursor, plan)
  } finally {
    clearTimeout(timer)
    signal?.removeEventListener('abort', pause)
    halt?.removeEventListener('abort', pause)
  }
}

const advance = (cursor: TrainCursor, result: TrainResult): TrainCursor => ({
  ...cursor,
  loss: result.losses.reduce((sum, loss) => sum + loss, cursor.loss),
  step: cursor.step + result.steps,
  correct: cursor.correct + result.correct,
  samples: cursor.samples + result.samples,
})
