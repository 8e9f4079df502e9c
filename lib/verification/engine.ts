/** What verification asks of the native side: predictions, with or without an attack, and margins. */

import { settle } from '../../bindings/jobs.js'
import { addon } from '../../bindings/load.js'
import type { EvaluateResult, Floats, VerifyResult } from '../../bindings/native.js'
import { type Attack, nativeAttack } from '../attacks/attack.js'
import type { Dataset } from '../data/dataset.js'
import { defaultPrecision, type Network } from '../models/network.js'
import { type ExactNetwork, isRightExactly } from './exact.js'
import type { BoundVerifier } from './methods.js'

/** Each call treats the given images as one batch. */
export interface Engine {
  evaluate(
    indices: Uint32Array,
    attack: Attack | null,
  ): Promise<
    Pick<
      EvaluateResult,
      'predictions' | 'adversarialPredictions' | 'images' | 'adversarialImages' | 'seconds'
    >
  >
  bound(
    verifier: BoundVerifier,
    epsilon: number,
    indices: Uint32Array,
  ): Promise<Pick<VerifyResult, 'predictions' | 'margins' | 'unstable' | 'seconds'>>
  /** Whether the network takes a point for the label, in real arithmetic; undefined where that cannot be told. */
  isRight(point: Floats, label: number): Promise<boolean | undefined>
}

export const nativeEngine = (
  network: Network,
  dataset: Dataset,
  { seed, signal }: { seed: number; signal: AbortSignal | undefined },
): Engine => ({
  evaluate: (indices, attack) => {
    const request = {
      indices,
      attack: attack === null ? null : nativeAttack(attack),
      seed,
      batchSize: indices.length,
      precision: defaultPrecision(network),
      keepImages: true,
    }
    return settle(() => addon().evaluate(network.handle, dataset.handle, request, null), signal)
  },
  bound: ({ kind, clip, intersect, memory, iterations = 0 }, epsilon, indices) => {
    const bounds = {
      ...{ method: kind, epsilon, clip, intersect, iterations },
      ...(memory !== undefined && { memory }),
    }
    const request = { ...bounds, indices, batchSize: indices.length }
    return settle(() => addon().verify(network.handle, dataset.handle, request, null), signal)
  },
  isRight: async (point, label) => {
    const margins = await marginsAt(network, point, signal)
    const own = margins[label] ?? []
    if (own.length > 0 && own.every((margin) => margin > 0)) return true
    // Of any other class over the label.
    const beaten = margins.some(
      (row, other) => other !== label && Number(row[label - (label > other ? 1 : 0)]) > 0,
    )
    return beaten ? false : isRightExactly(await numbersOf(network), point, label)
  },
})

/** Lower bounds at one point in float64, for every class: its logit less each of the others, in order. */
const marginsAt = async (
  network: Network,
  point: Floats,
  signal: AbortSignal | undefined,
): Promise<number[][]> => {
  const { classes } = network
  const images =
    network.type === 'float64'
      ? new Float64Array(classes * point.length)
      : new Float32Array(classes * point.length)
  for (let label = 0; label < classes; ++label) images.set(point, label * point.length)
  const labels = Int32Array.from({ length: classes }, (_, label) => label)
  const options = { method: 'symbolic', intersect: false, clip: false, iterations: 0, sound: true } as const
  const { margins } = await settle(
    () => addon().margins(network.handle, { images, labels }, { ...options, epsilon: 0 }),
    signal,
  )
  const others = classes - 1
  return Array.from(labels, (label) => Array.from(margins.subarray(label * others, (label + 1) * others)))
}

const numbersOf = async (network: Network): Promise<ExactNetwork> => {
  const { spec, type, layout, parameters, buffers } = await network.read()
  const tensors = layout.map(({ name, arena, offset, size }) => {
    const all: Floats = arena === 'buffers' ? buffers : parameters
    return [name, all.subarray(offset, offset + size)] as const
  })
  return { spec, type, tensors: new Map<string, ArrayLike<number>>(tensors) }
}
