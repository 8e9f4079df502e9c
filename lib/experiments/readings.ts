/** Where the paper can be read in several ways: each reading is a key, its first value the default (docs/reproduction.md). */
import { z } from 'zod'
import { LIMITS } from '../base/limits.js'
import { choice, integer, parse, strict } from '../base/schemas.js'
import { pruneScheduleNames } from '../pruning/schedules.js'
import { scopeNames } from '../pruning/scopes.js'

export const readingsSchema = strict({
  /** Whether layers compete when weights or filters are ranked. */
  scope: choice(scopeNames).default('layer'),
  /** Sparsity as a function of the pruning step. */
  schedule: choice(pruneScheduleNames).default('geometric'),
  /** Whether the sparsities of a table are points on one trajectory, or each is the end of its own. */
  points: choice(['trajectory', 'runs']).default('trajectory'),
  /** Epochs of pre-training, which the paper does not say; default: those of the scale. */
  epochs: z.exactOptional(integer(1, LIMITS.epochs)),
  /** Test images that figures are measured on; default: those of the scale. */
  images: z.exactOptional(integer(1, LIMITS.images)),
  /** The wide residual network: figure 8's caption and the tables say 28-5, its text 28-10. */
  wideResNet: choice(['28-5', '28-10']).default('28-5'),
  /** What α is: the probability that a batch is bounded (`coin`), or the weight of the robust loss (`convex`). */
  alpha: z.exactOptional(choice(['coin', 'convex'])),
  /** How long networks are trained from scratch: the epochs of pre-training and fine-tuning, or of pre-training alone. */
  scratch: choice(['total', 'pretraining']).default('total'),
  /** What the abstract's triple of kept shares is of: weights, as tables 2 and 4 give it, or filters, as the conclusion says. */
  triple: choice(['unstructured', 'filter']).default('unstructured'),
})

export type Readings = z.output<typeof readingsSchema>

/** @throws CoppiceError naming a reading that is none, with the nearest known one */
export const parseReadings = (given: unknown): Readings => parse(readingsSchema, given, 'reading')

export const readingNames = Object.keys(readingsSchema.shape) as readonly (keyof Readings)[]
