/**
 * Tensors on disk in the safetensors format, which other tools read too and which runs no code when loaded: the header's
 * length (u64), the header (see safetensorsHeader.ts), then the tensors' bytes, all little-endian. What is written here
 * carries checksums (see checksums.ts), which are held against what is read.
 */
import type { FileHandle } from 'node:fs/promises'
import { CoppiceError, invalid } from '../base/errors.js'
import { show, showShape } from '../base/numbers.js'
import { checksumsIn, withChecksums } from './checksums.js'
import { sha256 } from './hash.js'
import { type OpenFile, withFile } from './read.js'
import { replaceFile } from './replaceFile.js'
import {
  type DataType,
  dataTypes,
  formatHeader,
  HeaderError,
  parseHeader,
  type TensorEntry,
} from './safetensorsHeader.js'

export type { DataType }
export type TensorData =
  | Float64Array
  | Float32Array
  | BigInt64Array
  | BigUint64Array
  | Int32Array
  | Uint32Array
  | Int16Array
  | Uint16Array
  | Int8Array
  | Uint8Array

export interface FileTensor {
  /** Type of the elements; 16-bit floats are held as their bits in a Uint16Array, 8-bit ones and BOOL in a Uint8Array. */
  dtype: DataType
  /** Row-major. */
  shape: number[]
  data: TensorData
}

export interface SafetensorsContent {
  metadata: Record<string, string>
  tensors: readonly (FileTensor & { name: string })[]
}

export interface SafetensorsFile {
  metadata: Record<string, string>
  /** In the order of the file. */
  tensors: Map<string, FileTensor>
}

/** Longest header that readers of the format accept, in bytes. */
const LONGEST_HEADER = 100_000_000
const CHUNK = 16 * 2 ** 20

/**
 * Writes a file atomically: whatever happens, `path` holds the old file or the whole new one. The arrays must not change
 * until it is done. Tensors with larger elements come first, so that each is aligned.
 *
 * @throws CoppiceError `ERR_INVALID_ARGUMENT` where an array does not fit its type or shape, or names are equal;
 * `ERR_FILE` where the file system refuses.
 */
export const writeSafetensors = async (path: string, content: SafetensorsContent): Promise<void> => {
  for (const tensor of content.tensors) requireFit(tensor)
  for (const [key, value] of Object.entries(content.metadata)) {
    if (typeof value !== 'string') throw invalid(`metadata ${show(key)} must be a text`)
  }
  const tensors = [...content.tensors].sort((a, b) => b.data.BYTES_PER_ELEMENT - a.data.BYTES_PER_ELEMENT)
  const summed = []
  for (const tensor of tensors) summed.push({ ...tensor, sum: await sha256(bytesOf(tensor.data)) })
  const header = headerOf(withChecksums(content.metadata, summed), tensors)
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(header.length))
  await replaceFile(path, async (file) => {
    await writeAll(file, length)
    await writeAll(file, header)
    for (const { data } of tensors) await writeAll(file, bytesOf(data))
  })
}

/** Says which tensors of a file are to be read, from its header alone; may throw for a header that does not fit. */
export type Choice = (header: {
  metadata: Readonly<Record<string, string>>
  tensors: readonly Readonly<TensorEntry>[]
}) => (name: string) => boolean

/**
 * Reads a file; the arrays are copies of their own. The file may come from anywhere: one that is damaged or made up ends
 * in an error, never in wrong numbers. The checksums of the metadata and of every tensor that is read must be right;
 * files without them, of other tools, are read too.
 *
 * @param choose which tensors are read; default: all
 * @throws CoppiceError `ERR_FILE` naming the file and the problem.
 */
export const readSafetensors = (path: string, choose: Choice = () => () => true): Promise<SafetensorsFile> =>
  withFile(path, Number.POSITIVE_INFINITY, async (file) => {
    try {
      return await readFrom(file, choose)
    } catch (error) {
      if (error instanceof HeaderError) {
        throw new CoppiceError('ERR_FILE', `${path} is not a valid safetensors file: ${error.message}`, {
          cause: error,
        })
      }
      if (error instanceof RangeError) {
        throw new CoppiceError('ERR_OUT_OF_MEMORY', `${path} is too large for the memory: ${error.message}`, {
          cause: error,
        })
      }
      throw error
    }
  })

const readFrom = async ({ size, readInto }: OpenFile, choose: Choice): Promise<SafetensorsFile> => {
  if (size < 8) throw new HeaderError(`it has only ${size} bytes`)
  const prefix = Buffer.alloc(8)
  await readInto(prefix, 0)
  const headerLength = prefix.readBigUInt64LE()
  if (headerLength > LONGEST_HEADER) {
    throw new HeaderError(
      `it announces a header of ${headerLength} bytes; the longest allowed is ${LONGEST_HEADER}`,
    )
  }
  const start = 8 + Number(headerLength)
  if (start > size) {
    throw new HeaderError(
      `it is truncated: its header should have ${headerLength} bytes, the file has ${size}`,
    )
  }
  const header = Buffer.alloc(Number(headerLength))
  await readInto(header, 8)
  const { metadata: all, entries } = parseHeader(header, size - start)
  const { metadata, sums } = checksumsIn(all, entries)
  const wanted = choose({ metadata, tensors: entries })
  const tensors = new Map<string, FileTensor>()
  for (const entry of entries) {
    const { name, dtype, shape } = entry
    if (!wanted(name)) continue
    const bytes = new Uint8Array(entry.end - entry.start)
    await readInto(bytes, start + entry.start)
    if (sums !== undefined && sums.get(name) !== (await sha256(bytes))) {
      throw new HeaderError(`its tensor ${show(name)} is damaged: the checksum differs`)
    }
    tensors.set(name, { dtype, shape, data: new dataTypes[dtype](bytes.buffer) })
  }
  return { metadata, tensors }
}

const bytesOf = (data: TensorData): Uint8Array =>
  new Uint8Array(data.buffer, data.byteOffset, data.byteLength)

const writeAll = async (file: FileHandle, bytes: Uint8Array): Promise<void> => {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await file.write(bytes, done, Math.min(CHUNK, bytes.length - done))
    done += bytesWritten
  }
}

const headerOf = (metadata: Record<string, string>, tensors: SafetensorsContent['tensors']): Uint8Array => {
  let position = 0
  const entries = tensors.map(({ name, dtype, shape, data }): TensorEntry => {
    position += data.byteLength
    return { name, dtype, shape, start: position - data.byteLength, end: position }
  })
  try {
    const header = formatHeader({ metadata, entries })
    if (header.length <= LONGEST_HEADER) return header
    throw new HeaderError(
      `the header would have ${header.length} bytes; the longest allowed is ${LONGEST_HEADER}`,
    )
  } catch (error) {
    if (error instanceof HeaderError) throw invalid(`cannot write tensors: ${error.message}`, error)
    throw error
  }
}

const requireFit = ({ name, dtype, shape, data }: FileTensor & { name: string }): void => {
  const type = dataTypes[dtype]
  if (type === undefined || !(data instanceof type)) {
    throw invalid(`tensor "${name}": ${dtype} does not fit a ${data?.constructor?.name}`)
  }
  const size = shape.reduce((product, extent) => product * extent, 1)
  if (size !== data.length) {
    throw invalid(`tensor "${name}": shape ${showShape(shape)} does not fit ${data.length} elements`)
  }
}
