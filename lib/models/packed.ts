/**
 * How a model file holds a tensor with pruned weights: `<name>.bits`, one bit a weight in the order of the tensor, lowest
 * first, 1 where it is kept; and `<name>.kept`, the values that are kept, in that order. Pruned weights are 0.
 */
import type { Floats } from '../../bindings/native.js'

export interface Packed {
  bits: Uint8Array
  kept: Floats
}

/** Packs values under a mask; undefined where a pruned one is anything but +0, whose bits would be lost. */
export const pack = (values: Floats, mask: Uint8Array): Packed | undefined => {
  const bits = new Uint8Array(Math.ceil(values.length / 8))
  const kept = values.slice()
  let count = 0
  for (let place = 0; place < values.length; place++) {
    const value = values[place] ?? 0
    if (mask[place] !== 0) {
      kept[count++] = value
      bits[place >> 3] = (bits[place >> 3] ?? 0) | (1 << (place & 7))
    } else if (!Object.is(value, 0)) {
      return undefined
    }
  }
  return { bits, kept: kept.slice(0, count) }
}

/**
 * Fills `values` and `mask`, which are 0 and 1 before, with what was packed.
 *
 * @returns false where the bits are not those of so many weights, or of so many kept ones
 */
export const unpack = ({ bits, kept }: Packed, values: Floats, mask: Uint8Array): boolean => {
  const tail = values.length % 8
  const beyond = tail === 0 ? 0 : (bits[bits.length - 1] ?? 0) >> tail
  if (bits.length !== Math.ceil(values.length / 8) || beyond !== 0) return false
  let count = 0
  for (let place = 0; place < values.length; place++) {
    if (((bits[place >> 3] ?? 0) >> (place & 7)) & 1) values[place] = kept[count++] ?? 0
    else mask[place] = 0
  }
  return count === kept.length
}
