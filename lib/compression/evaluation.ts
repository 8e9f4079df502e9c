/** The evaluation of one network of a run: benign accuracy, ERA, and VRA where the recipe or the objective wants it. */
import { existsSync } from 'node:fs'
import { z } from 'zod'
import { settle } from '../../bindings/jobs.js'
import type { Device } from '../../bindings/native.js'
import type { Dataset } from '../data/index.js'
import { type Evaluation, evaluate } from '../evaluation/evaluate.js'
import { writeJson } from '../files/json.js'
import { readModel } from '../models/modelFile.js'
import { Network } from '../models/network.js'
import { describeNetwork } from '../networks/describe.js'
import { remainingMacs, sparsity } from '../pruning/sparsity.js'
import { valueIn } from '../runs/parseFile.js'
import { outcomeFile, type ResultRow, readOutcomes, type VerifiedFigures } from '../runs/result.js'
import { PAPERS_METHOD, verificationWork } from '../verification/index.js'
import type { Verification } from '../verification/summary.js'
import { consistent, verify } from '../verification/verify.js'
import { type CompressStep, stepSchema } from './compress.js'
import type { Session } from './session.js'
import { evaluationWork, verifyWork } from './work.js'

/** What a model file of a run remembers of how it came about. */
export interface Notes {
  branch: string
  step: CompressStep | null
}

const notesSchema: z.ZodType<Notes> = z.looseObject({
  branch: z.string(),
  step: stepSchema.nullable(),
})

/** A network that is at hand, and how it came about. */
export interface Held {
  network: Network
  notes: Notes
}

/** Evaluates one network of the run, unless that was done before: the one at hand, or that of its checkpoint. */
export async function evaluationStage(
  session: Session,
  name: string,
  held: Held | undefined,
): Promise<ResultRow> {
  const { run, prepared, hooks } = session
  const { recipe, data } = prepared
  const { attack, images, verify: plan } = recipe.evaluate
  const validationImages = data.validation.length
  const path = run.outcomes(name)
  let row: ResultRow
  if (existsSync(path)) {
    row = (await readOutcomes(path)).row
  } else {
    const { network: subject, notes } = held ?? (await load(run.checkpoint(name), recipe.device))
    try {
      const measure = (dataset: Dataset, count: number, before: number): Promise<Evaluation> =>
        evaluate(subject, dataset, {
          attack,
          images: count,
          batchSize: recipe.evaluate.batchSize,
          precision: subject.type === 'float64' ? 'fp64' : recipe.evaluate.precision,
          seed: recipe.seed,
          signal: hooks.signal,
          onProgress: ({ samples }) =>
            session.progress(`evaluate ${name}`, evaluationWork(attack), {
              done: before + samples,
              total: images + validationImages,
            }),
        })
      const test = await measure(data.test, images, 0)
      const validation =
        validationImages === 0 ? undefined : await measure(data.validation, validationImages, images)
      const proofs = await verifyStage(session, name, subject, test)
      row = await describeRow(name, subject, notes, test, validation, proofs)
      await writeJson(path, outcomeFile(row, attack, test, proofs), 'compact')
    } finally {
      if (held === undefined) subject.dispose()
    }
  }
  session.advance(
    (images + validationImages) * evaluationWork(attack) +
      (plan === undefined ? 0 : plan.images * verifyWork(plan)),
  )
  const told = run.metrics.events.some((event) => event.event === 'evaluation' && event.name === name)
  if (!told) session.event({ event: 'evaluation', ...row })
  return row
}

/** Verifies a network that was just evaluated, by every verifier of the recipe. */
async function verifyStage(
  session: Session,
  name: string,
  network: Network,
  evaluation: Evaluation,
): Promise<Verification[]> {
  const { prepared, hooks } = session
  const { seed, evaluate: settings } = prepared.recipe
  if (settings.verify === undefined) return []
  const { verifiers, epsilon, images } = settings.verify
  const found: Verification[] = []
  let before = (settings.images + prepared.data.validation.length) * evaluationWork(settings.attack)
  for (const verifier of verifiers) {
    const work = verificationWork(verifier)
    found.push(
      await verify(network, prepared.data.test, {
        ...{ verifier, epsilon, images, seed, signal: hooks.signal },
        // In bf16 the evaluation was of another function than what is proved.
        evaluation: settings.precision === 'bf16' ? undefined : evaluation,
        onProgress: ({ images: done, totalImages: total }) =>
          session.progress(`verify ${name} (${verifier.kind})`, work, { done, total }, before),
      }),
    )
    before += images * work
  }
  return consistent(network, prepared.data.test, found, { seed, signal: hooks.signal })
}

const load = async (path: string, device: Device): Promise<Held> => {
  const { notes, ...model } = await readModel(path)
  const read = valueIn(path, notesSchema, notes)
  return { network: await Network.from(model, { device }), notes: read }
}

const describeRow = async (
  name: string,
  network: Network,
  { branch, step }: Notes,
  test: Evaluation,
  validation: Evaluation | undefined,
  proofs: readonly Verification[],
): Promise<ResultRow> => {
  const { spec, parameterLayout: layout } = network
  const mask = await settle(() => network.handle.read('mask'))
  const { prunable, macs } = describeNetwork(spec)
  const zero = sparsity(mask, layout)
  const paper = proofs.find(({ verifier }) => verifier.kind === PAPERS_METHOD)
  return {
    name,
    branch,
    sparsity: zero,
    ...(step && { target: step.target }),
    ...(step?.filters && { filters: step.filters }),
    weights: { total: prunable, remaining: Math.round(prunable * (1 - zero)) },
    macs: { total: macs, remaining: remainingMacs(spec, layout, mask) },
    objective: step?.objective ?? null,
    matched: step?.matched ?? null,
    n: test.n,
    accuracy: test.accuracy,
    era: test.era ?? test.accuracy,
    ...(paper && { vra: paper.vra }),
    ...(proofs.length > 0 && { verifications: proofs.map(figuresOf) }),
    ...(validation && {
      validation: { accuracy: validation.accuracy, era: validation.era ?? validation.accuracy },
    }),
  }
}

const figuresOf = ({ verifier, epsilon, n, vra, unknown, unstable }: Verification): VerifiedFigures => ({
  ...{ verifier, epsilon, n, vra, unknown },
  ...(unstable !== undefined && { unstable }),
})
