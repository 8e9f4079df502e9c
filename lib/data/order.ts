/** The order in which an epoch visits its samples: a shuffle that depends only on seed, epoch and sample. */
import { hash32 } from '../base/hash.js'

/**
 * A shuffled copy of `indices` (global sample indices). Samples are sorted by a 32-bit hash of (seed, epoch, index),
 * ties by index, so the order of the samples left is the same whichever others are taken away.
 */
export const epochOrder = (indices: Uint32Array, seed: number, epoch: number): Uint32Array => {
  // Hash and index as the high and low word of one 64-bit key; words lie low first on every supported machine.
  const keys = new BigUint64Array(indices.length)
  const words = new Uint32Array(keys.buffer)
  indices.forEach((index, position) => {
    words[2 * position] = index
    words[2 * position + 1] = hash32(seed, epoch, index)
  })
  keys.sort()
  return Uint32Array.from(indices, (_, position) => words[2 * position] ?? 0)
}
