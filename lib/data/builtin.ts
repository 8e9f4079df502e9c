/**
 * The built-in data set: ten classes of shapes on cluttered backgrounds, 32×32 RGB, drawn from a seed with integer
 * hashes and exact arithmetic, so that every machine has the same bytes.
 *
 * It is made so that robustness differs from accuracy, as in photographs (Ilyas et al., 2019). Most images show their
 * class by a shape, which survives a change of 8/255. Every image also carries a faint texture of its class, which
 * is easier to learn and predicts the class perfectly, but which such a change erases or forges. One shape in six is
 * as faint as the texture: what only a fragile network can tell.
 */
import { z } from 'zod'
import { hash32 } from '../base/hash.js'
import { LIMITS } from '../base/limits.js'
import { integer, parse, seedSchema, strict } from '../base/schemas.js'
import { CIFAR10_NORMALIZATION } from '../networks/options.js'
import { Canvas, type Colour, PLANE, type Randomness, randomness, SIDE, turned } from './canvas.js'
import type { LabelledImages } from './images.js'
import { counts, type DataSetKind, type ImageSplits } from './set.js'
import { bar, blob, type Silhouette, silhouettes } from './silhouettes.js'

export interface BuiltinOptions {
  /** Number of training images; default 6000. */
  train?: number
  /** Number of test images; default 1000. */
  test?: number
  /** Key of all that is drawn; default 0. */
  seed?: number
}

const schema = strict({
  train: integer(1, LIMITS.builtinImages).default(6000),
  test: integer(1, LIMITS.builtinImages).default(1000),
  seed: z.int('expected a whole number').default(0),
})

/** Amplitude of the class texture in 1/255: half of the usual ε, so that an attack can turn it into another's. */
const TEXTURE = 4
/** Largest pixel noise in 1/255. */
const NOISE = 8

const classes: readonly (readonly [name: string, silhouette: Silhouette])[] = Object.entries(silhouettes)

/**
 * Draws the built-in set. Labels go round, so the first n images have the classes equally often. An image depends on
 * the seed, its place and whether it is for training, not on how many are drawn.
 *
 * @throws CoppiceError for a count below 1 or an unknown option.
 */
export const builtinImages = (options: BuiltinOptions = {}): ImageSplits => {
  const { train, test, seed } = parse(schema, options, 'builtin')
  return {
    train: drawSet('builtin train', train, (index) => hash32(seed, 0, index)),
    test: drawSet('builtin test', test, (index) => hash32(seed, 1, index)),
  }
}

const recipeSchema = strict({
  set: z.literal('builtin'),
  ...counts,
  train: integer(1, LIMITS.builtinImages)
    .optional()
    .meta({ description: 'the first so many training images', default: 'all' }),
  test: integer(1, LIMITS.builtinImages)
    .optional()
    .meta({ description: 'the first so many test images', default: 'all' }),
  seed: seedSchema.default(0).describe('draws the images and the validation split'),
})

export const builtinSet: DataSetKind<typeof recipeSchema> = {
  title: 'built-in',
  argument: 'builtin',
  schema: recipeSchema,
  paths: [],
  named: (argument) => (argument === 'builtin' ? {} : undefined),
  load: async ({ train, test, validation, seed }) =>
    builtinImages({
      seed,
      ...(train !== undefined && { train: train + validation }),
      ...(test !== undefined && { test }),
    }),
}

const drawSet = (name: string, count: number, keyOf: (index: number) => number): LabelledImages => {
  const size = 3 * PLANE
  const images = new Uint8Array(count * size)
  const labels = new Uint8Array(count)
  for (let index = 0; index < count; index++) {
    const label = index % classes.length
    labels[index] = label
    drawImage(images.subarray(index * size, (index + 1) * size), label, randomness(keyOf(index)))
  }
  const classNames = classes.map(([className]) => className)
  // Colours and brightness lie about where those of photographs do, so these are normalised as they are.
  const facts = { classes: classes.length, classNames, normalize: CIFAR10_NORMALIZATION } as const
  return { name, images, labels, shape: [3, SIDE, SIDE], ...facts }
}

const drawImage = (bytes: Uint8Array, label: number, random: Randomness): void => {
  const canvas = new Canvas()
  const { between } = random
  const background: Colour = [between(70, 185), between(70, 185), between(70, 185)]
  canvas.fill(background, () => [between(-0.8, 0.8), between(-0.8, 0.8)])
  paintShape(canvas, label, background, random)
  for (let count = 1 + random.below(3); count > 0; count--) paintClutter(canvas, background, random)
  canvas.add(...texture(label))
  canvas.toBytes(bytes, NOISE, random)
}

/** Brighter or darker than the background, in a colour of its own; one in six within 10/255 of the background. */
const paintShape = (
  canvas: Canvas,
  label: number,
  background: Colour,
  { between, below }: Randomness,
): void => {
  const [, silhouette = blob] = classes[label] ?? []
  const sign = below(2) === 0 ? 1 : -1
  const contrast = below(6) === 0 ? -10 : between(35, 90)
  const placement = {
    ...turned(between(-0.12, 0.12)),
    x: (SIDE - 1) / 2 + between(-3, 3),
    y: (SIDE - 1) / 2 + between(-3, 3),
    radius: between(9.5, 12.5),
  }
  canvas.paint(
    silhouette,
    placement,
    shifted(background, () => sign * (contrast + between(0, 20))),
  )
}

/** A small disc or bar anywhere, over the shape too. */
const paintClutter = (canvas: Canvas, background: Colour, { between, below }: Randomness): void => {
  const silhouette = below(2) === 0 ? bar : blob
  const placement = {
    ...turned(between(-1, 1)),
    x: between(0, SIDE),
    y: between(0, SIDE),
    radius: between(2, 4),
  }
  canvas.paint(
    silhouette,
    placement,
    shifted(background, () => between(-70, 70)),
  )
}

const shifted = ([red, green, blue]: Colour, by: () => number): Colour => [
  red + by(),
  green + by(),
  blue + by(),
]

/** 1 and −1 by turns. */
const alternate = (place: number): number => 1 - 2 * (place % 2)

const patterns: readonly ((x: number, y: number) => number)[] = [
  (x) => alternate(x),
  (_, y) => alternate(y),
  (x, y) => alternate(x + y),
]

/** Signs of the pattern in red, green and blue: alike, or one against the others. */
const signs: readonly Colour[] = [
  [1, 1, 1],
  [1, 1, -1],
  [1, -1, 1],
  [-1, 1, 1],
]

/** The class's own combination of a pattern of period 2 and its signs in the three colours. */
const texture = (label: number): [amplitudes: Colour, pattern: (x: number, y: number) => number] => {
  const [red, green, blue] = signs[Math.floor(label / patterns.length)] ?? [0, 0, 0]
  const pattern = patterns[label % patterns.length] ?? alternate
  return [[TEXTURE * red, TEXTURE * green, TEXTURE * blue], pattern]
}
