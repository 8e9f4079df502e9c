/**
 * Counter-based randomness: a 32-bit hash of whole numbers, the same on every machine. There is no generator state
 * to save; what is drawn depends only on what it is drawn for (seed, epoch, sample …).
 */

/** Bijective mixer of 32 bits with low bias (C. Wellons, hash-prospector, 2018). */
const mix = (word: number): number => {
  let x = word
  x = Math.imul(x ^ (x >>> 16), 0x21f0aaad)
  x = Math.imul(x ^ (x >>> 15), 0xd35a2d97)
  return (x ^ (x >>> 15)) >>> 0
}

/** Uniform 32-bit hash of a list of numbers, each a safe integer; order matters. */
export const hash32 = (...numbers: readonly number[]): number => {
  let state = 0x9e3779b9
  for (const number of numbers) {
    const high = Math.floor(number / 0x1_0000_0000)
    state = mix(state ^ number)
    if (high !== 0) state = mix(state + (high | 0))
    state = (state + 0x6d2b79f5) | 0
  }
  return mix(state)
}

/** An endless stream of uniform 32-bit numbers that depends only on `seed`. (Weyl sequence, mixed) */
export const randomStream = (seed: number): (() => number) => {
  let counter = seed | 0
  return () => {
    counter = (counter + 0x9e3779b9) | 0
    return mix(counter)
  }
}
