/**
 * Labelled images from a numpy archive: `images`, uint8 [n, channels, height, width] or [n, height, width, channels],
 * and `labels`, whole numbers [n]. (numpy.lib.format, versions 1.0 to 3.0)
 */
import { basename } from 'node:path'
import { z } from 'zod'
import { CoppiceError, invalid } from '../base/errors.js'
import { show, showNames, showShape } from '../base/numbers.js'
import { strict } from '../base/schemas.js'
import { readBytes } from '../files/read.js'
import { type Archive, ArchiveError, openArchive } from '../files/zip.js'
import type { ImageShape } from '../networks/spec.js'
import { type LabelledImages, labelledImages } from './images.js'
import { counts, type DataSetKind, pathTo } from './set.js'

interface NpyArray {
  data:
    | Uint8Array
    | Int8Array
    | Uint16Array
    | Int16Array
    | Uint32Array
    | Int32Array
    | BigUint64Array
    | BigInt64Array
  shape: number[]
}

/** Longest array and header of one that are read, in bytes. */
const LONGEST_ARRAY = 2 ** 30
const LONGEST_HEADER = 65_536

/**
 * Reads an `.npz` file, stored or deflated. Channels come last if the last dimension is 1, 3 or 4 and the second is not.
 *
 * @throws CoppiceError `ERR_FILE` naming the file and what is wrong with it; `ERR_INVALID_ARGUMENT` where the arrays do
 * not fit each other.
 */
export async function readNpz(file: string): Promise<LabelledImages> {
  const refuse = (why: string, cause?: unknown): CoppiceError =>
    new CoppiceError('ERR_FILE', `${file}: ${why}`, { cause })
  const inArchive = <Result>(work: () => Result): Result => {
    try {
      return work()
    } catch (error) {
      if (error instanceof ArchiveError) throw refuse(`not a readable .npz archive: ${error.message}`, error)
      throw error
    }
  }
  const bytes = await readBytes(file)
  const archive: Archive = inArchive(() => openArchive(bytes))
  const array = (name: string): NpyArray => {
    const entry = inArchive(() => archive.read(`${name}.npy`, LONGEST_ARRAY))
    if (entry === undefined) {
      throw refuse(`holds no array '${name}'; it has ${showNames(archive.names) || 'none'}`)
    }
    const parsed = parseNpy(entry)
    if (typeof parsed === 'string') throw refuse(`array '${name}' ${parsed}`)
    return parsed
  }
  const images = array('images')
  const labels = array('labels')
  if (!(images.data instanceof Uint8Array) || images.shape.length !== 4) {
    throw refuse(`array 'images' must be uint8 with 4 dimensions, not ${images.shape.length}`)
  }
  const [n = 0, a = 0, b = 0, c = 0] = images.shape
  if (labels.shape.length !== 1 || labels.shape[0] !== n) {
    throw refuse(
      `array 'labels' must have one label for each of ${n} images, not shape ${showShape(labels.shape)}`,
    )
  }
  const channels = (size: number) => size === 1 || size === 3 || size === 4
  const last = channels(c) && !channels(a)
  const shape: ImageShape = last ? [c, a, b] : [a, b, c]
  return labelledImages({
    name: basename(file, '.npz'),
    images: last ? channelsFirst(images.data, n, a * b, c) : images.data,
    labels: labels.data,
    shape,
  })
}

const schema = strict({
  set: z.literal('npz'),
  trainFile: pathTo('training images'),
  testFile: pathTo('test images'),
  ...counts,
})

export const npzSet: DataSetKind<typeof schema> = {
  title: '.npz',
  argument: 'train.npz,test.npz',
  schema,
  paths: ['trainFile', 'testFile'],
  named: (argument) => {
    const [trainFile, testFile, ...more] = argument.split(',')
    if (!trainFile?.endsWith('.npz')) return undefined
    if (testFile?.endsWith('.npz') && more.length === 0) return { trainFile, testFile }
    throw invalid(
      `--data ${argument}: name two files, one to train on and one to test on: train.npz,test.npz`,
    )
  },
  load: async ({ trainFile, testFile }) => {
    const images = { train: await readNpz(trainFile), test: await readNpz(testFile) }
    requireAlike(images.train, images.test)
    return images
  },
}

const requireAlike = (train: LabelledImages, test: LabelledImages): void => {
  if (train.shape.join() !== test.shape.join()) {
    throw invalid(
      `data.testFile: its images are ${test.shape.join('×')}, the training images ${train.shape.join('×')}`,
    )
  }
  if (test.classes > train.classes) {
    throw invalid(
      `data.testFile: has labels up to ${test.classes - 1}, the training set only ${train.classes} classes`,
    )
  }
}

const channelsFirst = (data: Uint8Array, n: number, pixels: number, channels: number): Uint8Array => {
  const out = new Uint8Array(data.length)
  for (let i = 0; i < n; ++i) {
    const start = i * pixels * channels
    for (let p = 0; p < pixels; ++p) {
      for (let c = 0; c < channels; ++c) out[start + c * pixels + p] = data[start + p * channels + c] ?? 0
    }
  }
  return out
}

const types = {
  '|u1': Uint8Array,
  '|i1': Int8Array,
  '<u2': Uint16Array,
  '<i2': Int16Array,
  '<u4': Uint32Array,
  '<i4': Int32Array,
  '<u8': BigUint64Array,
  '<i8': BigInt64Array,
} as const

/** The array, or what is wrong with it. */
const parseNpy = (bytes: Uint8Array): NpyArray | string => {
  const magic = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59]
  if (bytes.length < 12 || magic.some((byte, i) => bytes[i] !== byte)) return 'is not in numpy format'
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const start = bytes[6] === 1 ? 10 : 12
  const length = bytes[6] === 1 ? view.getUint16(8, true) : view.getUint32(8, true)
  if (length > LONGEST_HEADER) return `has a header of ${length} bytes`
  const header = new TextDecoder('latin1').decode(bytes.subarray(start, start + length))
  const descr = /'descr':\s*'([^']+)'/.exec(header)?.[1] ?? ''
  const sizes = /'shape':\s*\(([\d,\s]*)\)/.exec(header)?.[1]
  if (sizes === undefined) return 'has no readable header'
  if (!Object.hasOwn(types, descr))
    return `has elements of type '${show(descr || 'unknown').slice(1, -1)}'; whole numbers are needed`
  if (/'fortran_order':\s*True/.test(header))
    return 'is in Fortran order; save it with numpy.ascontiguousarray'
  const shape = sizes.split(',').flatMap((size) => (size.trim() === '' ? [] : [Number(size)]))
  const Type = types[descr as keyof typeof types]
  const count = shape.reduce((product, size) => product * size, 1)
  const needed = count * Type.BYTES_PER_ELEMENT
  const data = bytes.subarray(start + length)
  if (data.length !== needed) {
    return `has ${data.length} bytes where its shape ${showShape(shape)} needs ${needed}`
  }
  // Larger elements must be aligned, which a copy is.
  return { data: Type === Uint8Array ? data : new Type(new Uint8Array(data).buffer, 0, count), shape }
}
