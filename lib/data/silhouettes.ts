/**
 * The ten shapes of the built-in data set, as functions of a point in the shape's own frame, where it has a radius of
 * about 1: negative inside, positive outside, about the distance to the outline near it. Only +, −, ×, ÷ and square
 * roots, whose results IEEE 754 fixes, so that every machine draws the same pixels.
 */

/** Signed distance to a shape's outline. */
export type Silhouette = (x: number, y: number) => number

const disc = (x: number, y: number, radius: number): number => Math.sqrt(x * x + y * y) - radius

const box = (x: number, y: number, width: number, height: number): number =>
  Math.max(Math.abs(x) - width, Math.abs(y) - height)

const plus = (x: number, y: number): number => Math.min(box(x, y, 1, 0.3), box(x, y, 0.3, 1))

/** Half of √2 and of √3. */
const DIAGONAL = Math.SQRT1_2
const SLOPE = 0.8660254037844386

/** Silhouettes by class name, in label order. Each is its own mirror image, or its mirror image is as likely. */
export const silhouettes: Readonly<Record<string, Silhouette>> = {
  disc: (x, y) => disc(x, y, 0.9),
  ring: (x, y) => Math.abs(disc(x, y, 0.75)) - 0.25,
  square: (x, y) => box(x, y, 0.8, 0.8),
  frame: (x, y) => Math.abs(box(x, y, 0.7, 0.7)) - 0.22,
  triangle: (x, y) => Math.max(SLOPE * Math.abs(x) - 0.5 * y - 0.5, y - 0.7),
  plus,
  cross: (x, y) => plus(DIAGONAL * (x + y), DIAGONAL * (x - y)),
  stripes: (x, y) => Math.max(box(x, y, 0.9, 0.95), 0.19 - Math.abs(Math.abs(y) - 0.38)),
  crescent: (x, y) => Math.max(disc(x, y, 1), -disc(x - 0.5, y, 0.8)),
  dumbbell: (x, y) => Math.min(disc(Math.abs(x) - 0.6, y, 0.45), box(x, y, 0.6, 0.16)),
}

/** What clutter consists of. */
export const blob: Silhouette = (x, y) => disc(x, y, 0.9)
export const bar: Silhouette = (x, y) => box(x, y, 2, 0.3)
