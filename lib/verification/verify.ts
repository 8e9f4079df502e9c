/** Verified robust accuracy (VRA): for how many images it is proved that nothing in the box fools the network. */

import { type Attack, attackName, attackSchema, attackWithin } from '../attacks/attack.js'
import { optionsOf } from '../base/arguments.js'
import { invalid } from '../base/errors.js'
import { Job, type JobControl, type JobEnd, lastOf, nothingDone } from '../base/job.js'
import { LIMITS } from '../base/limits.js'
import { formatPixels, fractionBetween } from '../base/numbers.js'
import { batchSizeSchema, integer, parse, seedSchema, strict } from '../base/schemas.js'
import { type Dataset, requireDataset } from '../data/dataset.js'
import { jobName, type Network, requireNetwork } from '../models/network.js'
import { type Candidate, type Plan, verifyBatch } from './batch.js'
import { heldAgainst, heldTogether } from './contradiction.js'
import { type Engine, nativeEngine } from './engine.js'
import {
  defaultBatchSize,
  PAPERS_METHOD,
  stepsOf,
  type Verifier,
  type VerifierOptions,
  verifierSchema,
} from './index.js'
import { summarise, type Verification } from './summary.js'
import {
  type ImageVerdict,
  knownOf,
  type Measured,
  measuredBy,
  type RecordedOutcomes,
  verdictsOf,
} from './verdict.js'

export interface VerifyOptions {
  /** How: a name such as `crown`, or what `verifier()` gives. Default `symbolic`, the paper's. */
  verifier?: Verifier | VerifierOptions | Verifier['kind'] | undefined
  /** Half the side of the box around an image, in [0,1] pixels. */
  epsilon: number
  /** Only the first so many images; default all. */
  images?: number | undefined
  /**
   * An attack within the box, on every image that is right; of a cascade, in place of its own on what is not proved.
   * Its ε must not exceed `epsilon`. Default none, or the cascade's.
   */
  attack?: Attack | undefined
  /** An evaluation of the same images in full precision: what it found need not be found again, and is held against the proofs. */
  evaluation?: { attack?: Attack; perSample: RecordedOutcomes } | undefined
  /** Images at once; default on the CPU 8 to 256, by the verifier, on a GPU more. Memory is bounded by the verifier's `memory`, whatever this is. */
  batchSize?: number | undefined
  /** Key of the attack's random starts; default 0. */
  seed?: number | undefined
  /** Verdicts of an earlier call with the same options: these images are not verified again. */
  done?: readonly ImageVerdict[] | undefined
  /** Takes the verdicts as they are reached; awaited, so that it can store them. */
  onResult?: ((verdicts: readonly ImageVerdict[]) => void | Promise<void>) | undefined
  signal?: AbortSignal | undefined
  onProgress?: ((progress: { images: number; totalImages: number }) => void) | undefined
}

const schema = strict({
  verifier: verifierSchema.prefault(PAPERS_METHOD),
  epsilon: fractionBetween(0, 1),
  images: integer(1, LIMITS.images).optional(),
  attack: attackSchema.optional(),
  batchSize: batchSizeSchema.optional(),
  seed: seedSchema.default(0),
})

/** The names of the options, for completion. */
export const verifyOptionNames: readonly string[] = [
  ...Object.keys(schema.shape),
  ...['evaluation', 'done', 'onResult', 'signal', 'onProgress'],
]

/**
 * Verifies a network on images, one verdict each. An image is verified if a sound lower bound of its margin, over the
 * whole box and with rounding errors subtracted, is greater than 0, and it is right as it is. What contradicts a proof,
 * an attack within the box or the prediction itself, is judged in real arithmetic: if the proof is false that is an
 * error, and if fp32 alone says so the image is `brokenByRounding`. (docs/verification.md)
 *
 * @throws CoppiceError for wrong options; `ERR_UNSUPPORTED` for an operation that the bounds cannot treat;
 * `ERR_UNSOUND` where a proof is contradicted; the signal's reason when aborted, which takes effect within one batch
 */
export const verify = (
  network: Network,
  dataset: Dataset,
  options: VerifyOptions,
): Job<Verification, ImageVerdict> =>
  new Job(
    jobName('verify', network),
    (control) => verifyNetwork(network, dataset, options, control),
    options?.signal,
  )

async function* verifyNetwork(
  network: Network,
  dataset: Dataset,
  options: VerifyOptions,
  control: JobControl,
): AsyncGenerator<ImageVerdict, JobEnd<Verification, ImageVerdict>, undefined> {
  const { verification, halted } = yield* verifySteps(network, dataset, options, control)
  if (!halted) return { result: verification }
  const done = verdictsOf(verification.perSample)
  return {
    result: Object.assign(verification, { stopped: true as const }),
    resume: () => verify(network, dataset, { ...options, done }),
  }
}

/** `verify` as part of another job. */
export async function* verifySteps(
  network: Network,
  dataset: Dataset,
  options: VerifyOptions,
  control: JobControl,
): AsyncGenerator<ImageVerdict, { verification: Verification; halted: boolean }, undefined> {
  requireNetwork(network, 'verify')
  requireDataset(dataset, 'verify')
  const { seed = 0 } = optionsOf(options, 'verify')
  const signal = AbortSignal.any([control.signal, control.halt])
  return yield* stepsWith(nativeEngine(network, dataset, { seed, signal }), dataset, options, control)
}

/**
 * A verification held against what was measured on the same network and images, by `seed`: what is proved but broken in
 * fp32 alone becomes `brokenByRounding`.
 *
 * @throws CoppiceError `ERR_UNSOUND` where a proof is contradicted
 */
export const agreeing = async (
  network: Network,
  dataset: Dataset,
  verification: Verification,
  measured: Measured,
  { seed = 0, signal }: { seed?: number; signal?: AbortSignal | undefined } = {},
): Promise<Verification> => {
  const engine = nativeEngine(network, dataset, { seed, signal })
  const verdicts = verdictsOf(verification.perSample)
  return summarise(await heldAgainst(engine, verdicts, verification.epsilon, measured), verification)
}

/** Verifications of the same network and images held against each other, in the same way. */
export const consistent = (
  network: Network,
  dataset: Dataset,
  verifications: readonly Verification[],
  { seed = 0, signal }: { seed?: number; signal?: AbortSignal | undefined } = {},
): Promise<Verification[]> => heldTogether(nativeEngine(network, dataset, { seed, signal }), verifications)

/** `verify` on any engine. */
export const verifyWith = async (
  engine: Engine,
  dataset: Images,
  options: VerifyOptions,
): Promise<Verification> => {
  const never = new AbortController().signal
  const control = { signal: options.signal ?? never, halt: never, report: () => undefined }
  return (await lastOf(stepsWith(engine, dataset, options, control))).verification
}

type Images = Pick<Dataset, 'name' | 'length' | 'indices' | 'labels' | 'device'>

async function* stepsWith(
  engine: Engine,
  dataset: Images,
  options: VerifyOptions,
  { signal, halt, report }: JobControl,
): AsyncGenerator<ImageVerdict, { verification: Verification; halted: boolean }, undefined> {
  const { evaluation, done = [], onResult, onProgress, signal: _, ...rest } = options
  const settings = parse(schema, rest, 'verify')
  const { verifier, epsilon } = settings
  const n = settings.images ?? dataset.length
  if (n > dataset.length) {
    throw invalid(`verify.images: ${n} images are asked for, but ${dataset.name} has ${dataset.length}`)
  }
  const plan = planOf(verifier, epsilon, settings.attack)
  const measured = evaluation === undefined ? undefined : measuredBy(evaluation.perSample, evaluation.attack)
  const candidates = candidatesOf(dataset, n, plan, verifier.kind === 'cascade', measured)
  const verdicts = new Map(done.map((verdict) => [verdict.index, verdict]))
  const missing = candidates.filter(({ index }) => !verdicts.has(index))
  let finished = n - missing.length
  const batchSize = settings.batchSize ?? defaultBatchSize(verifier, dataset.device)
  try {
    for (let start = 0; start < missing.length && !halt.aborted; start += batchSize) {
      signal.throwIfAborted()
      for await (const reached of verifyBatch(engine, plan, missing.slice(start, start + batchSize))) {
        for (const verdict of reached) verdicts.set(verdict.index, verdict)
        finished += reached.length
        await onResult?.(reached)
        onProgress?.({ images: finished, totalImages: n })
        report({ label: `${verifier.kind}`, done: finished, total: n, fraction: finished / n })
        yield* reached
      }
    }
  } catch (error) {
    // What was halted between two answers keeps those that came before.
    if (signal.aborted || error !== halt.reason) throw error
  }
  const reached = candidates.flatMap(({ index }) => verdicts.get(index) ?? [])
  if (reached.length === 0) throw nothingDone('verify')
  const judged = measured === undefined ? reached : await heldAgainst(engine, reached, epsilon, measured)
  const earlier =
    evaluation?.attack !== undefined && evaluation.attack.epsilon <= epsilon ? evaluation.attack : null
  const attacks = [earlier, plan.attack, plan.lastAttack].flatMap((attack) =>
    attack === null ? [] : attackName(attack),
  )
  const verification = summarise(judged, { verifier, epsilon, attacks: [...new Set(attacks)] })
  return { verification, halted: reached.length < n }
}

/** What is tried on an image, in the cheapest order that is sound. */
const planOf = (verifier: Verifier, epsilon: number, attack: Attack | undefined): Plan => {
  if (attack !== undefined && attack.epsilon > epsilon) {
    throw invalid(
      `verify.attack: its eps ${formatPixels(attack.epsilon)} is larger than the ${formatPixels(epsilon)} to be ` +
        'verified; what it finds would say nothing about the box',
    )
  }
  const steps = stepsOf(verifier)
  if (verifier.kind !== 'cascade') {
    return { epsilon, steps, attack: attack ?? null, boundBroken: true, lastAttack: null }
  }
  const named = (name: string): Attack | null => (name === 'none' ? null : attackWithin(epsilon, name))
  const lastAttack = attack ?? named(verifier.attack)
  return { epsilon, steps, attack: named(verifier.quickAttack), boundBroken: false, lastAttack }
}

/** The images, and what an evaluation has told of them already. */
const candidatesOf = (
  { indices, labels }: Pick<Dataset, 'indices' | 'labels'>,
  n: number,
  { attack, epsilon }: Plan,
  isCascade: boolean,
  measured: Measured | undefined,
): Candidate[] => {
  const attackedAlready = attack === null || (isCascade && measured?.epsilon === epsilon)
  const known = (image: { index: number; label: number }) => {
    const findings = measured && knownOf(measured, image, epsilon)
    return attackedAlready || findings?.broken !== undefined ? findings : undefined
  }
  return Array.from({ length: n }, (_, place) => {
    const image = { index: indices[place] ?? 0, label: labels[place] ?? 0 }
    return { ...image, known: known(image) }
  })
}
