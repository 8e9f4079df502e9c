/**
 * From experiments to tasks of a grid: every network that a cell reads becomes a run, once, whoever asks for it; its
 * pre-training is another, which all that prune the same network share. A run is called by the hash of what determines
 * its bits, so that its folder is the cache.
 */

import { canonicalJson } from '../base/json.js'
import type { Dataset } from '../data/dataset.js'
import { type DataSplits, loadData } from '../data/load.js'
import type { Task } from '../grids/index.js'
import type { NetworkSpec } from '../networks/spec.js'
import type { Recipe } from '../recipes/recipe.js'
import { determine, type ResolvedRecipe, withAbsolutePaths } from '../recipes/resolve.js'
import type { Cell, Experiment, Setting, Source } from './experiment.js'

/** A run of the plan. */
export interface PlannedRun {
  readonly task: Task
  readonly resolved: ResolvedRecipe
  readonly spec: NetworkSpec
  readonly identity: string
  readonly seed: number
  /** Its training images. */
  readonly images: Dataset
}

export interface ExperimentPlan {
  readonly experiments: readonly { readonly experiment: Experiment; readonly cells: readonly Cell[] }[]
  readonly seeds: readonly number[]
  /** Pre-trainings before what waits for them. */
  readonly runs: readonly PlannedRun[]
  /** The run that a source is read from, with a seed. */
  readonly runOf: (source: Source, seed: number) => PlannedRun
  dispose(): void
}

/** @throws CoppiceError for data that is not there, and recipes that cannot work with it */
export async function planExperiments(
  experiments: readonly Experiment[],
  setting: Setting,
  seeds: readonly number[],
): Promise<ExperimentPlan> {
  const planned = experiments.map((experiment) => ({ experiment, cells: experiment.cells(setting) }))
  const sources = planned.flatMap(({ cells }) =>
    cells.flatMap(({ measure, dense }) => [...measure.sources, ...(dense?.measure.sources ?? [])]),
  )
  const loaded = new Map<string, DataSplits>()
  const dispose = () => {
    for (const { train, test } of loaded.values()) {
      train.dispose()
      test.dispose()
    }
  }
  const dataOf = async ({ data, device }: Recipe): Promise<DataSplits> => {
    const key = canonicalJson(data)
    const splits = loaded.get(key) ?? (await loadData(data, device))
    loaded.set(key, splits)
    return splits
  }
  const runs = new Map<string, PlannedRun>()
  const keyOf = (recipe: Recipe, seed: number) => canonicalJson({ ...recipe, seed })
  const add = async (source: Source, seed: number): Promise<PlannedRun> => {
    const key = keyOf(source.recipe, seed)
    const known = runs.get(key)
    if (known !== undefined) return known
    const before = source.training === undefined ? undefined : await add(source.training, seed)
    const recipe = withAbsolutePaths({ ...source.recipe, seed })
    const data = await dataOf(recipe)
    const { resolved, spec, identity } = await determine(recipe, data)
    const name = `${source.label},seed${seed}-${identity.slice(0, 8)}`
    const task: Task = {
      name,
      recipe: { ...recipe, name },
      ...(before !== undefined && { pretrained: before.task.name }),
      point: { network: source.label, seed },
    }
    const run = { task, resolved, spec, identity, seed, images: data.train }
    runs.set(key, run)
    return run
  }
  try {
    for (const seed of seeds) for (const source of sources) await add(source, seed)
  } catch (error) {
    dispose()
    throw error
  }
  const all = [...runs.values()]
  return {
    experiments: planned,
    seeds,
    runs: [
      ...all.filter(({ task }) => task.pretrained === undefined),
      ...all.filter(({ task }) => task.pretrained !== undefined),
    ],
    runOf: (source, seed) => runs.get(keyOf(source.recipe, seed)) as PlannedRun,
    dispose,
  }
}
