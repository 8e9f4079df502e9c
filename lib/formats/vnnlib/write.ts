/** Robustness as VNN-LIB says it, for other verifiers: what would be a counterexample. (www.vnnlib.org) */
import { z } from 'zod'
import { invalid } from '../../base/errors.js'
import { LIMITS } from '../../base/limits.js'
import { fractionBetween, show } from '../../base/numbers.js'
import { integer, parse, strict } from '../../base/schemas.js'

export interface RobustnessOptions {
  /** Half the side of the box, in [0,1] pixels. */
  epsilon: number
  /** Class of the image. */
  label: number
  /** Number of logits. */
  classes: number
  /** Whether the box ends at the ends of [0,1]; default true. */
  clip?: boolean
}

const schema = strict({
  epsilon: fractionBetween(0, 1),
  label: integer(0, LIMITS.size),
  classes: integer(2, LIMITS.size),
  clip: z.boolean('expected true or false').default(true),
})

/**
 * The property of one image in VNN-LIB: X is the box around it, channel by channel and row by row as an exported ONNX
 * file reads it, and Y are the logits, of which any that reaches the label's breaks it. A verifier that answers `unsat`
 * says that the image is robust.
 *
 * @param image pixels in [0,1], [channels, height, width] flat
 * @throws CoppiceError `ERR_INVALID_ARGUMENT` for pixels outside [0,1], or a label that is no class.
 */
export const vnnlibProperty = (image: ArrayLike<number>, options: RobustnessOptions): string => {
  const { epsilon, label, classes, clip } = parse(schema, options, 'vnnlib')
  if (label >= classes) throw invalid(`vnnlib.label: there are ${classes} classes, received ${label}`)
  if (!Array.isArray(image) && !(image instanceof Float32Array || image instanceof Float64Array)) {
    throw invalid(`vnnlib.image: expected the pixels of an image, received ${show(image)}`)
  }
  const pixels = Array.from(image as ArrayLike<number>)
  const bad = pixels.find((pixel) => !(pixel >= 0 && pixel <= 1))
  if (bad !== undefined) throw invalid(`vnnlib: pixels must lie in [0,1], received ${show(bad)}`)
  const others = Array.from({ length: classes }, (_, index) => index).filter((index) => index !== label)
  const [lowest, highest] = clip ? [0, 1] : [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY]
  return [
    `; class ${label}, within ${decimal(epsilon)} of the image in every pixel${clip ? ', which stays in [0,1]' : ''}`,
    ...pixels.map((_, place) => `(declare-const X_${place} Real)`),
    ...Array.from({ length: classes }, (_, index) => `(declare-const Y_${index} Real)`),
    ...pixels.flatMap((pixel, place) => [
      `(assert (>= X_${place} ${decimal(Math.max(lowest, pixel - epsilon))}))`,
      `(assert (<= X_${place} ${decimal(Math.min(highest, pixel + epsilon))}))`,
    ]),
    '(assert (or',
    ...others.map((other) => `  (and (>= Y_${other} Y_${label}))`),
    '))',
    '',
  ].join('\n')
}

/** The shortest decimal of a number in [−1, 2], without an exponent, which VNN-LIB does not have. */
const decimal = (value: number): string => {
  const [digits = '', exponent] = `${value}`.split('e-')
  if (exponent === undefined) return digits
  const sign = digits.startsWith('-') ? '-' : ''
  return `${sign}0.${'0'.repeat(Number(exponent) - 1)}${digits.replace(/[-.]/g, '')}`
}
