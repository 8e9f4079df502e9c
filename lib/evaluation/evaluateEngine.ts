/** Accuracy of an engine: on images as they are, and on adversarial examples crafted against the network it came from. */

import { settle } from '../../bindings/jobs.js'
import { addon } from '../../bindings/load.js'
import type { EngineEvaluateResult, Floats } from '../../bindings/native.js'
import { type Attack, attackSchema, nativeAttack } from '../attacks/attack.js'
import { instanceOf, optionsOf } from '../base/arguments.js'
import { invalid } from '../base/errors.js'
import { LIMITS } from '../base/limits.js'
import { show } from '../base/numbers.js'
import { batchSizeSchema, integer, parse, seedSchema, strict } from '../base/schemas.js'
import { type Dataset, requireDataset } from '../data/dataset.js'
import { defaultPrecision, type Network, requireNetwork } from '../models/network.js'
import { SparseEngine } from '../sparse/engine.js'
import { type Accuracies, countOf, tally } from './tally.js'

export interface EvaluateEngineOptions {
  /** The network that the engine was compiled from, in full precision: adversarial examples are crafted against it. */
  network?: Network | undefined
  /** How; needs `network`. Without it only benign accuracy is measured. */
  attack?: Attack | undefined
  /** Only the first so many images; default all. */
  images?: number | undefined
  /** Images at once; default: the engine's batch, or a multiple of it near 250. */
  batchSize?: number | undefined
  /** Key of the attack's random starts; default 0. With the same seed `evaluate` finds the same examples. */
  seed?: number | undefined
  signal?: AbortSignal | undefined
  onProgress?: ((progress: { samples: number; totalSamples: number }) => void) | undefined
}

/** Adversarial examples are those crafted against the full-precision network. */
export interface EngineEvaluation extends Accuracies {
  /** Images evaluated. */
  n: number
  /** The same of the network itself, on the same examples. */
  network?: Accuracies
  /** With `network`: images that it and the engine classify differently, as they are. */
  changed?: number
  /** With `network`: ‖engine's logits − network's logits‖ / ‖network's logits‖ over all images as they are. */
  logitsError?: number
  /** Images for which a logit of the engine is NaN or infinite, which are wrong; not there if there are none. */
  notFinite?: number
  /** The engine's class of each image; −1 where a logit is NaN or infinite. */
  predictions: Int32Array
}

const schema = strict({
  attack: attackSchema.optional(),
  images: integer(1, LIMITS.images).optional(),
  batchSize: batchSizeSchema.optional(),
  seed: seedSchema.default(0),
})

/**
 * Evaluates an engine on images, and beside it the network that it was compiled from. As in `evaluate`, an image counts
 * for ERA only if it is right both as it is and under attack.
 *
 * @throws CoppiceError for wrong options, images of another shape, an attack without a network; the signal's reason
 * when aborted, which takes effect within one batch
 */
export async function evaluateEngine(
  engine: SparseEngine,
  dataset: Dataset,
  options: EvaluateEngineOptions = {},
): Promise<EngineEvaluation> {
  instanceOf(SparseEngine, engine, 'evaluateEngine', 'an engine, such as `await compile(network, …)` gives')
  requireDataset(dataset, 'evaluateEngine')
  const { network, signal, onProgress, ...rest } = optionsOf(options, 'evaluateEngine')
  if (network !== undefined) requireNetwork(network, 'evaluateEngine.network')
  const settings = parse(schema, rest, 'evaluateEngine')
  const { attack, seed } = settings
  const n = countOf('evaluateEngine', settings.images, dataset)
  if (attack !== undefined && network === undefined) {
    throw invalid('evaluateEngine.network: an attack needs the network that the engine was compiled from')
  }
  requireShape(engine, dataset)
  const { batch } = engine.facts
  const batchSize = settings.batchSize ?? batch * Math.max(1, Math.floor(250 / batch))
  const result = await settle(
    () =>
      addon().evaluateEngine(
        engine.handle,
        network?.handle ?? null,
        dataset.handle,
        {
          indices: dataset.indices.slice(0, n),
          batchSize,
          precision: 'fp32',
          attack: attack === undefined ? null : nativeAttack(attack),
          seed,
        },
        onProgress === undefined ? null : ({ samples }) => onProgress({ samples, totalSamples: n }),
      ),
    signal,
  )
  const labels = dataset.labels.subarray(0, n)
  const counted = ({ predictions, adversarialPredictions }: Classes) =>
    tally(labels, predictions, attack && adversarialPredictions)
  const { predictions, network: beside } = result
  return {
    n,
    ...counted(result),
    ...(beside && {
      network: counted(beside),
      changed: predictions.filter((label, image) => label !== beside.predictions[image]).length,
      logitsError: Math.sqrt(beside.difference / (beside.norm || 1)),
    }),
    predictions,
  }
}

type Classes = Pick<EngineEvaluateResult, 'predictions' | 'adversarialPredictions'>

/**
 * The strongest adversarial examples that an attack finds against a network in full precision, and its predictions on
 * them.
 */
export const adversarialExamples = async (
  network: Network,
  images: Floats,
  labels: ArrayLike<number>,
  options: { attack: Attack; seed?: number; signal?: AbortSignal | undefined },
): Promise<{ images: Floats; losses: Floats; predictions: Int32Array }> => {
  requireNetwork(network, 'adversarialExamples')
  const { attack, seed: given, signal } = optionsOf(options, 'adversarialExamples')
  const seed = parse(seedSchema.default(0), given, 'adversarialExamples.seed')
  if (typeof labels !== 'object' || labels === null) {
    throw invalid(`adversarialExamples: expected a list of classes, received ${show(labels)}`)
  }
  const precision = defaultPrecision(network)
  return settle(
    () =>
      addon().attack(
        network.handle,
        { images, labels: Int32Array.from(labels) },
        {
          attack: nativeAttack(parse(attackSchema, attack, 'attack')),
          start: null,
          folded: true,
          precision,
          seed,
        },
      ),
    signal,
  )
}

const requireShape = ({ facts }: SparseEngine, { name, shape }: Dataset): void => {
  if (`${facts.input}` === `${shape}`) return
  throw invalid(
    `the engine of "${facts.name}" takes images of ${facts.input.join('×')}, but those of ${name} are ${shape.join('×')}`,
  )
}
