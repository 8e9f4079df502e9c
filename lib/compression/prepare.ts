/** Everything a run needs before it can start, checked before anything is written: data, network, resolved recipe. */

import { settle } from '../../bindings/jobs.js'
import { addon } from '../../bindings/load.js'
import { invalid } from '../base/errors.js'
import { type DataSplits, loadData } from '../data/load.js'
import { fileHash } from '../files/files.js'
import { readModel } from '../models/modelFile.js'
import { Network } from '../models/network.js'
import type { NetworkSpec } from '../networks/spec.js'
import { pruneMask } from '../pruning/mask.js'
import type { Recipe } from '../recipes/recipe.js'
import {
  branchesOf,
  identityOf,
  type ResolvedRecipe,
  resolveNetwork,
  resolveRecipe,
  withAbsolutePaths,
} from '../recipes/resolve.js'
import { planSteps } from './plan.js'

/** What a run works with. */
export interface Prepared {
  recipe: ResolvedRecipe
  spec: NetworkSpec
  data: DataSplits
  /** Freshly initialised, or as the model that the recipe starts from. */
  network: Network
  identity: string
  fingerprints: { train: string; validation: string; test: string }
  dispose(): void
}

/** @throws CoppiceError for anything in the recipe that cannot work with this data, network or device */
export async function prepare(written: Recipe): Promise<Prepared> {
  const recipe = withAbsolutePaths(written)
  const { from } = recipe.pretrain
  if (recipe.threads !== undefined) addon().setThreads(recipe.threads)
  addon().setDeterministic(recipe.deterministic)
  const model = from === undefined ? undefined : await readModel(from)
  const data = await loadData(recipe.data, recipe.device)
  const dispose = () => {
    data.train.dispose()
    data.test.dispose()
  }
  try {
    const { shape, classes, normalize } = data.train
    const surroundings = { shape, classes, normalize, testImages: data.test.length, ...(model && { model }) }
    const spec = await resolveNetwork(recipe, surroundings)
    const resolved = resolveRecipe(recipe, spec, surroundings)
    const fingerprints = {
      train: data.train.fingerprint,
      validation: data.validation.fingerprint,
      test: data.test.fingerprint,
    }
    const contents = { ...fingerprints, ...(from !== undefined && { model: await fileHash(from) }) }
    const identity = identityOf(resolved, spec, contents)
    const network = await Network.create(spec, {
      device: recipe.device,
      seed: recipe.seed,
      type: resolved.pretrain.precision === 'fp64' ? 'float64' : 'float32',
    })
    const prepared = { recipe: resolved, spec, data, network, identity, fingerprints }
    try {
      if (model !== undefined) {
        if (model.type !== network.type)
          throw invalid(`recipe.pretrain.from: ${from} holds ${model.type} weights`)
        await network.write(model).catch((error: Error) => {
          throw invalid(`recipe.pretrain.from: ${from}: ${error.message}`, error)
        })
      }
      await requireFeasible(resolved, network)
    } catch (error) {
      network.dispose()
      throw error
    }
    return {
      ...prepared,
      dispose: () => {
        network.dispose()
        dispose()
      },
    }
  } catch (error) {
    dispose()
    throw error
  }
}

/** Plans the pruning once on the fresh weights: what cannot be met is said before hours of training. */
const requireFeasible = async (recipe: ResolvedRecipe, network: Network): Promise<void> => {
  const { prune } = recipe
  if (prune === undefined) return
  branchesOf(recipe)
  planSteps(prune.schedule, prune.sparsity, prune.steps, prune.milestones)
  const { handle } = network
  await pruneMask({
    spec: network.spec,
    layout: network.parameterLayout,
    parameters: await settle(() => handle.read('parameters')),
    previous: await settle(() => handle.read('mask')),
    structure: prune.structure,
    score: 'magnitude',
    scope: prune.scope,
    residual: prune.residual,
    exclude: prune.exclude,
    sparsity: prune.sparsity,
  })
}
