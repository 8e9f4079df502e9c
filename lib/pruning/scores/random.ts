/** A hash of the seed and the place: the baseline. */
import { hash32 } from '../../base/hash.js'
import type { ScoreRule } from './score.js'

export const random: ScoreRule = {
  weights: ({ layout: { offset, size } }, { seed }) => {
    // 30 random bits read as a float, which has more distinct values than multiples of 2⁻²⁴ would; only the order counts.
    const bits = new Uint32Array(size)
    for (let index = 0; index < size; index++) bits[index] = hash32(seed, offset + index) >>> 2
    return new Float32Array(bits.buffer)
  },
  ofGroup: 'first',
}
