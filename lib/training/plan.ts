/** A phase of training as data: what is to be done, where it stands, and what is told on the way. */
import { z } from 'zod'
import type { Device, Floats, NativeAugmentation, Precision } from '../../bindings/native.js'
import type { OnWarning } from '../base/warnings.js'
import type { Objective } from '../objectives/index.js'
import type { Optimiser } from './optimiser.js'
import type { LearningRateSchedule, Ramp } from './schedules.js'

/** A phase of training with nothing left to default. */
export interface TrainingPlan {
  /** Pre-training runs through the schedules of ε and of the loss; fine-tuning starts where they end. */
  phase: 'pretrain' | 'fineTune'
  objective: Objective
  epochs: number
  optimiser: Optimiser
  learningRate: number
  schedule: LearningRateSchedule
  /** How pre-training comes to the full ε. */
  ramp: Ramp
  batchSize: number
  precision: Precision
  /** Decay per step of the mean of the weights that the phase ends with. */
  averaging?: number | undefined
  labelSmoothing?: number | undefined
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

/** `epoch 3: loss 1.234, accuracy 45.2 %, learning rate 0.01`. */
export const describeEpoch = ({ epoch, loss, accuracy, learningRate }: EpochResult): string =>
  `epoch ${epoch}: loss ${loss.toFixed(3)}, accuracy ${accuracy.toFixed(1)} %, learning rate ${Number(learningRate.toPrecision(3))}`

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
  /** Told in one sentence when training goes nowhere. Default: Node's `process.emitWarning`. */
  onWarning?: OnWarning | undefined
  checkpoint?: Checkpointer<TrainCursor> | undefined
  /**
   * Devices that share each batch with the network's own, in contiguous slices, each with a copy of the network: other
   * CUDA devices of this host for a network on one (sums by NCCL), or `cpu` for each further thread of the CPU. Batch norm
   * sees the whole batch; results are those of one device but for the order of sums. Default none.
   */
  moreDevices?: readonly Device[] | undefined
  /** Where to go on, on a network whose weights and moments are as they were there. Default: at the beginning. */
  start?: TrainCursor | undefined
}

/** A cursor as a checkpoint holds it. */
export const trainCursorSchema: z.ZodType<TrainCursor> = z.looseObject({
  epoch: z.int().min(0),
  step: z.int().min(0),
  loss: z.number(),
  correct: z.int(),
  samples: z.int(),
  aboveChance: z.boolean(),
  last: z
    .looseObject({ epoch: z.int(), loss: z.number(), accuracy: z.number(), learningRate: z.number() })
    .nullable(),
})

export const FIRST_STEP: TrainCursor = Object.freeze({
  epoch: 0,
  step: 0,
  loss: 0,
  correct: 0,
  samples: 0,
  aboveChance: false,
  last: null,
})
