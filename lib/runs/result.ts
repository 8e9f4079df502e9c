/** result.json and the outcome files: what a run found, with n and intervals, and what happened to every image. */
import type { Attack } from '../evaluation/attack.js'
import type { Evaluation } from '../evaluation/evaluate.js'
import type { Proportion } from '../evaluation/wilson.js'
import type { Objective } from '../objectives/index.js'

/** One network of the run: the dense one, or one branch at one sparsity. */
export interface ResultRow {
  /** `dense`, `matched-90`: also the name of its checkpoint and its outcomes. */
  name: string
  branch: string
  /** Fraction of the prunable weights that is zero. */
  sparsity: number
  /** What pruning aimed at: a fraction of weights, or of filters for the structure `filter`. */
  target?: number
  filters?: { total: number; pruned: number }
  /** Prunable weights and multiply-accumulates an image, in all and what the mask leaves. */
  weights: { total: number; remaining: number }
  macs: { total: number; remaining: number }
  /** What it was fine-tuned with; null where it was not. */
  objective: Objective | null
  /** Whether that is the objective of pre-training. */
  matched: boolean | null
  /** Test images. */
  n: number
  accuracy: Proportion
  era: Proportion
  /** The same figures on the validation images, where there are any. */
  validation?: { accuracy: Proportion; era: Proportion }
}

export interface RunResult {
  name: string
  identity: string
  seed: number
  network: { name: string; parameters: number; macs: number }
  data: string
  /** The objective of pre-training. */
  objective: Objective
  attack: Attack
  rows: ResultRow[]
  warnings: string[]
  /** Time spent computing, over all interruptions. */
  seconds: number
}

/** outcomes/NAME.json: one entry per image in each list, in the order of `indices`. */
export interface OutcomeFile {
  row: ResultRow
  attack: Attack
  indices: number[]
  labels: number[]
  predictions: number[]
  losses: number[]
  adversarialPredictions: number[]
  adversarialLosses: number[]
}

export const outcomeFile = (row: ResultRow, attack: Attack, { perSample }: Evaluation): OutcomeFile => ({
  row,
  attack,
  indices: [...perSample.indices],
  labels: [...perSample.labels],
  predictions: [...perSample.predictions],
  losses: rounded(perSample.losses),
  adversarialPredictions: [...(perSample.adversarialPredictions ?? [])],
  adversarialLosses: rounded(perSample.adversarialLosses ?? new Float32Array(0)),
})

const rounded = (values: Float32Array): number[] =>
  Array.from(values, (value) => Number(value.toPrecision(5)))
