/** Benign, empirical robust (ERA) and, with a verifier, verified robust accuracy (VRA), with every image's outcome. */

import { inspect } from 'node:util'
import { settle } from '../../bindings/jobs.js'
import { addon } from '../../bindings/load.js'
import type { EvaluateResult, Precision } from '../../bindings/native.js'
import { type Attack, attackName, attackParts, attackSchema, nativeAttack } from '../attacks/attack.js'
import { optionsOf } from '../base/arguments.js'
import { invalid } from '../base/errors.js'
import { LIMITS } from '../base/limits.js'
import { fractionBetween } from '../base/numbers.js'
import { batchSizeSchema, choice, integer, parse, seedSchema, strict } from '../base/schemas.js'
import type { Proportion } from '../base/wilson.js'
import { type Dataset, requireDataset } from '../data/dataset.js'
import { defaultPrecision, type Network, requireNetwork } from '../models/network.js'
import { type Objective, objectiveSchema } from '../objectives/index.js'
import { attackOf, epsilonToProve } from '../objectives/target.js'
import { requirePrecision } from '../training/settings.js'
import { type Verifier, type VerifierOptions, verifierSchema } from '../verification/index.js'
import { verify } from '../verification/verify.js'
import { type Accuracies, countOf, tally } from './tally.js'

export interface EvaluateOptions {
  /** A robust objective: its ε, step size and steps make the attack. */
  robust?: Objective | undefined
  /** The attack itself, instead of `robust`. With neither, only benign accuracy is measured. */
  attack?: Attack | undefined
  /** Verifies as well: a name such as `symbolic`, the paper's, or what `verifier()` gives. */
  verifier?: Verifier | VerifierOptions | Verifier['kind'] | undefined
  /** ε to verify at, in [0,1] pixels; default that of `robust` if it is on bounds, else of the attack. */
  epsilon?: number | undefined
  /** Only the first so many images; default all. */
  images?: number | undefined
  /** Default 250 on the CPU, 1,000 on CUDA. */
  batchSize?: number | undefined
  /** Default: `fp64` for float64 networks, else `fp32`. */
  precision?: Precision | undefined
  /** Key of the attack's random starts; default 0. */
  seed?: number | undefined
  signal?: AbortSignal | undefined
  /** Images evaluated so far; with a verifier each counts twice, as it is evaluated and then verified. */
  onProgress?: ((progress: { samples: number; totalSamples: number }) => void) | undefined
}

/** Benign (`accuracy`) and empirical robust accuracy (`era`), and what was asked for besides. */
export interface Evaluation extends Accuracies {
  /** Images evaluated. */
  n: number
  attack?: Attack
  /** With a verifier: verified robust accuracy, and what proved it at which ε. */
  vra?: Proportion
  verifier?: Verifier
  epsilon?: number
  perSample: Outcomes
}

/** What happened to each image, in the order of `indices`. */
export interface Outcomes {
  /** Index in the whole data set. */
  indices: Uint32Array
  labels: Uint8Array
  /** −1 where a logit is NaN or infinite, which is wrong whatever the label. */
  predictions: Int32Array
  /** Cross-entropy. */
  losses: Float32Array
  adversarialPredictions?: Int32Array
  adversarialLosses?: Float32Array
  /** With an attack: the name of the one that broke the image; null where none did, or it is wrong as it is. */
  brokenBy?: (string | null)[]
  /** With a verifier: 1 where the image is proved right in the whole box. */
  verified?: Uint8Array
  /** Sound lower bounds of the margin; NaN where no bounds were needed. */
  margins?: Float64Array
}

const schema = strict({
  robust: objectiveSchema.optional(),
  attack: attackSchema.optional(),
  verifier: verifierSchema.optional(),
  epsilon: fractionBetween(0, 1).optional(),
  images: integer(1, LIMITS.images).optional(),
  batchSize: batchSizeSchema.optional(),
  precision: choice(['fp32', 'bf16', 'fp64']).optional(),
  seed: seedSchema.default(0),
})

/**
 * Evaluates a network. An image counts for ERA only if it is right both as it is and under attack, so that ERA never
 * exceeds benign accuracy. The attack keeps the best of its restarts per image, rechecked on the stored input. With a
 * verifier, VRA is measured too; a proof that the attack contradicts does not count, and is an error unless fp32 alone contradicts it, so that VRA never exceeds ERA at the
 * same ε. (In bf16 the attack is on another function than what is proved, and they are not compared.)
 *
 * @throws CoppiceError for wrong options; `ERR_UNSOUND` where a proof is contradicted; the signal's reason when
 * aborted, which takes effect within one batch
 */
export async function evaluate(
  network: Network,
  dataset: Dataset,
  options: EvaluateOptions = {},
): Promise<Evaluation> {
  requireNetwork(network, 'evaluate')
  requireDataset(dataset, 'evaluate')
  const { signal, onProgress, ...rest } = optionsOf(options, 'evaluate')
  const settings = parse(schema, rest, 'evaluate')
  const attack = settings.attack ?? attackOf(settings.robust)
  const n = countOf('evaluate', settings.images, dataset)
  const epsilon = epsilonToProve({ epsilon: settings.epsilon, objective: settings.robust, attack })
  if (settings.verifier !== undefined && epsilon === undefined) {
    throw invalid(
      'evaluate.epsilon: give the ε to verify at, or a robust objective or an attack that has one',
    )
  }
  const totalSamples = settings.verifier === undefined ? n : 2 * n
  const precision = settings.precision ?? defaultPrecision(network)
  requirePrecision(precision, network.type, 'evaluate')
  const indices = dataset.indices.slice(0, n)
  const result = await settle(
    () =>
      addon().evaluate(
        network.handle,
        dataset.handle,
        {
          indices,
          batchSize: settings.batchSize ?? (network.device === 'cpu' ? 250 : 1000),
          precision,
          attack: attack === undefined ? null : nativeAttack(attack),
          seed: settings.seed,
        },
        onProgress === undefined ? null : ({ samples }) => onProgress({ samples, totalSamples }),
      ),
    signal,
  )
  const evaluation = summarise(indices, dataset.labels.slice(0, n), result, attack)
  const { verifier } = settings
  if (verifier === undefined || epsilon === undefined) return evaluation
  const { vra, perSample } = await verify(network, dataset, {
    verifier,
    epsilon,
    images: n,
    evaluation: precision === 'bf16' ? undefined : evaluation,
    seed: settings.seed,
    signal,
    onProgress: onProgress && (({ images }) => onProgress({ samples: n + images, totalSamples })),
  })
  const verified = Uint8Array.from(perSample.verdicts, (verdict) => (verdict === 'verified' ? 1 : 0))
  return {
    ...evaluation,
    vra,
    verifier,
    epsilon,
    perSample: brief({ ...evaluation.perSample, verified, margins: perSample.margins }),
  }
}

const summarise = (
  indices: Uint32Array,
  labels: Uint8Array,
  result: EvaluateResult,
  attack: Attack | undefined,
): Evaluation => {
  const n = indices.length
  const { predictions, losses, adversarialPredictions, adversarialLosses } = result
  const names = attack && attackParts(attack).map(attackName)
  const counted = tally(labels, predictions, attack && adversarialPredictions)
  const evaluation: Evaluation = {
    n,
    ...counted,
    perSample: brief({ indices, labels, predictions, losses }),
  }
  if (attack === undefined || adversarialPredictions === null || adversarialLosses === null) return evaluation
  const brokenBy = Array.from(predictions, (prediction, image) =>
    prediction === labels[image] ? (names?.[result.brokenBy?.[image] ?? -1] ?? null) : null,
  )
  const perSample = {
    ...{ indices, labels, predictions, losses, adversarialPredictions, adversarialLosses, brokenBy },
  }
  return { ...evaluation, attack, perSample: brief(perSample) }
}

/** Prints outcomes as a few words; at a prompt nobody wants thousands of numbers. */
const brief = (outcomes: Outcomes): Outcomes =>
  Object.defineProperty(outcomes, inspect.custom, {
    value: () => `{ ${Object.keys(outcomes).join(', ')} of ${outcomes.indices.length} images }`,
  })
