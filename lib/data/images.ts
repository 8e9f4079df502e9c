/** Labelled images on the host, as every source of data gives them and as a device takes them. */
import { createHash } from 'node:crypto'
import { z } from 'zod'
import { invalid } from '../base/errors.js'
import { LIMITS } from '../base/limits.js'
import { choice, integer, parse, strict } from '../base/schemas.js'
import { CIFAR10_NORMALIZATION, type Normalization, networkOptionsSchema } from '../networks/options.js'
import type { ImageShape } from '../networks/spec.js'

/** `standard`: random crops of the image padded by 4 pixels, and flips; of photographs they keep the class. */
export type Augment = 'standard' | 'none'

export interface LabelledImages {
  readonly name: string
  /** [n, channels, height, width], one byte per pixel and channel. */
  readonly images: Uint8Array
  /** Class of each image, counted from 0. */
  readonly labels: Uint8Array
  readonly shape: ImageShape
  /** Number of classes. */
  readonly classes: number
  readonly classNames?: readonly string[]
  /** What training does to them unless it is told otherwise. Default `none`. */
  readonly augment?: Augment
  /** How networks by name normalise them unless they are told otherwise. Default: `defaultNormalization`. */
  readonly normalize?: Readonly<Normalization> | false
}

/** Images and labels as users have them. */
export interface ImageArrays {
  /** Default `images`. */
  name?: string
  /** Pixels from 0 to 255 as [n, channels, height, width]. */
  images: Uint8Array | Uint8ClampedArray
  /** Class of each image, counted from 0; any array of whole numbers below 256. */
  labels: ArrayLike<number | bigint>
  /** [channels, height, width] of one image. */
  shape: ImageShape
  /** Number of classes; default: one more than the largest label, at least 2. */
  classes?: number
  classNames?: readonly string[]
  /** What training does to them unless it is told otherwise. Default `none`: digits must not be mirrored. */
  augment?: Augment
  /** How networks by name normalise them unless told otherwise. Default: as CIFAR-10 with three channels, else `false`. */
  normalize?: Normalization | false
}

const bytes = z.union([z.instanceof(Uint8Array), z.instanceof(Uint8ClampedArray)], {
  error: 'expected a Uint8Array of pixels from 0 to 255',
})

const side = integer(1, LIMITS.imageSide)

const schema = strict({
  name: z.string('expected a name').default('images'),
  images: bytes,
  labels: z.custom<ArrayLike<number | bigint>>(isArrayLike, 'expected an array of classes'),
  shape: z.tuple([side, side, side], 'expected [channels, height, width]'),
  classes: integer(2, LIMITS.classes).optional(),
  classNames: z.array(z.string('expected a name'), 'expected a list of names').optional(),
  augment: choice(['standard', 'none']).default('none'),
  normalize: networkOptionsSchema.shape.normalize.unwrap().optional(),
})

/**
 * Checks arrays from outside and gives them back as labelled images; the pixels are not copied.
 *
 * @throws CoppiceError naming what does not fit: another type than bytes, a length that is not a whole number of
 * images, a label that is no class, as many labels as there are not images.
 */
export const labelledImages = (value: ImageArrays): LabelledImages => {
  const { name, images, labels: given, shape, classes: stated, ...rest } = parse(schema, value, 'images')
  const { classNames, augment, normalize } = rest
  const size = shape[0] * shape[1] * shape[2]
  const count = images.length / size
  if (count === 0 || !Number.isInteger(count)) {
    throw invalid(
      `images "${name}": ${images.length} bytes are not a whole number of images of ${shape.join('×')} bytes`,
    )
  }
  if (given.length !== count) {
    throw invalid(`images "${name}": ${given.length} labels for ${count} images`)
  }
  const labels = Uint8Array.from({ length: count }, (_, index) => toLabel(given[index], index, name))
  const largest = labels.reduce((max, label) => Math.max(max, label), 0)
  const classes = stated ?? Math.max(2, classNames?.length ?? 0, largest + 1)
  if (largest >= classes) {
    const index = labels.findIndex((label) => label >= classes)
    throw invalid(
      `images "${name}": label ${labels[index]} of image ${index} is not one of ${classes} classes`,
    )
  }
  if (classNames !== undefined && classNames.length !== classes) {
    throw invalid(`images "${name}": ${classNames.length} class names for ${classes} classes`)
  }
  return {
    name,
    images: new Uint8Array(images.buffer, images.byteOffset, images.length),
    labels,
    shape,
    classes,
    augment,
    ...(classNames === undefined ? {} : { classNames }),
    ...(normalize === undefined ? {} : { normalize }),
  }
}

/** SHA-256 of pixels, labels, shape and number of classes; the name does not count. */
export const fingerprint = ({ images, labels, shape, classes }: LabelledImages): string =>
  createHash('sha256')
    .update(JSON.stringify({ shape, classes, count: labels.length }))
    .update(labels)
    .update(images)
    .digest('hex')

/** Of images that come without a mean and deviation: those of CIFAR-10 where they have three channels, else none. */
export const defaultNormalization = ([channels]: ImageShape): Readonly<Normalization> | false =>
  channels === CIFAR10_NORMALIZATION.mean.length ? CIFAR10_NORMALIZATION : false

/** The first `count` images, by default all; pixels are shared, not copied. @throws CoppiceError if there are fewer */
export const firstImages = (images: LabelledImages, count = images.labels.length): LabelledImages => {
  const { name, labels } = images
  if (count > labels.length) throw invalid(`${name} has ${labels.length} images, but ${count} are asked for`)
  const size = images.shape[0] * images.shape[1] * images.shape[2]
  return {
    ...images,
    images: images.images.subarray(0, count * size),
    labels: images.labels.subarray(0, count),
  }
}

function isArrayLike(value: unknown): boolean {
  return Array.isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof DataView))
}

const toLabel = (value: unknown, index: number, name: string): number => {
  const label = typeof value === 'bigint' ? Number(value) : value
  if (typeof label !== 'number' || !Number.isInteger(label) || label < 0 || label > 255) {
    throw invalid(
      `images "${name}": label ${String(value)} of image ${index} is not a whole number from 0 to 255`,
    )
  }
  return label
}
