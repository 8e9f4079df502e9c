/** Labelled images on a device, as bytes, and views of them: subsets and splits that share one native copy. */

import { createHash } from 'node:crypto'
import { type InspectOptions, inspect } from 'node:util'
import { settle } from '../../bindings/jobs.js'
import { addon } from '../../bindings/load.js'
import type { Device, NativeDataset } from '../../bindings/native.js'
import { instanceOf, optionsOf } from '../base/arguments.js'
import { CoppiceError, invalid } from '../base/errors.js'
import { show } from '../base/numbers.js'
import { count, isWithin } from '../base/printed.js'
import { parse, seedSchema } from '../base/schemas.js'
import type { Normalization } from '../networks/options.js'
import type { ImageShape } from '../networks/spec.js'
import { type Augment, defaultNormalization, fingerprint, type LabelledImages } from './images.js'
import { epochOrder } from './order.js'

/** What all views of one native copy share. */
interface Shared {
  handle: NativeDataset
  labels: Uint8Array
  /** The bytes as they were handed over, for `pixels`; none once disposed. */
  bytes: Uint8Array | undefined
  fingerprint: string
  shape: ImageShape
  classes: number
  classNames: readonly string[]
  augment: Augment
  normalize: Readonly<Normalization> | false
}

/**
 * A view of labelled images on a device. `take`, `subset` and `split` give further views without copying pixels;
 * disposing one of them disposes all.
 */
export class Dataset {
  private constructor(
    readonly name: string,
    private readonly shared: Shared,
    /** Places of this view's images in the whole set: the key of all that is random about a sample. */
    readonly indices: Uint32Array,
  ) {}

  /**
   * Hands the bytes over to the device once; there they stay.
   *
   * @throws CoppiceError `ERR_DEVICE` for a device that isn't there, `ERR_OUT_OF_MEMORY` where it has no room.
   */
  static async create(images: LabelledImages, options: { device?: Device } = {}): Promise<Dataset> {
    const { device = 'cpu' } = optionsOf(options, 'Dataset.create')
    const { shape, classes } = optionsOf(images, 'Dataset.create')
    const handle = await settle(() =>
      addon().createDataset(images.images, images.labels, { shape, classes, device }),
    )
    return Dataset.over(handle, images)
  }

  /** The view of everything in a native copy of `images`. */
  static over(handle: NativeDataset, images: LabelledImages): Dataset {
    const { name, labels, images: bytes, shape, classes, augment = 'none' } = images
    const shared = {
      handle,
      labels: labels.slice(),
      bytes,
      fingerprint: fingerprint(images),
      shape,
      classes,
      augment,
      normalize: images.normalize ?? defaultNormalization(shape),
      classNames: images.classNames ?? Array.from({ length: classes }, (_, label) => `${label}`),
    }
    return new Dataset(name, shared, Uint32Array.from(labels.keys()))
  }

  /** Number of images in this view. */
  get length(): number {
    return this.indices.length
  }

  /** [channels, height, width] of one image. */
  get shape(): ImageShape {
    return this.shared.shape
  }

  /** Number of classes. */
  get classes(): number {
    return this.shared.classes
  }

  get classNames(): readonly string[] {
    return this.shared.classNames
  }

  /** What training does to the images unless it is told otherwise. */
  get augment(): Augment {
    return this.shared.augment
  }

  /** How networks by name normalise the images unless they are told otherwise. */
  get normalize(): Readonly<Normalization> | false {
    return this.shared.normalize
  }

  /** Class of each image of this view. */
  get labels(): Uint8Array {
    return Uint8Array.from(this.indices, (index) => this.shared.labels[index] ?? 0)
  }

  get device(): Device {
    return this.shared.handle.device
  }

  /** The native copy of the whole set. Throws `ERR_DISPOSED` once it is disposed. */
  get handle(): NativeDataset {
    if (this.disposed) {
      throw new CoppiceError(
        'ERR_DISPOSED',
        `data set "${this.name}" was disposed; create it again to use it`,
      )
    }
    return this.shared.handle
  }

  get disposed(): boolean {
    return this.shared.handle.disposed
  }

  /** SHA-256 of what this view holds: the same for the same images in the same order, whatever the name or device. */
  get fingerprint(): string {
    const { labels, fingerprint: whole } = this.shared
    const everything = this.length === labels.length && this.indices.every((index, place) => index === place)
    if (everything) return whole
    const { buffer, byteOffset, byteLength } = this.indices
    return createHash('sha256')
      .update(whole)
      .update(new Uint8Array(buffer, byteOffset, byteLength))
      .digest('hex')
  }

  /**
   * Pixels in [0,1] of the images from `start` to `end` (exclusive) of this view, as `Network.logits` takes them. They
   * come from the array that the set was made of, which must not have been changed.
   *
   * @throws CoppiceError `ERR_DISPOSED` once it is disposed.
   */
  pixels(start = 0, end: number = this.length): Float32Array {
    const { bytes, shape } = this.shared
    if (this.disposed || bytes === undefined) {
      throw new CoppiceError(
        'ERR_DISPOSED',
        `data set "${this.name}" was disposed; create it again to use it`,
      )
    }
    const size = shape[0] * shape[1] * shape[2]
    const chosen = this.indices.subarray(start, end)
    const pixels = new Float32Array(chosen.length * size)
    chosen.forEach((index, place) => {
      for (let pixel = 0; pixel < size; pixel++) {
        pixels[place * size + pixel] = (bytes[index * size + pixel] ?? 0) / 255
      }
    })
    return pixels
  }

  /**
   * The first `count` images.
   *
   * @throws CoppiceError if there are fewer.
   */
  take(count: number): Dataset {
    requireCount('take', count, this)
    return this.view(this.indices.slice(0, count))
  }

  /**
   * The images at these places of this view, in this order.
   *
   * @throws CoppiceError for a place outside it.
   */
  subset(places: ArrayLike<number>): Dataset {
    if (typeof places !== 'object' || places === null || !Number.isSafeInteger(places.length)) {
      throw invalid(`subset: expected a list of places, received ${show(places)}`)
    }
    return this.view(
      Uint32Array.from(places, (place) => {
        const index = Number.isInteger(place) ? this.indices[place] : undefined
        if (index === undefined) {
          throw invalid(`subset: data set "${this.name}" has no image ${show(place)}; it has ${this.length}`)
        }
        return index
      }),
    )
  }

  /**
   * Sets `validation` images aside, drawn by a hash of seed and image: the same ones for the same seed, whatever else
   * is in the view. Both parts keep the order of this view.
   *
   * @throws CoppiceError if there are not more images than that.
   */
  split(options: { validation: number; seed?: number }): { train: Dataset; validation: Dataset } {
    const { validation, seed = 0 } = optionsOf(options, 'split')
    parse(seedSchema, seed, 'split.seed')
    requireCount('split', validation, this)
    if (validation === this.length) {
      throw invalid(`split: ${validation} validation images leave no others in data set "${this.name}"`)
    }
    const drawn = new Set(epochOrder(this.indices, seed, SPLIT).subarray(0, validation))
    return {
      train: this.view(this.indices.filter((index) => !drawn.has(index))),
      validation: this.view(
        this.indices.filter((index) => drawn.has(index)),
        `${this.name} validation`,
      ),
    }
  }

  /** Frees the memory of the whole set at once, also that of its other views. Idempotent. */
  dispose(): void {
    this.shared.bytes = undefined
    this.shared.handle.dispose()
  }

  [Symbol.dispose](): void {
    this.dispose()
  }

  [inspect.custom](depth: number | null, options: InspectOptions): string {
    const { name, length, shape, classes } = this
    const place = this.disposed ? 'disposed' : this.device
    const facts = `${count(length)} images of ${shape.join('×')}, ${classes} classes, ${place}`
    if (this.disposed || isWithin(depth, options) || classes > SHOWN_CLASSES) {
      return `Dataset "${name}" { ${facts} }`
    }
    const counts = new Uint32Array(classes)
    for (const label of this.labels) counts[label] = (counts[label] ?? 0) + 1
    const each = this.classNames.map((label, place) => `${label} ${counts[place]}`)
    return `Dataset "${name}" { ${facts}: ${each.join(', ')} }`
  }

  private view(indices: Uint32Array, name = this.name): Dataset {
    return new Dataset(name, this.shared, indices)
  }
}

/**
 * A data set that a caller handed over. A property that is not there, such as `data.tran`, is undefined.
 *
 * @throws CoppiceError that says what came instead
 */
export const requireDataset = (value: unknown, what: string): Dataset => {
  if (value === undefined) {
    throw invalid(
      `${what}: the data set is missing (it is undefined); sets have the parts train, validation and test, as in ` +
        'data.train',
    )
  }
  if (typeof value === 'object' && value !== null && 'train' in value && 'test' in value) {
    throw invalid(`${what}: expected one data set, received all parts; choose one, such as data.train`)
  }
  return instanceOf(Dataset, value, what, 'a data set, such as data.train')
}

/** Classes whose images are counted when a set is printed. */
const SHOWN_CLASSES = 20

/** Takes the place of the epoch in the shuffle that splits; no epoch has this number. */
const SPLIT = 0xffff_ffff

const requireCount = (what: string, count: number, { name, length }: Dataset): void => {
  if (!Number.isInteger(count) || count < 0 || count > length) {
    throw invalid(`${what}: asks for ${show(count)} of the ${length} images of data set "${name}"`)
  }
}
