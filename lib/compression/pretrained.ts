/**
 * The dense network of another run in the place of one's own pre-training: its file, its epochs and warnings, and its
 * figures where they would be measured alike. From there on the run is as one that was interrupted after pre-training.
 */
import { existsSync } from 'node:fs'
import { CoppiceError } from '../base/errors.js'
import { sameData } from '../base/json.js'
import { readBytes } from '../files/read.js'
import { replaceFile } from '../files/replaceFile.js'
import { readModel } from '../models/modelFile.js'
import { environmentChanges } from '../runs/environment.js'
import { readEvents } from '../runs/metrics.js'
import {
  checkpointPath,
  metricsPath,
  outcomesPath,
  type RunEnvironment,
  readRunEnvironment,
  readRunRecipe,
  resultPath,
} from '../runs/run.js'
import type { Prepared } from './prepare.js'
import type { Session } from './session.js'
import { DENSE, placeAfter } from './stages.js'

/** @throws CoppiceError unless `path` is a finished run that trained the network that this one would train */
export async function requirePretraining(path: string, prepared: Prepared): Promise<RunEnvironment> {
  const refuse = (why: string) =>
    new CoppiceError('ERR_FILE', `cannot take the dense network of ${path}: ${why}`)
  const environment = await readRunEnvironment(path)
  if (!existsSync(resultPath(path))) throw refuse(`it is not finished; go on with coppice resume ${path}`)
  if (environment.pretraining === undefined)
    throw refuse('a version of Coppice that cannot share it began it')
  if (environment.pretraining !== prepared.pretraining) throw refuse('its pre-training is another one')
  return environment
}

/** Takes the dense network that the hooks name, unless the run has begun to train its own. */
export async function takePretrained(session: Session): Promise<void> {
  const { run, prepared, place } = session
  const { pretrained } = session.hooks
  if (pretrained === undefined || place.stage !== 'pretrain' || place.train !== null) return
  const before = await requirePretraining(pretrained, prepared)
  const model = await readModel(checkpointPath(pretrained, DENSE))
  session.event({ event: 'pretrained', from: pretrained })
  for (const event of await readEvents(metricsPath(pretrained))) {
    if (event.event === 'epoch') session.event(event)
    if (event.event === 'warning') session.warn(String(event.message))
  }
  const changes = environmentChanges(before, await run.readEnvironment())
  if (changes.length > 0) {
    session.warn(`pre-trained in another environment (${changes.join('; ')}): the last bits may differ`)
  }
  await copy(checkpointPath(pretrained, DENSE), run.checkpoint(DENSE))
  if (await measuresAlike(pretrained, before, prepared)) {
    await copy(outcomesPath(pretrained, DENSE), run.outcomes(DENSE))
  }
  await prepared.network.write(model)
  const after = placeAfter(session, undefined)
  await session.save(after)
  session.place = after
}

/** Whether the dense network of the other run was evaluated as this run would evaluate it. */
const measuresAlike = async (path: string, before: RunEnvironment, { recipe, fingerprints }: Prepared) => {
  const { evaluate } = await readRunRecipe(path)
  const { test, validation } = fingerprints
  return (
    sameData(evaluate, recipe.evaluate) && before.data.test === test && before.data.validation === validation
  )
}

const copy = async (from: string, to: string): Promise<void> => {
  const bytes = await readBytes(from)
  await replaceFile(to, (file) => file.writeFile(bytes))
}
