/** Benign accuracy and empirical robust accuracy (ERA), with intervals and every sample's outcome. */
import { inspect } from 'node:util'
import { addon } from '../../bindings/load.js'
import type { EvaluateResult, Precision } from '../../bindings/native.js'
import type { Dataset } from '../data/dataset.js'
import { invalid } from '../errors.js'
import { settle } from '../jobs.js'
import { defaultPrecision, type Network } from '../networks/network.js'
import { type Objective, objectiveSchema } from '../objectives/index.js'
import { choice, integer, parse, strict } from '../schemas.js'
import { type Attack, attackSchema, pgd } from './attack.js'
import { type Proportion, proportion } from './wilson.js'

export interface EvaluateOptions {
  /** A robust objective: its ε, step size and steps make the attack. */
  robust?: Objective | undefined
  /** The attack itself, instead of `robust`. With neither, only benign accuracy is measured. */
  attack?: Attack | undefined
  /** Only the first so many images; default all. */
  images?: number | undefined
  /** Default 250. */
  batchSize?: number | undefined
  /** Default: `fp64` for float64 networks, else `fp32`. */
  precision?: Precision | undefined
  /** Key of the attack's random starts; default 0. */
  seed?: number | undefined
  signal?: AbortSignal | undefined
  onProgress?: ((progress: { samples: number; totalSamples: number }) => void) | undefined
}

export interface Evaluation {
  /** Images evaluated. */
  n: number
  /** Benign accuracy. */
  accuracy: Proportion
  /** Empirical robust accuracy: right on the image and on the strongest adversarial example found. */
  era?: Proportion
  attack?: Attack
  perSample: Outcomes
}

/** What happened to each image, in the order of `indices`. */
export interface Outcomes {
  /** Index in the whole data set. */
  indices: Uint32Array
  labels: Uint8Array
  predictions: Int32Array
  /** Cross-entropy. */
  losses: Float32Array
  adversarialPredictions?: Int32Array
  adversarialLosses?: Float32Array
}

const schema = strict({
  robust: objectiveSchema.optional(),
  attack: attackSchema.optional(),
  images: integer(1).optional(),
  batchSize: integer(1).default(250),
  precision: choice(['fp32', 'bf16', 'fp64']).optional(),
  seed: integer(0).default(0),
})

/**
 * Evaluates a network. An image counts for ERA only if it is right both as it is and under attack, so that ERA never
 * exceeds benign accuracy. The attack keeps the best of its restarts per image, rechecked on the stored input.
 *
 * @throws CoppiceError for wrong options; the signal's reason when aborted, which takes effect within one batch
 */
export async function evaluate(
  network: Network,
  dataset: Dataset,
  options: EvaluateOptions = {},
): Promise<Evaluation> {
  const { signal, onProgress, ...rest } = options
  const settings = parse(schema, rest, 'evaluate')
  const attack = settings.attack ?? attackOf(settings.robust)
  const n = settings.images ?? dataset.length
  if (n > dataset.length) {
    throw invalid(`evaluate.images: ${n} images are asked for, but ${dataset.name} has ${dataset.length}`)
  }
  const indices = dataset.indices.slice(0, n)
  const result = await settle(
    () =>
      addon().evaluate(
        network.handle,
        dataset.handle,
        {
          indices,
          batchSize: settings.batchSize,
          precision: settings.precision ?? defaultPrecision(network),
          attack: attack ?? null,
          seed: settings.seed,
        },
        onProgress === undefined ? null : ({ samples }) => onProgress({ samples, totalSamples: n }),
      ),
    signal,
  )
  return summarise(indices, dataset.labels.slice(0, n), result, attack)
}

/** The attack that a robust objective trains against, from a uniform start; none for `natural`. */
export const attackOf = (objective: Objective | undefined): Attack | undefined => {
  if (objective === undefined || objective.kind === 'natural') return undefined
  const { epsilon, stepSize, steps } = objective
  return pgd({ epsilon, stepSize, steps })
}

const summarise = (
  indices: Uint32Array,
  labels: Uint8Array,
  result: EvaluateResult,
  attack: Attack | undefined,
): Evaluation => {
  const n = indices.length
  const { predictions, losses, adversarialPredictions, adversarialLosses } = result
  const right = labels.map((label, sample) => (predictions[sample] === label ? 1 : 0))
  const evaluation: Evaluation = {
    n,
    accuracy: proportion(sum(right), n),
    perSample: brief({ indices, labels, predictions, losses }),
  }
  if (attack === undefined || adversarialPredictions === null || adversarialLosses === null) return evaluation
  const robust = right.map((one, sample) => (adversarialPredictions[sample] === labels[sample] ? one : 0))
  return {
    ...evaluation,
    era: proportion(sum(robust), n),
    attack,
    perSample: brief({ indices, labels, predictions, losses, adversarialPredictions, adversarialLosses }),
  }
}

/** Prints outcomes as a few words; at a prompt nobody wants thousands of numbers. */
const brief = (outcomes: Outcomes): Outcomes =>
  Object.defineProperty(outcomes, inspect.custom, {
    value: () => `{ ${Object.keys(outcomes).join(', ')} of ${outcomes.indices.length} images }`,
  })

const sum = (values: Uint8Array): number => values.reduce((total, value) => total + value, 0)
