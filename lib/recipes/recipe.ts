/**
 * A recipe: everything that determines a run, as a file a person writes. Reading it fills in the defaults; what
 * depends on the network and the data is filled in by `resolveRecipe`, and the result is what the run records.
 */

import { z } from 'zod'
import { attackSchema, parseAttack } from '../attacks/attack.js'
import { LIMITS } from '../base/limits.js'
import { fractionBetween } from '../base/numbers.js'
import { requirePlain } from '../base/plain.js'
import {
  batchSizeSchema,
  choice,
  integer,
  learningRateSchema,
  listOf,
  parse,
  strict,
  textUpTo,
} from '../base/schemas.js'
import { path } from '../data/set.js'
import { dataSchema } from '../data/sets.js'
import { networkOptionsSchema } from '../networks/options.js'
import { type Objective, objectiveNames, objectiveSchema } from '../objectives/index.js'
import { pruneShape } from '../pruning/settings.js'
import { deviceSchema, moreDevicesSchema } from '../training/devices.js'
import { scheduleSchema } from '../training/schedules.js'
import { rampShape, settingsShape } from '../training/settings.js'
import { PAPERS_METHOD, verifierSchema } from '../verification/index.js'

const { seed, ...trainingShape } = settingsShape
const name = textUpTo(LIMITS.name, 'a name')

/** A word that stands for an object: `vgg16` for `{ name: vgg16 }`. */
const named = <Schema extends z.ZodType>(key: string, schema: Schema) =>
  z.preprocess((value) => (typeof value === 'string' ? { [key]: value } : value), schema)

const networkSchema = named(
  'name',
  strict({
    /** One of the known networks … */
    name: name.optional(),
    scale: networkOptionsSchema.shape.scale.unwrap().optional(),
    classes: networkOptionsSchema.shape.classes.unwrap().optional(),
    input: networkOptionsSchema.shape.input.unwrap().optional(),
    normalize: networkOptionsSchema.shape.normalize.unwrap().optional(),
    /** … or a JSON file with a spec, or the spec itself. */
    file: path.optional(),
    spec: z.unknown().optional(),
  }),
)

const pretrainSchema = strict({
  ...trainingShape,
  objective: objectiveSchema.optional(),
  /** A model to start from, instead of fresh weights. */
  from: path.optional(),
  /** Default 100, or 0 with `from`. */
  epochs: integer(0, LIMITS.epochs).optional(),
  learningRate: learningRateSchema.optional(),
  schedule: scheduleSchema.optional(),
  /** Default: what the objective needs. */
  ...rampShape,
})

const pruneSchema = strict({
  ...pruneShape,
  /** Default: those of pre-training. */
  optimiser: trainingShape.optimiser,
  batchSize: batchSizeSchema.optional(),
  precision: trainingShape.precision,
  augment: trainingShape.augment,
  averaging: trainingShape.averaging,
  labelSmoothing: trainingShape.labelSmoothing,
  /** `milestones` keeps a checkpoint at each milestone, `steps` at each pruning step. */
  keep: choice(['milestones', 'steps']).default('milestones'),
})

const branchNames = choice(['none', 'matched', ...objectiveNames])

/** A way of fine-tuning: none at all, matched to pre-training, or an objective by name or in full. */
const branchSchema = z.unknown().transform((value, context): 'none' | 'natural' | 'matched' | Objective => {
  const word = typeof value === 'string' ? branchNames.safeParse(value) : undefined
  if (word?.success && ['none', 'natural', 'matched'].includes(word.data)) {
    return word.data as 'none' | 'natural' | 'matched'
  }
  const parsed = word?.success === false ? word : objectiveSchema.safeParse(value)
  if (parsed.success) return parsed.data
  for (const { message, path: place } of parsed.error.issues) {
    context.addIssue({ code: 'custom', message, path: [...place] })
  }
  return z.NEVER
})

const finetuneSchema = z
  .preprocess(
    (value) => (Array.isArray(value) ? value : [value]),
    listOf(branchSchema, 'expected a list').refine((list) => list.length > 0, {
      error: 'needs at least one of none, natural, matched',
    }),
  )
  .default(['matched'])

/** How the networks of a run are verified: `symbolic`, a list of verifiers, `none`, or with its ε and images. */
const verifySchema = z.preprocess(
  (value) => (typeof value === 'string' || Array.isArray(value) ? { verifiers: value } : value),
  strict({
    /** Each gives a column of its own; the one named VRA is that of `symbolic`. */
    verifiers: z
      .preprocess(
        (value) => (value === 'none' ? [] : Array.isArray(value) ? value : [value]),
        listOf(verifierSchema, 'expected a list of verifiers'),
      )
      .prefault(PAPERS_METHOD),
    /** Default: that of the objective if it is on bounds, else that of the attack. */
    epsilon: fractionBetween(0, 1).optional(),
    /** The first so many of the evaluated images; default all of them. */
    images: integer(1, LIMITS.images).optional(),
  }),
)

const evaluateSchema = strict({
  attack: z
    .preprocess((value) => (typeof value === 'string' ? parseAttack(value) : value), attackSchema)
    .optional(),
  /** The first so many test images; default all. */
  images: integer(1, LIMITS.images).optional(),
  batchSize: batchSizeSchema.default(250),
  precision: choice(['fp32', 'bf16', 'fp64']).default('fp32'),
  /** Default: `symbolic` where the objective is on bounds, else nothing. */
  verify: verifySchema.optional(),
})

/** Schema of a whole recipe. */
export const recipeSchema = strict({
  name: name.optional(),
  seed,
  device: deviceSchema.default('cpu'),
  /**
   * Devices that share each batch of training with `device`, in contiguous slices: other GPUs of this host, or `cpu` for
   * each further thread; default none.
   */
  moreDevices: moreDevicesSchema.optional(),
  /** CPU threads; default: the cores. */
  threads: integer(1, LIMITS.threads).optional(),
  /** Deterministic algorithms on CUDA, slower; the CPU is deterministic anyway. */
  deterministic: z.boolean('expected true or false').default(false),
  data: named('set', dataSchema),
  network: networkSchema,
  pretrain: pretrainSchema,
  prune: pruneSchema.optional(),
  finetune: finetuneSchema,
  evaluate: evaluateSchema.prefault({}),
})

/** A recipe as written, with the defaults that depend on nothing else. */
export type Recipe = z.output<typeof recipeSchema>

/** Reads a recipe from plain data. @throws CoppiceError that names the place and suggests the nearest known key */
export const parseRecipe = (value: unknown): Recipe => {
  requirePlain(value, 'recipe')
  return parse(recipeSchema, withoutNulls(value), 'recipe')
}

/** An empty value in YAML is null, and means that the key is not given. */
const withoutNulls = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(withoutNulls)
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).filter(([, inner]) => inner !== null)
  return Object.fromEntries(entries.map(([key, inner]) => [key, withoutNulls(inner)]))
}
