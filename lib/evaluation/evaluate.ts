/** Benign, empirical robust (ERA) and, with a verifier, verified robust accuracy (VRA), with every image's outcome. */

import { settle } from '../../bindings/jobs.js'
import { addon } from '../../bindings/load.js'
import type { Precision } from '../../bindings/native.js'
import {
  type Attack,
  attackName,
  attackParts,
  attackSchema,
  describeAttack,
  nativeAttack,
} from '../attacks/attack.js'
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
import { brief, type ImageOutcome, listsOf, type Outcomes, outcomesIn } from './outcome.js'
import { type Accuracies, countOf, tally } from './tally.js'

export type { ImageOutcome, Outcomes } from './outcome.js'

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
  /** Outcomes of an earlier call with the same options, under an attack: these images are not evaluated again. */
  done?: readonly ImageOutcome[] | undefined
  /** Takes the outcomes batch by batch; awaited, so that it can store them. */
  onResult?: ((outcomes: readonly ImageOutcome[]) => void | Promise<void>) | undefined
  signal?: AbortSignal | undefined
  /** Images evaluated so far; with a verifier each counts twice, as it is evaluated and then verified. */
  onProgress?: ((progress: { samples: number; totalSamples: number }) => void) | undefined
}

/** Benign (`accuracy`) and empirical robust accuracy (`era`), and what was asked for besides. */
export interface Evaluation extends Accuracies {
  /** Images evaluated. */
  n: number
  attack?: Attack
  /** With an attack of several parts: how many images each of them broke. */
  broken?: Readonly<Record<string, number>>
  /** With a verifier: verified robust accuracy, and what proved it at which ε. */
  vra?: Proportion
  verifier?: Verifier
  epsilon?: number
  /** Whether it was stopped before its end: the figures are those of the images so far, without VRA. */
  stopped?: true
  perSample: Outcomes
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

/** The names of the options, for completion. */
export const evaluateOptionNames: readonly string[] = [
  ...Object.keys(schema.shape),
  ...['done', 'onResult', 'signal', 'onProgress'],
]

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
): Job<Evaluation, ImageOutcome> => evaluateFrom(network, dataset, options, [])

/** Goes on with an evaluation that was stopped while it was proving: `proved` are the verdicts so far. */
const evaluateFrom = (
  network: Network,
  dataset: Dataset,
  options: EvaluateOptions,
  proved: readonly ImageVerdict[],
): Job<Evaluation, ImageOutcome> =>
  new Job(
    jobName('evaluate', network),
    (control) => evaluateSteps(network, dataset, options, proved, control),
    options?.signal,
  )

async function* evaluateSteps(
  network: Network,
  dataset: Dataset,
  options: EvaluateOptions,
  proved: readonly ImageVerdict[],
  control: JobControl,
): AsyncGenerator<ImageOutcome, JobEnd<Evaluation, ImageOutcome>, undefined> {
  requireNetwork(network, 'evaluate')
  requireDataset(dataset, 'evaluate')
  const { signal: _, onProgress, onResult, done = [], ...rest } = optionsOf(options, 'evaluate')
  const settings = parse(schema, rest, 'evaluate')
  const attack = settings.attack ?? attackOf(settings.robust)
  const n = countOf('evaluate', settings.images, dataset)
  const { verifier, seed, batchSize = network.device === 'cpu' ? 250 : 1000 } = settings
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
  const found = new Map(done.map((outcome) => [outcome.index, outcome]))
  const indexOf = (place: number) => dataset.indices[place] ?? 0
  const places = Array.from({ length: n }, (_, place) => place)
  const missing = places.filter((place) => !found.has(indexOf(place)))
  const either = AbortSignal.any([control.signal, control.halt])
  for (let start = 0, size = batchSize; start < missing.length && !control.halt.aborted; ) {
    const some = missing.slice(start, start + size)
    const before = n - missing.length + start
    const request = {
      indices: Uint32Array.from(some, indexOf),
      ...{ batchSize, precision, attack: attack === undefined ? null : nativeAttack(attack), seed },
    }
    const job = settle(
      () =>
        addon().evaluate(network.handle, dataset.handle, request, ({ samples }) =>
          tell('images', before + samples),
        ),
      either,
    )
    const result = await unlessHalted(job, control)
    if (result === undefined) break
    // Few batches at first, so that an evaluation that is stopped loses little; handed over, each is a job.
    if (onResult === undefined && result.seconds < PART_SECONDS / 2) size *= 2
    start += some.length
    tell('images', before + some.length)
    const labels = some.map((place) => dataset.labels[place] ?? 0)
    const reached = outcomesIn(request.indices, labels, result, attack)
    for (const outcome of reached) found.set(outcome.index, outcome)
    await onResult?.(reached)
    yield* reached
  }
  if (found.size === 0 && n > 0) throw nothingDone('evaluate')
  const verdicts: ImageVerdict[] = [...proved]
  const resume = () => evaluateFrom(network, dataset, { ...options, done: [...found.values()] }, verdicts)
  const outcomes = places.flatMap((place) => found.get(indexOf(place)) ?? [])
  const evaluation = summarise(outcomes, attack)
  const stopped = () => printedAs({ ...evaluation, stopped: true as const }, describeEvaluation)
  if (outcomes.length < n) return { result: stopped(), resume }
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
  const ended = await lastOf(proving).catch((error: unknown) => {
    if (control.halt.aborted && verdicts.length === 0) return undefined
    throw error
  })
  if (ended === undefined || ended.halted) return { result: stopped(), resume }
  const { vra, perSample } = ended.verification
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

/** Native jobs take so long at most, where a batch does not take longer. */
const PART_SECONDS = 1

/** The result of a native job; undefined where the evaluation was halted meanwhile. */
const unlessHalted = <T>(job: Promise<T>, { signal, halt }: JobControl): Promise<T | undefined> =>
  job.catch((error: unknown) => {
    if (signal.aborted || error !== halt.reason) throw error
    return undefined
  })

const summarise = (outcomes: readonly ImageOutcome[], attack: Attack | undefined): Evaluation => {
  const perSample = listsOf(outcomes, attack)
  const parts = attack === undefined ? [] : attackParts(attack).map(attackName)
  const evaluation: Evaluation = {
    n: outcomes.length,
    ...tally(perSample.labels, perSample.predictions, perSample.adversarialPredictions),
    ...(attack && { attack }),
    ...(parts.length > 1 && {
      broken: Object.fromEntries(
        parts.map((name) => [name, outcomes.filter(({ brokenBy }) => brokenBy === name).length]),
      ),
    }),
    perSample: brief(perSample),
  }
  return printedAs(evaluation, describeEvaluation)
}

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
