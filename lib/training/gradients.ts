/** The gradient of an objective over a whole data set: what scores rank weights by that ask how much the loss minds them. */
import { settle } from '../../bindings/jobs.js'
import { addon } from '../../bindings/load.js'
import type { Floats } from '../../bindings/native.js'
import type { Dataset } from '../data/dataset.js'
import type { Network } from '../models/network.js'
import { lossWeights, nativeObjective, type Objective } from '../objectives/index.js'
import type { TrainingPlan } from './plan.js'

/**
 * The gradient of the mean loss over all images, one number per parameter, pruned ones included; and that loss. With
 * batch statistics as in training, the objective's schedules at their end, no augmentation. The network stays as it is.
 *
 * @throws CoppiceError `ERR_OUT_OF_MEMORY`, `ERR_DEVICE`; the signal's reason when aborted, within one batch
 */
export const meanGradients = async (
  network: Network,
  dataset: Dataset,
  objective: Objective,
  { batchSize, precision, seed }: Pick<TrainingPlan, 'batchSize' | 'precision' | 'seed'>,
  signal?: AbortSignal,
): Promise<{ gradients: Floats; loss: number }> => {
  const { clean, robust } = lossWeights(objective, { seed, epoch: 0, step: 0, ramp: 1, afterRamp: 1 })
  const request = {
    indices: dataset.indices,
    batchSize,
    objective: nativeObjective(objective),
    cleanWeight: clean,
    robustWeight: robust,
    precision,
    seed,
  }
  const { gradients, loss } = await settle(
    () => addon().gradients(network.handle, dataset.handle, request, null),
    signal,
  )
  return { gradients, loss }
}
