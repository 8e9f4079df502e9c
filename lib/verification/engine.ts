/** What verification asks of the native side: predictions, with or without an attack, and margins. */

import { settle } from '../../bindings/jobs.js'
import { addon } from '../../bindings/load.js'
import type { EvaluateResult, VerifyResult } from '../../bindings/native.js'
import { type Attack, nativeAttack } from '../attacks/attack.js'
import type { Dataset } from '../data/dataset.js'
import { defaultPrecision, type Network } from '../models/network.js'
import type { BoundVerifier } from './methods.js'

/** Each call treats the given images as one batch. */
export interface Engine {
  evaluate(
    indices: Uint32Array,
    attack: Attack | null,
  ): Promise<Pick<EvaluateResult, 'predictions' | 'adversarialPredictions' | 'seconds'>>
  bound(
    verifier: BoundVerifier,
    epsilon: number,
    indices: Uint32Array,
  ): Promise<Pick<VerifyResult, 'predictions' | 'margins' | 'unstable' | 'seconds'>>
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
    }
    return settle(() => addon().evaluate(network.handle, dataset.handle, request, null), signal)
  },
  bound: ({ kind, clip, intersect, memory, iterations = 0 }, epsilon, indices) => {
    const bounds = { method: kind, epsilon, clip, intersect, memory, iterations }
    const request = { ...bounds, indices, batchSize: indices.length }
    return settle(() => addon().verify(network.handle, dataset.handle, request, null), signal)
  },
})
