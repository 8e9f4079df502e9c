/** Everything a run needs before it can start, checked before anything is written: data, network, resolved recipe. */

import { settle } from '../../bindings/jobs.js'
import { addon } from '../../bindings/load.js'
import type { BoundMethod, NativeVerified } from '../../bindings/native.js'
import { CoppiceError, invalid } from '../base/errors.js'
import type { Dataset } from '../data/index.js'
import { type DataSplits, loadData } from '../data/load.js'
import { fileHash } from '../files/hash.js'
import { readModel } from '../models/modelFile.js'
import { Network } from '../models/network.js'
import { nativeObjective } from '../objectives/index.js'
import { pruneMask } from '../pruning/mask.js'
import type { Recipe } from '../recipes/recipe.js'
import {
  branchesOf,
  type Determined,
  determine,
  type ResolvedRecipe,
  withAbsolutePaths,
} from '../recipes/resolve.js'
import { stepsOf } from '../verification/index.js'
import { planSteps } from './plan.js'

/** What a run works with. */
export interface Prepared extends Omit<Determined, 'resolved'> {
  recipe: ResolvedRecipe
  data: DataSplits
  /** Freshly initialised, or as the model that the recipe starts from. */
  network: Network
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
    const start = model && from !== undefined ? { ...model, hash: await fileHash(from) } : undefined
    const { resolved, ...determined } = await determine(recipe, data, start)
    const { spec } = determined
    const network = await Network.create(spec, {
      device: recipe.device,
      seed: recipe.seed,
      type: resolved.pretrain.precision === 'fp64' ? 'float64' : 'float32',
    })
    const prepared = { recipe: resolved, ...determined, data, network }
    try {
      if (model !== undefined) {
        if (model.type !== network.type)
          throw invalid(`recipe.pretrain.from: ${from} holds ${model.type} weights`)
        await network.write(model).catch((error: Error) => {
          throw invalid(`recipe.pretrain.from: ${from}: ${error.message}`, error)
        })
      }
      await requireFeasible(resolved, network)
      await requireBounds(resolved, network, data.test)
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

/**
 * Bounds one image, cheaply, on the fresh weights by everything that will bound images later: a network that cannot be
 * bounded, or a memory too small for it, is told before the training.
 */
const requireBounds = async (recipe: ResolvedRecipe, network: Network, images: Dataset): Promise<void> => {
  const [channels, height, width] = network.spec.input
  const first = {
    images: images.pixels(0, 1).subarray(0, channels * height * width),
    labels: Int32Array.from(images.labels.subarray(0, 1)),
  }
  const tryBounds = async (place: string, method: BoundMethod, memory?: number): Promise<void> => {
    // A margin that rounding spoils is computed again in float64, which takes twice the memory.
    const limit = memory ?? (network.device === 'cpu' ? DEFAULT_MEMORY : undefined)
    const share = network.type === 'float64' ? 1 : 2
    const part = limit !== undefined && { memory: Math.max(1, Math.floor(limit / share)) }
    // The margins' pass goes through the whole network: no pass of the dearer methods holds more at a time.
    const options = {
      method: method === 'interval' ? method : 'crownIbp',
      ...{ intersect: false, epsilon: 0, clip: true, iterations: 0, sound: true, ...part },
    } as const
    await settle(() => addon().margins(network.handle, first, options)).catch((error: unknown) => {
      throw error instanceof CoppiceError
        ? new CoppiceError(error.code, `${place}: ${error.message}`, { cause: error })
        : error
    })
  }
  for (const verifier of recipe.evaluate.verify?.verifiers ?? []) {
    for (const { kind, memory } of stepsOf(verifier)) await tryBounds('recipe.evaluate.verify', kind, memory)
  }
  const branches = recipe.prune === undefined ? [] : branchesOf(recipe)
  for (const objective of [recipe.pretrain.objective, ...branches.map((branch) => branch.objective)]) {
    const native = objective && nativeObjective(objective)
    if (native?.kind === 'verified')
      await tryBounds(`objective ${objective?.kind}`, (native as NativeVerified).bound)
  }
}

/** On the CPU, of verifiers. On CUDA bounds are in float64 always, and take what they find. */
const DEFAULT_MEMORY = 512 * 2 ** 20
