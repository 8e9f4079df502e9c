/**
 * The CIFAR sets from their official files, binary or Python version, each checked by MD5 where one is published.
 * (A. Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009)
 */
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { CoppiceError } from '../base/errors.js'
import { PickleError, readPickle } from '../files/pickle.js'
import { readBytes } from '../files/read.js'
import type { Normalization } from '../networks/options.js'
import type { LabelledImages } from './images.js'
import { PickledArray, rebuildArray } from './pickledArray.js'
import type { ImageSplits } from './set.js'

/** One of the sets: what its files are called, and where in them the labels are. */
export interface Cifar {
  /** `CIFAR-10`. */
  readonly title: string
  /** `cifar10`. */
  readonly name: string
  readonly versions: readonly CifarVersion[]
  /** Classes in label order. */
  readonly classNames: readonly string[]
  /** Of a binary record, the bytes before the pixels and which of them is the label; of a pickle, the key. */
  readonly label: { readonly bytes: number; readonly at: number; readonly key: string }
  /** Mean and standard deviation of its training images. */
  readonly normalize: Readonly<Normalization>
}

/** The official files of one version, those with training images first, the one with test images last. */
export interface CifarVersion {
  readonly name: 'binary' | 'Python'
  /** The folder inside the official archive. */
  readonly folder: string
  readonly files: Readonly<Record<string, CifarFile>>
}

export interface CifarFile {
  readonly images: number
  /** None where no list of sums is known; then length and labels alone are checked. */
  readonly md5?: string
}

const PIXELS = 3 * 32 * 32

/** Pixels [n, 3, 32, 32] and their classes. */
interface Batch {
  images: Uint8Array
  labels: Uint8Array
}

/** Whether a folder, or the archive's folder in it, has at least one of the files. */
export const isCifar = ({ versions }: Cifar, folder: string): boolean =>
  versions.some((version) =>
    places(folder, version).some((path) =>
      Object.keys(version.files).some((name) => existsSync(join(path, name))),
    ),
  )

/**
 * Reads a set from a folder that holds the official files, or the folder of the official archive.
 *
 * @returns training and test images, [n, 3, 32, 32].
 * @throws CoppiceError `ERR_FILE` naming the folder or file that is missing, truncated or corrupt.
 */
export const readCifar = async (set: Cifar, folder: string): Promise<ImageSplits> => {
  const { path, version } = await findFiles(set, folder)
  const files = Object.entries(version.files)
  const read = async (part: string, chosen: typeof files): Promise<LabelledImages> => {
    const whole = emptyBatch(chosen.reduce((sum, [, { images }]) => sum + images, 0))
    let done = 0
    for (const [name, file] of chosen) {
      const batch = await readBatch(set, version, join(path, name), file)
      whole.images.set(batch.images, done * PIXELS)
      whole.labels.set(batch.labels, done)
      done += file.images
    }
    const { name, classNames, normalize } = set
    const facts = { classes: classNames.length, classNames, augment: 'standard', normalize } as const
    return { name: `${name} ${part}`, ...whole, shape: [3, 32, 32], ...facts }
  }
  return { train: await read('train', files.slice(0, -1)), test: await read('test', files.slice(-1)) }
}

const emptyBatch = (count: number): Batch => ({
  images: new Uint8Array(count * PIXELS),
  labels: new Uint8Array(count),
})

const places = (folder: string, version: CifarVersion): string[] => [folder, join(folder, version.folder)]

const fileError = (message: string, cause?: unknown): CoppiceError =>
  new CoppiceError('ERR_FILE', message, cause === undefined ? undefined : { cause })

const list = async (folder: string): Promise<string[] | undefined> => {
  try {
    return await readdir(folder)
  } catch {
    return undefined
  }
}

/** The version of which the folder, or the archive's folder in it, holds at least one file; all must be there. */
const findFiles = async (
  { title, versions }: Cifar,
  folder: string,
): Promise<{ path: string; version: CifarVersion }> => {
  if ((await list(folder)) === undefined) {
    throw fileError(`cannot read the folder ${folder}: it is missing, no folder, or not readable`)
  }
  for (const version of versions) {
    for (const path of places(folder, version)) {
      const present = await list(path)
      const missing = Object.keys(version.files).filter((name) => !present?.includes(name))
      if (missing.length === 0) return { path, version }
      if (missing.length < Object.keys(version.files).length) {
        throw fileError(
          `${path}: ${missing.join(', ')} of ${title} (${version.name} version) ` +
            `${missing.length === 1 ? 'is' : 'are'} missing; unpack the official archive again`,
        )
      }
    }
  }
  const expected = versions.map(({ name, files }) => `${Object.keys(files)[0]} … (${name} version)`)
  throw fileError(
    `no ${title} in ${folder}: expected ${expected.join(' or ')}; \`coppice data fetch\` downloads it`,
  )
}

const readBatch = async (
  set: Cifar,
  version: CifarVersion,
  file: string,
  { images, md5 }: CifarFile,
): Promise<Batch> => {
  const expected = images * (set.label.bytes + PIXELS)
  // Pickles are a little longer.
  const bytes = await readBytes(file, 2 * expected)
  if (version.name === 'binary' && bytes.length !== expected) {
    const state = bytes.length < expected ? 'truncated' : 'too long'
    throw fileError(`${file} is ${state}: ${bytes.length} bytes instead of ${expected}`)
  }
  const sum = md5 === undefined ? undefined : createHash('md5').update(bytes).digest('hex')
  if (sum !== md5) {
    throw fileError(
      `${file} is corrupt: its MD5 is ${sum}, the official file's ${md5}; unpack the official archive again`,
    )
  }
  return version.name === 'binary' ? fromRecords(set, bytes, file) : fromPickle(set, bytes, file, images)
}

/** Records of label bytes and 3,072 pixels. */
const fromRecords = ({ title, label, classNames }: Cifar, bytes: Uint8Array, file: string): Batch => {
  const size = label.bytes + PIXELS
  const batch = emptyBatch(bytes.length / size)
  for (let index = 0; index < batch.labels.length; index++) {
    const start = index * size
    const own = bytes[start + label.at] ?? 0
    if (own >= classNames.length) {
      throw fileError(`${file} is not of ${title}: the label of image ${index} is ${own}`)
    }
    batch.labels[index] = own
    batch.images.set(bytes.subarray(start + label.bytes, start + size), index * PIXELS)
  }
  return batch
}

/** A dictionary with `data`, a numpy array [n, 3072], and labels, a list. */
const fromPickle = (
  { title, label, classNames }: Cifar,
  bytes: Uint8Array,
  file: string,
  images: number,
): Batch => {
  const isClass = (value: unknown): boolean =>
    typeof value === 'number' && Number.isInteger(value) && 0 <= value && value < classNames.length
  try {
    const dictionary = readPickle(bytes, rebuildArray)
    if (!(dictionary instanceof Map)) throw new PickleError('it holds no dictionary')
    const data = dictionary.get('data')
    const labels = dictionary.get(label.key)
    const [rows, columns] = data instanceof PickledArray ? data.shape : []
    if (!(data instanceof PickledArray) || rows !== images || columns !== PIXELS) {
      throw new PickleError(`its "data" is not an array of ${images}×${PIXELS}`)
    }
    if (!Array.isArray(labels) || labels.length !== images || labels.some((each) => !isClass(each))) {
      throw new PickleError(`its "${label.key}" are not a list of ${images} classes`)
    }
    return { images: data.data, labels: Uint8Array.from(labels, Number) }
  } catch (error) {
    if (error instanceof PickleError)
      throw fileError(`${file} is not a ${title} batch: ${error.message}`, error)
    throw error
  }
}
