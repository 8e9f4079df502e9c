/** Benign, empirical robust (ERA) and, with a verifier, verified robust accuracy (VRA), with every image's outcome. */

import { settle } from '../../bindings/jobs.js'
import { addon } from '../../bindings/load.js'
import type { EvaluateRequest, EvaluateResult, Precision } from '../../bindings/native.js'
import { type Attack, attackSchema, describeAttack, nativeAttack } from '../attacks/attack.js'
import { optionsOf } from '../base/arguments.js'
import { invalid } from '../base/errors.js'
import { Job, type JobControl, type JobEnd, lastOf, nothingDone } from '../base/job.js'
import { LIMITS } from '../base/limits.js'
import { formatPixels, fractionBetween } from '../base/numbers.js'
import { printedAs } from '../base/printed.js'
import { batchSizeSchema, choice, integer, parse, seedSchema, strict } from '../base/schemas.js'
import { formatProportion, type Proportion } from '../base/wilson.js'
import { type Dataset, requireDataset } from '../data/dataset.js'
import { defaultPrecision, jobName, type Network, requireNetwork } from '../models/network.js'
import { type Objective, objectiveSchema } from '../objectives/index.js'
import { attackOf, epsilonToProve } from '../objectives/target.js'
import { requirePrecision } from '../training/settings.js'
import {
  describeVerifier,
  type Verifier,
  type VerifierOptions,
  verifierSchema,
} from '../verification/index.js'
import type { ImageVerdict } from '../verification/verdict.js'
import { verifySteps } from '../verification/verify.js'
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
  /** Default 250. */
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
  /** Whether it was stopped before its end: the figures are those of the images so far, without VRA. */
  stopped?: true
  perSample: Outcomes
}

/** What happened to one image. */
export interface ImageOutcome {
  /** Index in the whole data set. */
  index: number
  label: number
  /** −1 where a logit is NaN or infinite. */
  prediction: number
  /** Cross-entropy. */
  loss: number
  adversarialPrediction?: number
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
  batchSize: batchSizeSchema.default(250),
  precision: choice(['fp32', 'bf16', 'fp64']).optional(),
  seed: seedSchema.default(0),
})

/** The names of the options, for completion. */
export const evaluateOptionNames: readonly string[] = [...Object.keys(schema.shape), 'signal', 'onProgress']

/**
 * Evaluates a network. An image counts for ERA only if it is right both as it is and under attack, so that ERA never
 * exceeds benign accuracy. The attack keeps the best of its restarts per image, rechecked on the stored input. With a
 * verifier, VRA is measured too; a proof that the attack contradicts does not count, and is an error unless fp32 alone contradicts it, so that VRA never exceeds ERA at the
 * same ε. (In bf16 the attack is on another function than what is proved, and they are not compared.)
 *
 * @throws CoppiceError for wrong options; `ERR_UNSOUND` where a proof is contradicted; the signal's reason when
 * aborted, which takes effect within one batch
 */
export const evaluate = (
  network: Network,
  dataset: Dataset,
  options: EvaluateOptions = {},
): Job<Evaluation, ImageOutcome> => evaluateFrom(network, dataset, options, { parts: [], verdicts: [] })

/** What an evaluation that was stopped has done. */
interface Done {
  readonly parts: readonly EvaluateResult[]
  readonly verdicts: readonly ImageVerdict[]
}

const evaluateFrom = (
  network: Network,
  dataset: Dataset,
  options: EvaluateOptions,
  done: Done,
): Job<Evaluation, ImageOutcome> =>
  new Job(
    jobName('evaluate', network),
    (control) => evaluateSteps(network, dataset, options, done, control),
    options?.signal,
  )

async function* evaluateSteps(
  network: Network,
  dataset: Dataset,
  options: EvaluateOptions,
  done: Done,
  control: JobControl,
): AsyncGenerator<ImageOutcome, JobEnd<Evaluation, ImageOutcome>, undefined> {
  requireNetwork(network, 'evaluate')
  requireDataset(dataset, 'evaluate')
  const { signal: _, onProgress, ...rest } = optionsOf(options, 'evaluate')
  const settings = parse(schema, rest, 'evaluate')
  const attack = settings.attack ?? attackOf(settings.robust)
  const n = countOf('evaluate', settings.images, dataset)
  const { verifier, seed, batchSize } = settings
  const epsilon = epsilonToProve({ epsilon: settings.epsilon, objective: settings.robust, attack })
  if (verifier !== undefined && epsilon === undefined) {
    throw invalid(
      'evaluate.epsilon: give the ε to verify at, or a robust objective or an attack that has one',
    )
  }
  const totalSamples = verifier === undefined ? n : 2 * n
  const precision = settings.precision ?? defaultPrecision(network)
  requirePrecision(precision, network.type, 'evaluate')
  const tell = (label: string, samples: number): void => {
    control.report({ label, done: samples, total: totalSamples, fraction: samples / totalSamples })
    onProgress?.({ samples, totalSamples })
  }
  const { indices } = dataset
  const request = { batchSize, precision, attack: attack === undefined ? null : nativeAttack(attack), seed }
  const run = partsOf({ network, dataset, indices: indices.slice(0, n), request }, done.parts, control, tell)
  const parts: EvaluateResult[] = [...done.parts]
  let count = imagesOf(parts)
  for await (const part of run) {
    parts.push(part)
    yield* outcomesOf(part, indices.subarray(count), dataset.labels.subarray(count))
    count = imagesOf(parts)
  }
  const verdicts: ImageVerdict[] = [...done.verdicts]
  const resume = () => evaluateFrom(network, dataset, options, { parts, verdicts })
  if (count === 0 && n > 0) throw nothingDone('evaluate')
  const whole = joined(parts)
  const evaluation = summarise(indices.slice(0, count), dataset.labels.slice(0, count), whole, attack)
  const stopped = () => printedAs({ ...evaluation, stopped: true as const }, describeEvaluation)
  if (count < n) return { result: stopped(), resume }
  if (verifier === undefined || epsilon === undefined) return { result: evaluation }
  const proving = verifySteps(
    network,
    dataset,
    {
      ...{ verifier, epsilon, seed, images: n, done: verdicts },
      evaluation: precision === 'bf16' ? undefined : evaluation,
      onResult: (reached) => void verdicts.push(...reached),
      onProgress: ({ images }) => tell(verifier.kind, n + images),
    },
    { ...control, report: () => undefined },
  )
  const proved = await lastOf(proving).catch((error: unknown) => {
    if (control.halt.aborted && verdicts.length === 0) return undefined
    throw error
  })
  if (proved === undefined || proved.halted) return { result: stopped(), resume }
  const { vra, perSample } = proved.verification
  const verified = Uint8Array.from(perSample.verdicts, (verdict) => (verdict === 'verified' ? 1 : 0))
  const result = {
    ...evaluation,
    vra,
    verifier,
    epsilon,
    perSample: brief({ ...evaluation.perSample, verified, margins: perSample.margins }),
  }
  return { result: printedAs(result, describeEvaluation) }
}

/** Native jobs take so long at most, so that one that is stopped loses little. */
const PART_SECONDS = 1

interface Work {
  network: Network
  dataset: Dataset
  indices: Uint32Array
  request: Omit<EvaluateRequest, 'indices'>
}

/** Evaluates in parts of whole batches, few at first, until halted; batches are the same as in one part. */
async function* partsOf(
  { network, dataset, indices, request }: Work,
  done: readonly EvaluateResult[],
  { signal, halt }: JobControl,
  tell: (label: string, samples: number) => void,
): AsyncGenerator<EvaluateResult> {
  const either = AbortSignal.any([signal, halt])
  let start = imagesOf(done)
  for (let size = request.batchSize; start < indices.length; ) {
    const part = indices.slice(start, start + size)
    const before = start
    const onPart = ({ samples }: { samples: number }) => tell('images', before + samples)
    try {
      const asked = { ...request, indices: part }
      const result = await settle(
        () => addon().evaluate(network.handle, dataset.handle, asked, onPart),
        either,
      )
      if (result.seconds < PART_SECONDS / 2) size *= 2
      start += part.length
      tell('images', start)
      yield result
    } catch (error) {
      if (signal.aborted || error !== halt.reason) throw error
      return
    }
  }
}

const imagesOf = (parts: readonly EvaluateResult[]): number =>
  parts.reduce((sum, { predictions }) => sum + predictions.length, 0)

function* outcomesOf(
  { predictions, losses, adversarialPredictions: adversarial }: EvaluateResult,
  indices: Uint32Array,
  labels: Uint8Array,
): Generator<ImageOutcome> {
  for (const [place, prediction] of predictions.entries()) {
    const adversarialPrediction = adversarial?.[place]
    yield {
      index: indices[place] ?? 0,
      label: labels[place] ?? 0,
      prediction,
      loss: losses[place] ?? Number.NaN,
      ...(adversarialPrediction !== undefined && { adversarialPrediction }),
    }
  }
}

const joined = (parts: readonly EvaluateResult[]): EvaluateResult => {
  const floats = (of: (part: EvaluateResult) => Float32Array | null) =>
    Float32Array.from(parts.flatMap((part) => [...(of(part) ?? [])]))
  const classes = (of: (part: EvaluateResult) => Int32Array | null) =>
    Int32Array.from(parts.flatMap((part) => [...(of(part) ?? [])]))
  const attacked = parts.some(({ adversarialPredictions }) => adversarialPredictions !== null)
  return {
    predictions: classes(({ predictions }) => predictions),
    losses: floats(({ losses }) => losses),
    adversarialPredictions: attacked ? classes((part) => part.adversarialPredictions) : null,
    adversarialLosses: attacked ? floats((part) => part.adversarialLosses) : null,
    images: null,
    adversarialImages: null,
    seconds: parts.reduce((sum, { seconds }) => sum + seconds, 0),
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
  const counted = tally(labels, predictions, attack && adversarialPredictions)
  const evaluation: Evaluation = printedAs(
    { n, ...counted, perSample: brief({ indices, labels, predictions, losses }) },
    describeEvaluation,
  )
  if (attack === undefined || adversarialPredictions === null || adversarialLosses === null) return evaluation
  const perSample = { indices, labels, predictions, losses, adversarialPredictions, adversarialLosses }
  return printedAs({ ...evaluation, attack, perSample: brief(perSample) }, describeEvaluation)
}

/** Prints outcomes as a few words; at a prompt nobody wants thousands of numbers. */
const brief = (outcomes: Outcomes): Outcomes =>
  printedAs(outcomes, ({ indices }) => `{ ${Object.keys(outcomes).join(', ')} of ${indices.length} images }`)

/** `Evaluation { accuracy 85.3 [83.0, 87.4], era …, n 1000, … }`. */
const describeEvaluation = (evaluation: Evaluation): string => {
  const { accuracy, era, vra, n, notFinite, attack, verifier, epsilon, stopped } = evaluation
  const facts = [
    `accuracy ${formatProportion(accuracy)}`,
    ...(era === undefined ? [] : [`era ${formatProportion(era)}`]),
    ...(vra === undefined ? [] : [`vra ${formatProportion(vra)}`]),
    `n ${n}`,
    ...(attack === undefined ? [] : [describeAttack(attack)]),
    ...(verifier === undefined ? [] : [`${describeVerifier(verifier)}, eps ${formatPixels(epsilon ?? 0)}`]),
    ...(notFinite === undefined ? [] : [`${notFinite} with logits that are not finite`]),
    ...(stopped ? ['stopped'] : []),
  ]
  return `Evaluation { ${facts.join(', ')} }`
}
