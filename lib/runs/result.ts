/** result.json and the outcome files: what a run found, with n and intervals, and what happened to every image. */
import { z } from 'zod'
import { type Attack, attackSchema } from '../attacks/attack.js'
import type { Proportion } from '../base/wilson.js'
import type { Evaluation } from '../evaluation/evaluate.js'
import { type Objective, objectiveSchema } from '../objectives/index.js'
import { type Scope, scopeNames } from '../pruning/scopes.js'
import { type Score, scoreNames } from '../pruning/scores.js'
import { type Structure, structureNames } from '../pruning/structures.js'
import { type Verifier, verifierSchema } from '../verification/index.js'
import type { Verification } from '../verification/summary.js'
import type { Verdict } from '../verification/verdict.js'
import { readFileAs } from './parseFile.js'

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

const proportionSchema: z.ZodType<Proportion> = z.object({
  value: z.number(),
  low: z.number(),
  high: z.number(),
  n: z.int(),
  successes: z.int(),
})
const filtersSchema = z.object({ total: z.int(), pruned: z.int() })
const leftSchema = z.object({ total: z.number(), remaining: z.number() })

const verifiedSchema: z.ZodType<VerifiedFigures> = z.object({
  verifier: verifierSchema,
  epsilon: z.number(),
  n: z.int(),
  vra: proportionSchema,
  unknown: z.int(),
  unstable: z.exactOptional(z.number()),
})

/** What a later version adds is kept. */
export const rowSchema: z.ZodType<ResultRow> = z.looseObject({
  name: z.string(),
  branch: z.string(),
  sparsity: z.number(),
  target: z.exactOptional(z.number()),
  filters: z.exactOptional(filtersSchema),
  weights: leftSchema,
  macs: leftSchema,
  objective: objectiveSchema.nullable(),
  matched: z.boolean().nullable(),
  n: z.int(),
  accuracy: proportionSchema,
  era: proportionSchema,
  vra: z.exactOptional(proportionSchema),
  verifications: z.exactOptional(z.array(verifiedSchema)),
  validation: z.exactOptional(z.object({ accuracy: proportionSchema, era: proportionSchema })),
})

const resultSchema: z.ZodType<RunResult> = z.looseObject({
  name: z.string(),
  identity: z.string(),
  seed: z.int(),
  network: z.looseObject({ name: z.string(), parameters: z.number(), macs: z.number() }),
  data: z.string(),
  objective: objectiveSchema,
  pruning: z.exactOptional(
    z.looseObject({
      structure: z.enum(structureNames),
      score: z.enum(scoreNames),
      scope: z.enum(scopeNames),
      exclude: z.array(z.string()).optional(),
    }),
  ),
  attack: attackSchema,
  rows: z.array(rowSchema),
  warnings: z.array(z.string()),
  seconds: z.number(),
})

/** One problem, however many of the numbers are none. */
const numbers = z.custom<number[]>(
  (value) => Array.isArray(value) && value.every((each) => typeof each === 'number'),
  'expected a list of numbers',
)
const VERDICTS = {
  verified: true,
  broken: true,
  brokenByRounding: true,
  misclassified: true,
  unknown: true,
} satisfies Record<Verdict, true>

const outcomeSchema: z.ZodType<OutcomeFile> = z
  .looseObject({
    row: rowSchema,
    attack: attackSchema,
    indices: numbers,
    labels: numbers,
    predictions: numbers,
    losses: numbers,
    adversarialPredictions: numbers,
    adversarialLosses: numbers,
    verifications: z.exactOptional(
      z.array(
        z.looseObject({
          verifier: z.string(),
          epsilon: z.number(),
          verdicts: z.custom<Verdict[]>(
            (value) =>
              Array.isArray(value) &&
              value.every((each) => typeof each === 'string' && Object.hasOwn(VERDICTS, each)),
            'expected a list of verdicts',
          ),
          margins: z.custom<(number | null)[]>(
            (value) =>
              Array.isArray(value) && value.every((each) => each === null || typeof each === 'number'),
            'expected a list of numbers or null',
          ),
        }),
      ),
    ),
  })
  .refine(
    ({ indices, labels, predictions, losses }) =>
      [labels, predictions, losses].every(({ length }) => length === indices.length),
    'its lists are not equally long',
  )

/** @throws CoppiceError `ERR_FILE` where the file is missing, or not what a run writes */
export const readResult = (path: string): Promise<RunResult> => readFileAs(path, resultSchema)

/** @throws CoppiceError `ERR_FILE` where the file is missing, or not what a run writes */
export const readOutcomes = (path: string): Promise<OutcomeFile> => readFileAs(path, outcomeSchema)
