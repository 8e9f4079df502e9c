/** What every network of Coppice can be varied in: width, classes, image shape and input normalisation. */
import { z } from 'zod'
import { invalid } from '../base/errors.js'
import { LIMITS } from '../base/limits.js'
import { fractionBetween, show } from '../base/numbers.js'
import { integer, listOf, parse, positiveUpTo, strict } from '../base/schemas.js'
import type { NodeInput } from './parse.js'
import type { ImageShape } from './spec.js'

/** Per-channel constants of the first node: y = (x − mean) / std. */
export interface Normalization {
  mean: number[]
  std: number[]
}

export interface NetworkOptions {
  /** Factor on every hidden width, linear layers included, rounded, at least 1. Default 1. */
  scale?: number
  /** Number of logits. Default 10. */
  classes?: number
  /** [channels, height, width]. Default [3, 32, 32]. */
  input?: ImageShape
  /**
   * Normalisation inside the network, so that ε stays in [0,1] pixels; `false` for none. Default: mean and standard
   * deviation of CIFAR-10's training images.
   */
  normalize?: Normalization | false
}

/** Mean and standard deviation per channel of CIFAR-10's training images. */
export const CIFAR10_NORMALIZATION: Readonly<Normalization> = {
  mean: [0.4914, 0.4822, 0.4465],
  std: [0.247, 0.2435, 0.2616],
}

const side = integer(1, LIMITS.size)
const numbers = (low: number) =>
  listOf(fractionBetween(low, LIMITS.normalisation), 'expected a list of numbers')

/** Schema of `NetworkOptions`, defaults filled in. */
export const networkOptionsSchema = strict({
  scale: positiveUpTo(LIMITS.scale).default(1),
  classes: integer(2, LIMITS.size).default(10),
  input: z.tuple([side, side, side], 'expected [channels, height, width]').default([3, 32, 32]),
  normalize: z
    .union(
      [
        z.literal(false),
        strict({ mean: numbers(-LIMITS.normalisation), std: numbers(1 / LIMITS.normalisation) }),
      ],
      {
        error: (issue) => `expected false or { mean, std }, received ${show(issue.input)}`,
      },
    )
    .default({ mean: [...CIFAR10_NORMALIZATION.mean], std: [...CIFAR10_NORMALIZATION.std] }),
})

/** The names of the options, for completion. */
export const networkOptionNames: readonly string[] = Object.keys(networkOptionsSchema.shape)

/** Options with their defaults, and what network definitions do with them. */
export interface ResolvedOptions {
  classes: number
  input: ImageShape
  /** A hidden width, scaled. */
  width: (full: number) => number
  /** The deviation of initial weights that gives scaled layers outputs of the size that full ones have with this. */
  deviation: (full: number) => number
  /** The normalisation node, or nothing. */
  normalize: NodeInput[]
}

/** Checks the options of the network called `name` and fills in their defaults. */
export const resolveOptions = (name: string, options: NetworkOptions): ResolvedOptions => {
  const { scale, classes, input, normalize } = parse(networkOptionsSchema, options, name)
  if (normalize !== false && normalize.mean.length !== input[0]) {
    throw invalid(
      `${name}.normalize: has ${normalize.mean.length} values for images of ${input[0]} channels; ` +
        'give a mean and a std per channel, or false',
    )
  }
  return {
    classes,
    input,
    width: (full) => Math.max(1, Math.round(full * scale)),
    deviation: (full) => full / Math.sqrt(scale),
    normalize: normalize === false ? [] : [{ op: 'normalize', name: 'normalize', ...normalize }],
  }
}

/** Side of the square map that is left after halving square images by `factor`, or an error naming the network. */
export const reducedSide = (name: string, [, height, width]: ImageShape, factor: number): number => {
  if (height !== width || height % factor !== 0) {
    throw invalid(
      `${name}.input: needs square images with a side that is a multiple of ${factor}, received ${height}×${width}`,
    )
  }
  return height / factor
}
