/** result.json and the outcome files: what a run found, with n and intervals, and what happened to every image. */
import type { Attack } from '../attacks/attack.js'
import type { Proportion } from '../base/wilson.js'
import type { Evaluation } from '../evaluation/evaluate.js'
import type { Objective } from '../objectives/index.js'
import type { Scope } from '../pruning/scopes.js'
import type { Score } from '../pruning/scores.js'
import type { Structure } from '../pruning/structures.js'
import type { Verifier } from '../verification/index.js'
import type { Verification } from '../verification/summary.js'
import type { Verdict } from '../verification/verdict.js'

/** What a verifier proved of one network. */
export interface VerifiedFigures {
  verifier: Verifier
  /** Half the side of the box, in [0,1] pixels. */
  epsilon: number
  /** Images that were judged: the first so many of the test images. */
  n: number
  vra: Proportion
  /** Images that are right, neither proved nor broken by an attack. */
  unknown: number
  /** Fraction of the neurons that are neither always on nor always off, meaned over the images that were bounded. */
  unstable?: number
}

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
  /** Verified robust accuracy by `symbolic`, the paper's verifier, where it was measured. */
  vra?: Proportion
  /** What each verifier proved. */
  verifications?: VerifiedFigures[]
  /** Benign accuracy and ERA on the validation images, where there are any. */
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
  /** How it was pruned. */
  pruning?: { structure: Structure; score: Score; scope: Scope; exclude?: readonly string[] | undefined }
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
  /** By each verifier, of the first images; a margin is null where no bounds were needed. */
  verifications?: { verifier: string; epsilon: number; verdicts: Verdict[]; margins: (number | null)[] }[]
}

export const outcomeFile = (
  row: ResultRow,
  attack: Attack,
  { perSample }: Evaluation,
  verifications: readonly Verification[],
): OutcomeFile => ({
  row,
  attack,
  indices: [...perSample.indices],
  labels: [...perSample.labels],
  predictions: [...perSample.predictions],
  losses: rounded(perSample.losses),
  adversarialPredictions: [...(perSample.adversarialPredictions ?? [])],
  adversarialLosses: rounded(perSample.adversarialLosses ?? new Float32Array(0)),
  ...(verifications.length > 0 && {
    verifications: verifications.map(({ verifier, epsilon, perSample: { verdicts, margins } }) => ({
      verifier: verifier.kind,
      epsilon,
      verdicts,
      margins: Array.from(margins, (margin) =>
        Number.isFinite(margin) ? Number(margin.toPrecision(7)) : null,
      ),
    })),
  }),
})

const rounded = (values: Float32Array): number[] =>
  Array.from(values, (value) => Number(value.toPrecision(5)))
