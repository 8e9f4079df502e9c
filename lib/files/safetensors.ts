/**
 * Tensors on disk in the safetensors format, which other tools read too and which runs no code when loaded: the header's
 * length (u64), the header (see safetensorsHeader.ts), then the tensors' bytes, all little-endian.
 */
import { type FileHandle, open, stat } from 'node:fs/promises'
import { CoppiceError, invalid } from '../base/errors.js'
import { fileError } from './files.js'
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
  const tensors = [...content.tensors].sort((a, b) => b.data.BYTES_PER_ELEMENT - a.data.BYTES_PER_ELEMENT)
  const header = headerOf(content.metadata, tensors)
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(header.length))
  await replaceFile(path, async (file) => {
    await writeAll(file, length)
    await writeAll(file, header)
    for (const { data } of tensors) {
      await writeAll(file, new Uint8Array(data.buffer, data.byteOffset, data.byteLength))
    }
  })
}

/**
 * Reads a file; the arrays are copies of their own. The file may come from anywhere: one that is damaged or made up ends
 * in an error, never in wrong numbers.
 *
 * @throws CoppiceError `ERR_FILE` naming the file and the problem.
 */
export const readSafetensors = async (path: string): Promise<SafetensorsFile> => {
  let file: FileHandle | undefined
  try {
    // Before it is opened: opening a pipe would wait for its other end.
    const kind = await stat(path)
    if (!kind.isFile())
      throw new HeaderError(kind.isDirectory() ? 'it is a folder' : 'it is not a regular file')
    file = await open(path, 'r')
    return await readFrom(file)
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
    throw fileError('cannot read', path, error)
  } finally {
    await file?.close()
  }
}

const readFrom = async (file: FileHandle): Promise<SafetensorsFile> => {
  const { size } = await file.stat()
  if (size < 8) throw new HeaderError(`it has only ${size} bytes`)
  const prefix = Buffer.alloc(8)
  await readAll(file, prefix, 0)
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
  await readAll(file, header, 8)
  const { metadata, entries } = parseHeader(header, size - start)
  const tensors = new Map<string, FileTensor>()
  for (const entry of entries) {
    const { name, dtype, shape } = entry
    const bytes = new Uint8Array(entry.end - entry.start)
    await readAll(file, bytes, start + entry.start)
    tensors.set(name, { dtype, shape, data: new dataTypes[dtype](bytes.buffer) })
  }
  return { metadata, tensors }
}

const readAll = async (file: FileHandle, bytes: Uint8Array, position: number): Promise<void> => {
  for (let done = 0; done < bytes.length; ) {
    const { bytesRead } = await file.read(bytes, done, Math.min(CHUNK, bytes.length - done), position + done)
    if (bytesRead === 0) throw new HeaderError('it became shorter while it was read')
    done += bytesRead
  }
}

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
  for (const [key, value] of Object.entries(metadata)) {
    if (typeof value !== 'string') throw invalid(`metadata "${key}" must be a text`)
  }
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
    throw invalid(`tensor "${name}": shape [${shape.join(', ')}] does not fit ${data.length} elements`)
  }
}
