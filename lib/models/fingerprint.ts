/** What a network computes, as a hash: the same for the same operations, weights and statistics, whatever its name. */

import { createHash } from 'node:crypto'
import { canonicalJson } from '../base/json.js'
import type { NetworkState } from './state.js'

/** SHA-256 of spec, weights and batch-norm statistics. */
export const networkFingerprint = (
  state: Pick<NetworkState, 'spec' | 'type' | 'parameters' | 'buffers'>,
): string => {
  const { input, nodes } = state.spec
  const hash = createHash('sha256').update(canonicalJson({ input, nodes, type: state.type }))
  for (const { buffer, byteOffset, byteLength } of [state.parameters, state.buffers]) {
    hash.update(new Uint8Array(buffer, byteOffset, byteLength))
  }
  return hash.digest('hex')
}
