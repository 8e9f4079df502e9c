/** The stages of a run: pre-training, and one branch of pruning and fine-tuning. */

import { readModel, writeModel } from '../models/modelFile.js'
import { describeObjective } from '../objectives/index.js'
import { scoringEpochs } from '../pruning/scores.js'
import { type Branch, branchesOf } from '../recipes/resolve.js'
import type { ResultRow } from '../runs/result.js'
import { FIRST_STEP } from '../training/plan.js'
import { train } from '../training/train.js'
import { type CompressStep, compress } from './compress.js'
import { evaluationStage, type Notes } from './evaluation.js'
import { planSteps } from './plan.js'
import type { Place, Session } from './session.js'
import { trainingWork } from './work.js'

/** What the network before pruning is called. */
export const DENSE = 'dense'

/** Trains the dense network, or takes it as it is, and evaluates it. */
export async function pretrainStage(session: Session): Promise<ResultRow> {
  const { run, prepared, place, hooks } = session
  const { recipe, network, data } = prepared
  const { epochs, objective, from: _, ...settings } = recipe.pretrain
  const work = trainingWork(objective)
  if (place.stage === 'pretrain') {
    network.history = { objective }
    if (epochs > 0) {
      await train(network, data.train, {
        ...settings,
        objective,
        epochs,
        seed: recipe.seed,
        signal: hooks.signal,
        moreDevices: recipe.moreDevices,
        start: place.train ?? undefined,
        checkpoint: session.checkpointer((cursor) => ({ stage: 'pretrain', train: cursor })),
        onEpoch: (epoch) => session.event({ event: 'epoch', stage: 'pretrain', ...epoch }),
        onWarning: (message) => session.warn(`pre-training: ${message}`),
        onProgress: ({ epoch, samples, totalSamples, loss }) =>
          session.progress(`pre-train ${epoch}/${epochs}`, work, {
            done: samples,
            total: totalSamples,
            loss,
          }),
      })
    }
    const notes: Notes = { branch: DENSE, step: null }
    await writeModel(run.checkpoint(DENSE), await network.read(), { notes })
    await session.save(placeAfter(session, undefined))
  }
  session.advance(epochs * data.train.length * work)
  const held = { network, notes: { branch: DENSE, step: null } }
  return evaluationStage(session, DENSE, place.stage === 'pretrain' ? held : undefined)
}

/** Prunes and fine-tunes the dense network in one way, and evaluates it at each milestone. */
export async function branchStage(session: Session, branch: Branch): Promise<ResultRow[]> {
  const { run, prepared, hooks, place } = session
  const { recipe, network, data } = prepared
  const { prune, pretrain } = recipe
  if (prune === undefined) return []
  const { keep, milestones, ...settings } = prune
  const epochsPerStep = branch.objective === undefined ? 0 : prune.epochsPerStep
  const scoring = scoringEpochs(prune)
  const tuneWork = trainingWork(branch.objective ?? pretrain.objective)
  const stepWork = data.train.length * tuneWork * (epochsPerStep + scoring)
  const rows: ResultRow[] = []
  const here = place.stage === 'branch' && place.branch === branch.name ? place.compress : null
  const cursor = here ?? { step: 1, phase: 'prune', train: FIRST_STEP }
  const passed = isDone(session, branch) ? prune.steps : cursor.step - 1
  session.advance(passed * stepWork)
  const plan = planSteps(prune.schedule, prune.sparsity, prune.steps, milestones)
  for (const { step, sparsity } of plan.milestones) {
    // An interruption may have come between a milestone and its evaluation.
    if (step <= passed) rows.push(await evaluationStage(session, rowName(branch, sparsity), undefined))
  }
  if (passed === prune.steps) return rows
  if (here === null) await network.write(await readModel(run.checkpoint(DENSE)))
  const steps = compress(network, data.train, {
    ...settings,
    milestones,
    epochsPerStep,
    objective: branch.objective,
    seed: recipe.seed,
    signal: hooks.signal,
    moreDevices: recipe.moreDevices,
    start: { cursor, scores: here === null ? undefined : session.scores },
    checkpoint: session.checkpointer((at) => ({ stage: 'branch', branch: branch.name, compress: at })),
    onWarning: (message, code) => {
      // Branches are there to be compared; `mismatch` events say which fine-tune otherwise.
      if (code !== 'COPPICE_MISMATCH') session.warn(`${branch.name}: ${message}`)
    },
    onProgress: ({ pruneStep, pruneSteps, samples, totalSamples, phase, loss }) =>
      session.progress(
        `${branch.name} ${pruneStep}/${pruneSteps}${phase === 'scores' ? ' scores' : ''}`,
        tuneWork,
        // A step's scores are learned before it is fine-tuned.
        {
          done: samples + (phase === 'fineTune' ? scoring * data.train.length : 0),
          total: totalSamples,
          loss,
        },
      ),
  })
  for await (const step of steps) {
    session.event({ event: 'step', branch: branch.name, ...step })
    session.advance(stepWork)
    const name = rowName(branch, step.target)
    const notes: Notes = { branch: branch.name, step }
    if (step.milestone) {
      await writeModel(run.checkpoint(name), await network.read(), { notes })
      await session.save(placeAfter(session, branch, step))
      rows.push(await evaluationStage(session, name, { network, notes }))
    } else if (keep === 'steps') {
      const file = run.checkpoint(`${branch.name}-step${step.step}`)
      await writeModel(file, await network.read(), { notes })
    }
  }
  return rows
}

/** Tells where a branch is fine-tuned under another objective than the network was trained with. */
export const tellMismatches = (session: Session): void => {
  const { recipe } = session.prepared
  const trained = describeObjective(recipe.pretrain.objective)
  for (const { name, objective, matched } of branchesOf(recipe)) {
    if (objective === undefined || matched) continue
    session.event({ event: 'mismatch', branch: name, trained, fineTuned: describeObjective(objective) })
  }
}

const rowName = (branch: Branch, target: number): string =>
  `${branch.name}-${Number((100 * target).toFixed(6))}`

/** Where the run stands after a step of a branch, or after pre-training. */
export const placeAfter = (session: Session, branch: Branch | undefined, step?: CompressStep): Place => {
  if (branch !== undefined && step !== undefined && step.step < step.steps) {
    const compress = { step: step.step + 1, phase: 'prune', train: FIRST_STEP } as const
    return { stage: 'branch', branch: branch.name, compress }
  }
  const { recipe } = session.prepared
  const branches = recipe.prune === undefined ? [] : branchesOf(recipe)
  const next = branches[branches.findIndex(({ name }) => name === branch?.name) + 1]
  return next === undefined ? { stage: 'evaluated' } : { stage: 'branch', branch: next.name, compress: null }
}

const isDone = ({ place, prepared }: Session, branch: Branch): boolean => {
  if (place.stage === 'evaluated') return true
  if (place.stage === 'pretrain') return false
  const names = branchesOf(prepared.recipe).map(({ name }) => name)
  return names.indexOf(branch.name) < names.indexOf(place.branch)
}
