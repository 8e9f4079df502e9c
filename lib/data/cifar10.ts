/**
 * CIFAR-10 from its official files, binary or Python version, each checked by MD5.
 * (A. Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009)
 */
import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { CoppiceError } from '../base/errors.js'
import { PickleError, readPickle } from '../files/pickle.js'
import type { LabelledImages } from './images.js'
import { PickledArray, rebuildArray } from './pickledArray.js'

/** Classes in label order. */
export const CIFAR10_CLASSES = [
  'airplane',
  'automobile',
  'bird',
  'cat',
  'deer',
  'dog',
  'frog',
  'horse',
  'ship',
  'truck',
] as const

/** The official files of one version: the expected MD5 by file name, training batches first, test batch last. */
export interface Cifar10Version {
  name: 'binary' | 'Python'
  /** The folder inside the official archive. */
  folder: string
  files: Readonly<Record<string, string>>
}

export const CIFAR10_BINARY: Cifar10Version = {
  name: 'binary',
  folder: 'cifar-10-batches-bin',
  files: {
    'data_batch_1.bin': '5dd7e06a14cb22eb9f671a540d1b7c25',
    'data_batch_2.bin': '5ea93a67294ea407fff1d09f752e9692',
    'data_batch_3.bin': '942cd6a4bcdd0dd3c604fbe906cb4421',
    'data_batch_4.bin': 'ae636b3ba5c66a11e91e8cb52e771fcb',
    'data_batch_5.bin': '53f37980c15c3d472c316c40844f3f0d',
    'test_batch.bin': '803d5f7f4d78ea53de84dbe85f74fb6d',
  },
}

export const CIFAR10_PYTHON: Cifar10Version = {
  name: 'Python',
  folder: 'cifar-10-batches-py',
  files: {
    data_batch_1: 'c99cafc152244af753f735de768cd75f',
    data_batch_2: 'd4bba439e000b95fd0a9bffe97cbabec',
    data_batch_3: '54ebc095f3ab1f0389bbae665268c751',
    data_batch_4: '634d18415352ddfa80567beed471001a',
    data_batch_5: '482c414d41f54cd18b22e5b47cb7c3cb',
    test_batch: '40351d587109b95175f43aff81a1287e',
  },
}

const PER_BATCH = 10_000
const PIXELS = 3 * 32 * 32
const BINARY_BYTES = PER_BATCH * (1 + PIXELS)

/** What one file holds: pixels [10000, 3, 32, 32] and their classes. */
interface Batch {
  images: Uint8Array
  labels: Uint8Array
}

/**
 * Reads CIFAR-10 from a folder that holds the official files, or their folder `cifar-10-batches-bin` or `-py`.
 *
 * @param versions the versions to look for, with the MD5 sums their files must have.
 * @returns 50,000 training and 10,000 test images, [n, 3, 32, 32].
 * @throws CoppiceError `ERR_FILE` naming the folder or file that is missing, truncated or corrupt.
 */
export const readCifar10 = async (
  folder: string,
  versions: readonly Cifar10Version[] = [CIFAR10_BINARY, CIFAR10_PYTHON],
): Promise<{ train: LabelledImages; test: LabelledImages }> => {
  const { path, version } = await findFiles(folder, versions)
  const names = Object.keys(version.files)
  const train = emptyBatch((names.length - 1) * PER_BATCH)
  const test = emptyBatch(PER_BATCH)
  for (const [index, name] of names.entries()) {
    const batch = await readBatch(join(path, name), version)
    const [target, place] = index < names.length - 1 ? [train, index] : [test, 0]
    target.images.set(batch.images, place * PER_BATCH * PIXELS)
    target.labels.set(batch.labels, place * PER_BATCH)
  }
  const common = { classes: 10, classNames: CIFAR10_CLASSES, augment: 'standard' } as const
  return {
    train: { ...common, ...train, shape: [3, 32, 32], name: 'cifar10 train' },
    test: { ...common, ...test, shape: [3, 32, 32], name: 'cifar10 test' },
  }
}

const emptyBatch = (count: number): Batch => ({
  images: new Uint8Array(count * PIXELS),
  labels: new Uint8Array(count),
})

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
  folder: string,
  versions: readonly Cifar10Version[],
): Promise<{ path: string; version: Cifar10Version }> => {
  if ((await list(folder)) === undefined) {
    throw fileError(`cannot read the folder ${folder}: it is missing, no folder, or not readable`)
  }
  for (const version of versions) {
    for (const path of [folder, join(folder, version.folder)]) {
      const present = await list(path)
      const missing = Object.keys(version.files).filter((name) => !present?.includes(name))
      if (missing.length === 0) return { path, version }
      if (missing.length < Object.keys(version.files).length) {
        throw fileError(
          `${path}: ${missing.join(', ')} of CIFAR-10 (${version.name} version) ` +
            `${missing.length === 1 ? 'is' : 'are'} missing; unpack the official archive again`,
        )
      }
    }
  }
  const expected = versions.map(({ name, files }) => `${Object.keys(files)[0]} … (${name} version)`)
  throw fileError(
    `no CIFAR-10 in ${folder}: expected ${expected.join(' or ')}; \`coppice data fetch\` downloads it`,
  )
}

const readBatch = async (file: string, version: Cifar10Version): Promise<Batch> => {
  const bytes = await readFile(file).catch((error: unknown) => {
    throw fileError(`cannot read ${file}: ${error instanceof Error ? error.message : String(error)}`, error)
  })
  if (version.name === 'binary' && bytes.length !== BINARY_BYTES) {
    const state = bytes.length < BINARY_BYTES ? 'truncated' : 'too long'
    throw fileError(`${file} is ${state}: ${bytes.length} bytes instead of ${BINARY_BYTES}`)
  }
  const sum = createHash('md5').update(bytes).digest('hex')
  const expected = version.files[basename(file)]
  if (sum !== expected) {
    throw fileError(
      `${file} is corrupt: its MD5 is ${sum}, the official file's ${expected}; unpack the official archive again`,
    )
  }
  return version.name === 'binary' ? fromRecords(bytes) : fromPickle(bytes, file)
}

/** Records of one label byte and 3,072 pixels. */
const fromRecords = (bytes: Uint8Array): Batch => {
  const batch = emptyBatch(PER_BATCH)
  for (let index = 0; index < PER_BATCH; index++) {
    const start = index * (1 + PIXELS)
    batch.labels[index] = bytes[start] ?? 0
    batch.images.set(bytes.subarray(start + 1, start + 1 + PIXELS), index * PIXELS)
  }
  return batch
}

/** A dictionary with `data`, a numpy array [10000, 3072], and `labels`, a list. */
const fromPickle = (bytes: Uint8Array, file: string): Batch => {
  try {
    const dictionary = readPickle(bytes, rebuildArray)
    if (!(dictionary instanceof Map)) throw new PickleError('it holds no dictionary')
    const data = dictionary.get('data')
    const labels = dictionary.get('labels')
    const [rows, columns] = data instanceof PickledArray ? data.shape : []
    if (!(data instanceof PickledArray) || rows !== PER_BATCH || columns !== PIXELS) {
      throw new PickleError(`its "data" is not an array of ${PER_BATCH}×${PIXELS}`)
    }
    if (!Array.isArray(labels) || labels.length !== PER_BATCH || labels.some((label) => !isClass(label))) {
      throw new PickleError(`its "labels" are not a list of ${PER_BATCH} classes`)
    }
    return { images: data.data, labels: Uint8Array.from(labels, Number) }
  } catch (error) {
    if (error instanceof PickleError)
      throw fileError(`${file} is not a CIFAR-10 batch: ${error.message}`, error)
    throw error
  }
}

const isClass = (label: unknown): boolean =>
  typeof label === 'number' && Number.isInteger(label) && 0 <= label && label < CIFAR10_CLASSES.length
