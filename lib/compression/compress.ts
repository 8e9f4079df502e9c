/**
 * Prune, fine-tune, and again: `for await (const step of compress(network, data, { sparsity: 0.9 }))`.
 * One objective serves all of it, the one the network was trained with unless another is named.
 */

import { z } from 'zod'
import { settle } from '../../bindings/jobs.js'
import type { Floats } from '../../bindings/native.js'
import { optionsOf } from '../base/arguments.js'
import { invalid } from '../base/errors.js'
import { hash32 } from '../base/hash.js'
import { Job, type JobControl, type JobEnd, lastOf } from '../base/job.js'
import { percent, printedAs } from '../base/printed.js'
import { parse, strict } from '../base/schemas.js'
import { type OnWarning, warn } from '../base/warnings.js'
import { type Dataset, requireDataset } from '../data/dataset.js'
import { jobName, type Network, requireNetwork } from '../models/network.js'
import { describeObjective, type Objective, objectiveSchema, sameObjective } from '../objectives/index.js'
import type { Residual } from '../pruning/layers.js'
import { type PruneRequest, pruneMask } from '../pruning/mask.js'
import type { PruneSchedule } from '../pruning/schedules.js'
import type { Scope } from '../pruning/scopes.js'
import { type Score, scoreNeeds } from '../pruning/scores.js'
import { pruneShape } from '../pruning/settings.js'
import { requireReachable, type Structure } from '../pruning/structures.js'
import { defaultOptimiser } from '../training/defaults.js'
import { moreDevicesSchema } from '../training/devices.js'
import { meanGradients } from '../training/gradients.js'
import { trainingLoop } from '../training/loop.js'
import { sgd } from '../training/optimiser.js'
import {
  type Checkpointer,
  type EpochResult,
  FIRST_STEP,
  type TrainCursor,
  type TrainHooks,
  type TrainingPlan,
  type TrainProgress,
  trainCursorSchema,
} from '../training/plan.js'
import { NO_RAMP } from '../training/schedules.js'
import { requirePrecision, resolveSettings, settingsShape } from '../training/settings.js'
import type { TrainingSettings } from '../training/train.js'
import { planSteps } from './plan.js'

export interface CompressOptions extends TrainingSettings {
  /**
   * Fraction of the prunable weights to remove; for the structure `filter`, of the filters. 0 ≤ sparsity < 1, and at
   * most 0.5 for `2:4`. Structures of whole groups of weights come as near to it as those allow.
   */
  sparsity: number
  /** What is removed together: single weights, filters, or a pattern that hardware runs fast. Default `unstructured`. */
  structure?: Structure | undefined
  /** How weights are ranked. Default `magnitude`. `learned` trains HYDRA's scores first, at each step. */
  score?: Score | undefined
  /** Among whom they are ranked. Default `layer`. */
  scope?: Scope | undefined
  /** Whether filters tied by an addition stay (`inner`, the default) or go together (`grouped`). */
  residual?: Residual | undefined
  /**
   * Layers whose weights (filters) stay, by their nodes' names, such as a first convolution that has few to lose; the
   * others lose the more, so that the target is met. Default none.
   */
  exclude?: readonly string[] | undefined
  /** Sparsity as a function of the step. Default `geometric`. */
  schedule?: PruneSchedule | undefined
  /** Pruning steps; default 40. */
  steps?: number | undefined
  /** Epochs of fine-tuning after each step; default 5. 0 prunes without fine-tuning. */
  epochsPerStep?: number | undefined
  /** Constant learning rate of fine-tuning; default 0.001. */
  learningRate?: number | undefined
  /** Default: what the network was trained with. */
  objective?: Objective | undefined
  /** Sparsities that one of the steps shall meet exactly, such as [0.5, 0.75]. Default none. */
  milestones?: readonly number[] | undefined
  /** Epochs of learning the scores, and their SGD's learning rate (cosine); defaults 5 and 0.1. */
  scoreEpochs?: number | undefined
  scoreLearningRate?: number | undefined

  /** Stops within one batch; a checkpoint is saved, and the signal's reason thrown. */
  signal?: AbortSignal | undefined
  onProgress?: ((progress: CompressProgress) => void) | undefined
  /** Takes warnings: training at chance, a mismatched objective. Default: Node's `process.emitWarning`. */
  onWarning?: OnWarning | undefined
  checkpoint?: Checkpointer<CompressCursor> | undefined
  /** Devices that share the batches of fine-tuning, as in training; default none. */
  moreDevices?: TrainHooks['moreDevices']
  /** Where to go on, on a network whose weights, mask and moments are as they were there. */
  start?: { cursor: CompressCursor; scores?: Floats | undefined } | undefined
}

export interface CompressStep {
  /** From 1 to `steps`. */
  step: number
  steps: number
  /** Fraction of all prunable weights that is zero now. */
  sparsity: number
  /** What the step aimed at: of weights, or of filters for the structure `filter`. */
  target: number
  filters?: { total: number; pruned: number }
  /** Whether `target` is a milestone, or the end. */
  milestone: boolean
  /** The objective of fine-tuning; none without fine-tuning. */
  objective?: Objective
  /** Whether it is the objective of pre-training. */
  matched?: boolean
  /** Loss and accuracy (percent) of the last epoch of fine-tuning, on what the objective trained on. */
  loss?: number
  accuracy?: number
  /** Of the result of a job that was stopped: its last complete step, but `sparsity` is what the network has now. */
  stopped?: true
}

/** Progress of training within a step. */
export interface CompressProgress extends TrainProgress {
  pruneStep: number
  pruneSteps: number
  phase: 'scores' | 'fineTune'
}

/** Where compression stands. Plain data. */
export interface CompressCursor {
  /** The pruning step in progress, from 1. */
  step: number
  /** `prune`: nothing of the step is done; `scores`, `fineTune`: `train` says how much of that. */
  phase: 'prune' | 'scores' | 'fineTune'
  train: TrainCursor
  /** What the step's pruning did, once it is done. */
  pruned?: Pick<CompressStep, 'sparsity' | 'filters'>
}

/** A step as a file tells it. */
export const stepSchema: z.ZodType<CompressStep> = z.looseObject({
  step: z.int(),
  steps: z.int(),
  sparsity: z.number(),
  target: z.number(),
  filters: z.exactOptional(z.object({ total: z.int(), pruned: z.int() })),
  milestone: z.boolean(),
  objective: z.exactOptional(objectiveSchema),
  matched: z.exactOptional(z.boolean()),
  loss: z.exactOptional(z.number()),
  accuracy: z.exactOptional(z.number()),
  stopped: z.exactOptional(z.literal(true)),
})

/** A cursor as a checkpoint holds it. */
export const compressCursorSchema: z.ZodType<CompressCursor> = z.looseObject({
  step: z.int().min(1),
  phase: z.enum(['prune', 'scores', 'fineTune']),
  train: trainCursorSchema,
  pruned: z.exactOptional(
    z.object({
      sparsity: z.number(),
      filters: z.exactOptional(z.object({ total: z.int(), pruned: z.int() })),
    }),
  ),
})

const schema = strict({ ...settingsShape, ...pruneShape, objective: objectiveSchema.optional() })

/** The names of the options, for completion. */
export const compressOptionNames: readonly string[] = [
  ...Object.keys(schema.shape),
  ...['signal', 'onProgress', 'onWarning', 'checkpoint', 'moreDevices', 'start'],
]

/**
 * Prunes a network in place, in steps with fine-tuning after each, which are the steps of the job; it resolves with the
 * last. Momentum starts from zero at each step, and what is pruned stays zero. From the first step to the end, to
 * `break` or to an error the network belongs to it: between two steps it can be read, evaluated and saved, but nobody
 * else writes it.
 *
 * @throws CoppiceError for wrong options, for a target that cannot be met, `ERR_BUSY` and `ERR_DIVERGED` as `train` does
 */
export const compress = (
  network: Network,
  dataset: Dataset,
  options: CompressOptions,
): Job<CompressStep, CompressStep> =>
  new Job(
    jobName('compress', network),
    (control) => compressSteps(network, dataset, options, control),
    options?.signal,
  )

async function* compressSteps(
  network: Network,
  dataset: Dataset,
  options: CompressOptions,
  { signal, halt, report }: JobControl,
): AsyncGenerator<CompressStep, JobEnd<CompressStep, CompressStep>, undefined> {
  requireNetwork(network, 'compress')
  requireDataset(dataset, 'compress')
  const {
    signal: _,
    onProgress,
    onWarning,
    checkpoint,
    start,
    moreDevices,
    ...rest
  } = optionsOf(options, 'compress')
  const settings = parse(schema, rest, 'compress')
  const others = parse(moreDevicesSchema.optional(), moreDevices, 'compress.moreDevices')
  const { sparsity, schedule, steps, epochsPerStep, milestones } = settings
  requireReachable(settings.structure, sparsity)
  using own = network.claim('compress')
  const trainedWith = own.history.objective
  const objective = settings.objective ?? trainedWith
  const needs = scoreNeeds(settings.score)
  if (objective === undefined && (epochsPerStep > 0 || needs !== undefined)) {
    throw invalid('compress: this network remembers no objective of its training; name one with `objective`')
  }
  if (start === undefined && objective !== undefined && epochsPerStep > 0 && trainedWith !== undefined) {
    tellMismatch(trainedWith, objective, onWarning)
  }
  const shared = resolveSettings(network, dataset, settings, defaultOptimiser(network.spec))
  requirePrecision(shared.precision, network.type, 'compress')
  const plan = planSteps(schedule, sparsity, steps, milestones)
  let cursor: CompressCursor = start?.cursor ?? { step: 1, phase: 'prune', train: FIRST_STEP }
  let scores = start?.scores

  let done: CompressStep = {
    step: cursor.step - 1,
    steps,
    sparsity: 0,
    target: cursor.step === 1 ? 0 : plan.at(cursor.step - 1).sparsity,
    milestone: false,
  }
  const halted = async (): Promise<JobEnd<CompressStep, CompressStep>> => {
    const place = { cursor, scores }
    const result = printedAs(
      { ...done, sparsity: await network.sparsity(), stopped: true } as const,
      describeStep,
    )
    return { result, resume: () => compress(network, dataset, { ...options, start: place }) }
  }

  /** Learns scores or weights; undefined where it was halted. */
  const trainPhase = async (
    phase: 'scores' | 'fineTune',
    details: PhaseDetails,
  ): Promise<EpochResult | null | undefined> => {
    const here = { ...cursor, phase }
    const hooks = {
      signal,
      halt,
      onWarning,
      moreDevices: others,
      onProgress: (progress: TrainProgress) => {
        const { samples, totalSamples: total, loss } = progress
        const fraction = (here.step - 1 + samples / total) / steps
        report({ label: `step ${here.step}/${steps}`, done: samples, total, loss, fraction })
        onProgress?.({ ...progress, pruneStep: here.step, pruneSteps: steps, phase })
      },
      ...(checkpoint && {
        checkpoint: {
          dueIn: () => checkpoint.dueIn(),
          save: (train: TrainCursor, learned: Floats | undefined) =>
            checkpoint.save({ ...here, train }, learned),
        },
      }),
    }
    // Each step and phase has random numbers of its own.
    const seed = hash32(shared.seed, here.step, phase === 'scores' ? 1 : 2)
    const phasePlan: TrainingPlan = { ...shared, phase: 'fineTune', ramp: NO_RAMP, ...details, seed }
    const end = await lastOf(trainingLoop(own, dataset, phasePlan, hooks, cursor.train, scores))
    scores = end.scores
    if (!end.halted) return end.last
    cursor = { ...here, train: end.cursor }
    return undefined
  }

  for (; cursor.step <= steps; cursor = { step: cursor.step + 1, phase: 'prune', train: FIRST_STEP }) {
    const { sparsity: target, milestone } = plan.at(cursor.step)
    signal.throwIfAborted()
    if (halt.aborted) return halted()
    if (cursor.phase !== 'fineTune') {
      if (needs === 'learned' && objective !== undefined) {
        if (cursor.phase === 'prune') await settle(() => own.handle.resetMoments(), signal)
        const learned = await trainPhase('scores', {
          objective,
          epochs: settings.scoreEpochs,
          optimiser: sgd(),
          learningRate: settings.scoreLearningRate,
          schedule: { kind: 'cosine' },
          learn: { kind: 'scores', keep: 1 - target },
        })
        if (learned === undefined) return halted()
      }
      const gradients =
        needs === 'gradients' && objective !== undefined
          ? (await meanGradients(own, dataset, objective, shared, signal)).gradients
          : undefined
      const pruned = await prune(own, settings, target, { learnedScores: scores, gradients })
      scores = undefined
      cursor = { ...cursor, phase: 'fineTune', train: FIRST_STEP, pruned }
    }
    let last: EpochResult | null = null
    if (objective !== undefined && epochsPerStep > 0) {
      own.history = { ...own.history, fineTunedWith: objective }
      const tuned = await trainPhase('fineTune', {
        objective,
        epochs: epochsPerStep,
        learningRate: settings.learningRate,
        schedule: { kind: 'constant' },
        learn: { kind: 'weights' },
      })
      if (tuned === undefined) return halted()
      last = tuned
    }
    const now: CompressStep = {
      step: cursor.step,
      steps,
      target,
      milestone,
      sparsity: cursor.pruned?.sparsity ?? 0,
      ...(cursor.pruned?.filters && { filters: cursor.pruned.filters }),
      ...(last && objective && { objective, loss: last.loss, accuracy: last.accuracy }),
      ...(last && objective && trainedWith && { matched: sameObjective(objective, trainedWith) }),
    }
    done = printedAs(now, describeStep)
    yield done
    if (cursor.step < steps && (checkpoint?.dueIn() ?? 1) <= 0) {
      await checkpoint?.save({ step: cursor.step + 1, phase: 'prune', train: FIRST_STEP }, undefined)
    }
  }
  return { result: done }
}

/** `step 3/40: 27.5 % pruned, loss 1.234, accuracy 45.2 %, natural`. */
const describeStep = ({ step, steps, sparsity, loss, accuracy, ...rest }: CompressStep): string =>
  [
    `step ${step}/${steps}: ${percent(sparsity)} pruned`,
    ...(rest.filters === undefined ? [] : [`${rest.filters.pruned} of ${rest.filters.total} filters`]),
    ...(loss === undefined ? [] : [`loss ${loss.toFixed(3)}`]),
    ...(accuracy === undefined ? [] : [`accuracy ${accuracy.toFixed(1)} %`]),
    ...(rest.objective === undefined ? [] : [describeObjective(rest.objective)]),
    ...(rest.matched === false ? ['mismatched'] : []),
    ...(rest.stopped ? ['stopped'] : []),
  ].join(', ')

const tellMismatch = (trained: Objective, tuned: Objective, onWarning: OnWarning | undefined): void => {
  if (sameObjective(trained, tuned)) return
  warn(
    `fine-tuning with another objective (${describeObjective(tuned)}) than the network was trained with ` +
      `(${describeObjective(trained)}) may cost the robustness that it gave; leave \`objective\` out to keep it`,
    'COPPICE_MISMATCH',
    onWarning,
  )
}

type PhaseDetails = Omit<TrainingPlan, keyof typeof settingsShape | 'augmentation' | 'phase' | 'ramp'> &
  Partial<Pick<TrainingPlan, 'optimiser'>>

/** Computes the next mask, which only grows, and puts it in force; momentum starts anew. */
async function prune(
  network: Network,
  settings: Required<Pick<PruneRequest, 'structure' | 'score' | 'scope' | 'residual' | 'seed'>> &
    Pick<PruneRequest, 'exclude'>,
  target: number,
  given: Pick<PruneRequest, 'learnedScores' | 'gradients'>,
): Promise<Pick<CompressStep, 'sparsity' | 'filters'>> {
  const { structure, score, scope, residual, exclude, seed } = settings
  const { handle } = network
  const { mask, report } = await pruneMask({
    spec: network.spec,
    layout: network.parameterLayout,
    parameters: await settle(() => handle.read('parameters')),
    previous: await settle(() => handle.read('mask')),
    structure,
    score,
    scope,
    residual,
    exclude,
    sparsity: target,
    seed,
    ...given,
  })
  await network.writeMask(mask)
  await settle(() => handle.resetMoments())
  return { sparsity: report.sparsity, ...(report.filters && { filters: report.filters }) }
}
