/** Drawing on a small RGB canvas with exact arithmetic (see silhouettes.ts): gradients, shapes, patterns, noise. */
import { randomStream } from '../base/hash.js'
import type { Silhouette } from './silhouettes.js'

/** Height and width of a canvas. */
export const SIDE = 32
/** Pixels of one channel. */
export const PLANE = SIDE * SIDE

/** Red, green and blue in 1/255; may leave [0, 255] until the canvas becomes bytes. */
export type Colour = [red: number, green: number, blue: number]

/** Where a shape's centre lies, its radius in pixels, and the cosine and sine of its turn. */
export interface Placement {
  x: number
  y: number
  radius: number
  cos: number
  sin: number
}

/** Draws from one stream of random numbers. */
export interface Randomness {
  /** Uniform in [low, high). */
  between: (low: number, high: number) => number
  /** Uniform among 0 … bound − 1. */
  below: (bound: number) => number
}

export const randomness = (seed: number): Randomness => {
  const next = randomStream(seed)
  return {
    between: (low, high) => low + ((high - low) * next()) / 0x1_0000_0000,
    below: (bound) => Math.floor((bound * next()) / 0x1_0000_0000),
  }
}

/** Cosine and sine of the angle whose half has the tangent `t`. */
export const turned = (t: number): { cos: number; sin: number } => ({
  cos: (1 - t * t) / (1 + t * t),
  sin: (2 * t) / (1 + t * t),
})

/** An image being drawn: [3, 32, 32] in 1/255. */
export class Canvas {
  private readonly values = new Float64Array(3 * PLANE)

  /** Replaces each pixel by a function of its value and place. */
  private map(channel: number, change: (value: number, x: number, y: number) => number): void {
    for (let y = 0; y < SIDE; y++) {
      for (let x = 0; x < SIDE; x++) {
        const at = channel * PLANE + y * SIDE + x
        this.values[at] = change(this.values[at] ?? 0, x, y)
      }
    }
  }

  /** Fills with a colour that changes by `slopes` per pixel along x and y, the colour in the middle. */
  fill(colour: Colour, slopes: () => [number, number]): void {
    for (const [channel, value] of colour.entries()) {
      const [slopeX, slopeY] = slopes()
      this.map(channel, (_, x, y) => value + slopeX * (x - SIDE / 2) + slopeY * (y - SIDE / 2))
    }
  }

  /** Paints a shape over what is there, smooth at its outline. */
  paint(
    silhouette: Silhouette,
    { x: centreX, y: centreY, radius, cos, sin }: Placement,
    colour: Colour,
  ): void {
    for (let y = 0; y < SIDE; y++) {
      for (let x = 0; x < SIDE; x++) {
        const dx = (x - centreX) / radius
        const dy = (y - centreY) / radius
        const distance = silhouette(cos * dx + sin * dy, cos * dy - sin * dx) * radius
        const cover = Math.max(0, Math.min(1, 0.5 - distance))
        if (cover === 0) continue
        for (const [channel, value] of colour.entries()) {
          const at = channel * PLANE + y * SIDE + x
          this.values[at] = (this.values[at] ?? 0) * (1 - cover) + value * cover
        }
      }
    }
  }

  /** Adds `amplitudes` (one per channel) times a pattern. */
  add(amplitudes: Colour, pattern: (x: number, y: number) => number): void {
    for (const [channel, amplitude] of amplitudes.entries()) {
      this.map(channel, (value, x, y) => value + amplitude * pattern(x, y))
    }
  }

  /** Writes bytes, with noise uniform in ±`noise`; what leaves [0, 255] is clipped. */
  toBytes(bytes: Uint8Array, noise: number, random: Randomness): void {
    for (const [index, value] of this.values.entries()) {
      const noisy = value + random.between(-noise, noise)
      bytes[index] = Math.max(0, Math.min(255, Math.floor(noisy + 0.5)))
    }
  }
}
