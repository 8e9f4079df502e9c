/**
 * A recipe carried out: pre-train → (prune → fine-tune)×steps → evaluate, every branch from the same dense network.
 * A rolling checkpoint holds all there is to know about where the run stands, so that it goes on from there with the
 * same bits.
 */

import { existsSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import type { Device } from '../../bindings/native.js'
import { pathOf } from '../base/arguments.js'
import { CoppiceError } from '../base/errors.js'
import { writeJson } from '../files/json.js'
import { readModel } from '../models/modelFile.js'
import { describeNetwork } from '../networks/describe.js'
import { parseRecipe, type Recipe } from '../recipes/recipe.js'
import { branchesOf } from '../recipes/resolve.js'
import { describeEnvironment, environmentChanges } from '../runs/environment.js'
import { type ResultRow, type RunResult, readResult } from '../runs/result.js'
import { Run, type RunEnvironment, readRunRecipe, requireFree } from '../runs/run.js'
import { type Prepared, prepare } from './prepare.js'
import { requirePretraining, takePretrained } from './pretrained.js'
import { type RunHooks, requireHooks, Session } from './session.js'
import { branchStage, pretrainStage, tellMismatches } from './stages.js'

/**
 * Carries out a recipe in a new run directory.
 *
 * @throws CoppiceError for anything wrong with recipe, data, device or directory, before anything is written; for
 * divergence and a full disk later, after which the run resumes from its last checkpoint; the signal's reason
 */
export async function runRecipe(recipe: Recipe, path: string, hooks: RunHooks = {}): Promise<RunResult> {
  requireHooks(hooks, 'runRecipe')
  await requireFree(pathOf(path, 'runRecipe'))
  const prepared = await prepare(parseRecipe(recipe))
  try {
    hooks.signal?.throwIfAborted()
    if (hooks.pretrained !== undefined) await requirePretraining(hooks.pretrained, prepared)
    const environment = await environmentOf(prepared)
    const run = await Run.create(path, prepared.recipe, environment)
    return await closing(run, () => execute(Session.start(run, prepared, hooks)))
  } finally {
    prepared.dispose()
  }
}

export interface ResumeOptions extends RunHooks {
  /** Default: those the run was started with. Others may change the last bits, which is told in a warning. */
  device?: Device | undefined
  moreDevices?: readonly Device[] | undefined
  threads?: number | undefined
}

/** Goes on with an interrupted run; a finished one just gives its result. */
export async function resumeRun(path: string, options: ResumeOptions = {}): Promise<RunResult> {
  requireHooks(options, 'resumeRun')
  const run = await Run.open(pathOf(path, 'resumeRun'))
  return closing(run, async () => {
    if (existsSync(run.result)) return await finished(run)
    const recipe = await readRunRecipe(path)
    const before = await run.readEnvironment()
    const { device = recipe.device, threads = recipe.threads ?? before.threads } = options
    const moreDevices = options.moreDevices === undefined ? recipe.moreDevices : [...options.moreDevices]
    const prepared = await prepare({ ...recipe, device, moreDevices, threads })
    try {
      requireSame(path, before, prepared)
      const session = await Session.resume(run, prepared, options)
      const changes = environmentChanges(before, await describeEnvironment(device, moreDevices))
      session.event({ event: 'resume', changes })
      if (changes.length > 0) {
        session.warn(`resumed in another environment (${changes.join('; ')}): the last bits may differ`)
      }
      return await execute(session)
    } finally {
      prepared.dispose()
    }
  })
}

/** The result of a run that was finished before; its figures stand on files that must still be there. */
const finished = async (run: Run): Promise<RunResult> => {
  const result = await readResult(run.result)
  const files = result.rows.flatMap(({ name }) => [run.checkpoint(name), run.outcomes(name)])
  const gone = files.filter((file) => !existsSync(file))
  if (gone.length === 0) {
    // Their checksums are held against what is there.
    for (const { name } of result.rows) await readModel(run.checkpoint(name))
    return result
  }
  throw new CoppiceError(
    'ERR_FILE',
    `${run.path} was finished, but ${gone.length} of its ${files.length} files are gone, ${gone[0]} first; its figures ` +
      `are in ${run.result}; to compute the files again, start a new run of its recipe.json`,
  )
}

async function execute(session: Session): Promise<RunResult> {
  const { run, prepared } = session
  const { recipe, identity, spec, data } = prepared
  // A run that was killed before its first checkpoint begins again.
  if (!run.metrics.events.some(({ event }) => event === 'start')) {
    session.event({ event: 'start', identity, network: spec.name })
    tellMismatches(session)
  }
  await takePretrained(session)
  const rows: ResultRow[] = [await pretrainStage(session)]
  if (recipe.prune !== undefined) {
    for (const branch of branchesOf(recipe)) rows.push(...(await branchStage(session, branch)))
  }
  const { parameters, macs } = describeNetwork(spec)
  const { prune } = recipe
  const warnings = run.metrics.events.filter((event) => event.event === 'warning')
  const result: RunResult = {
    name: recipe.name,
    identity,
    seed: recipe.seed,
    network: { name: spec.name, parameters, macs },
    data: data.train.name,
    objective: recipe.pretrain.objective,
    ...(prune && {
      pruning: { structure: prune.structure, score: prune.score, scope: prune.scope, exclude: prune.exclude },
    }),
    attack: recipe.evaluate.attack,
    rows,
    warnings: warnings.map(({ message }) => String(message)),
    seconds: session.seconds,
  }
  session.event({ event: 'finish', seconds: result.seconds })
  await run.metrics.flush()
  await writeJson(run.result, result)
  await rm(run.checkpoint('latest'), { force: true })
  return result
}

const environmentOf = async ({
  recipe,
  identity,
  pretraining,
  data,
  fingerprints,
}: Prepared): Promise<RunEnvironment> => ({
  identity,
  pretraining,
  seed: recipe.seed,
  ...(await describeEnvironment(recipe.device, recipe.moreDevices)),
  data: { name: data.train.name, ...fingerprints },
})

/** A run is only resumed on what it was started with. */
const requireSame = (path: string, before: RunEnvironment, now: Prepared): void => {
  if (before.identity === now.identity) return
  const changed = (['train', 'validation', 'test'] as const).find(
    (set) => before.data[set] !== now.fingerprints[set],
  )
  throw new CoppiceError(
    'ERR_FILE',
    changed === undefined
      ? `cannot resume ${path}: its recipe.json was changed since the run began, or another version of Coppice began it; start a new run instead`
      : `cannot resume ${path}: the ${changed} images of ${before.data.name} are not those it was started with`,
  )
}

/** Closes the run directory whatever happens; an earlier error is the one that counts. */
const closing = async <T>(run: Run, work: () => Promise<T>): Promise<T> => {
  try {
    return await work()
  } finally {
    await run.close()
  }
}
