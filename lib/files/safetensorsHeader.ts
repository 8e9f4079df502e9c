/**
 * The header of a safetensors file: JSON that says where each tensor lies. What is read may come from anywhere, so
 * nothing in it is trusted. Format: https://github.com/huggingface/safetensors#format
 */

import { showShape } from '../base/numbers.js'
import { jsonReason } from './json.js'

/** Element types, and the typed arrays that hold them; 8- and 16-bit floats are kept as their bits. */
export const dataTypes = {
  F64: Float64Array,
  I64: BigInt64Array,
  U64: BigUint64Array,
  F32: Float32Array,
  I32: Int32Array,
  U32: Uint32Array,
  F16: Uint16Array,
  BF16: Uint16Array,
  I16: Int16Array,
  U16: Uint16Array,
  F8_E4M3: Uint8Array,
  F8_E5M2: Uint8Array,
  I8: Int8Array,
  U8: Uint8Array,
  BOOL: Uint8Array,
} as const

export type DataType = keyof typeof dataTypes

/** Place of a tensor in the file; `start` and `end` (exclusive) count from the end of the header, in bytes. */
export interface TensorEntry {
  name: string
  dtype: DataType
  shape: number[]
  start: number
  end: number
}

export interface Header {
  metadata: Record<string, string>
  /** In the order in which they lie in the file. */
  entries: TensorEntry[]
}

/** What makes a header invalid; the reader of the file adds its name. */
export class HeaderError extends Error {}

const METADATA = '__metadata__'
/** Of a tensor; those of PyTorch have no more. */
const MOST_AXES = 64

/** The header's bytes, without the length before it; padded with spaces so that the data starts at a multiple of 8. */
export const formatHeader = ({ metadata, entries }: Header): Uint8Array => {
  const tensors = entries.map(({ name, dtype, shape, start, end }) => {
    if (name === METADATA) throw new HeaderError(`a tensor cannot be named "${METADATA}"`)
    return [name, { dtype, shape, data_offsets: [start, end] }] as const
  })
  if (new Set(tensors.map(([name]) => name)).size < tensors.length) {
    throw new HeaderError('two tensors have the same name')
  }
  const json = JSON.stringify(
    Object.fromEntries([
      ...(Object.keys(metadata).length > 0 ? [[METADATA, metadata] as const] : []),
      ...tensors,
    ]),
  )
  const bytes = Buffer.from(json)
  return Buffer.concat([bytes, Buffer.alloc((8 - (bytes.length % 8)) % 8, ' ')])
}

/**
 * Reads a header and checks that its tensors fill the `dataLength` bytes after it without holes or overlaps.
 * @throws HeaderError that names the problem
 */
export const parseHeader = (bytes: Uint8Array, dataLength: number): Header => {
  const text = decode(bytes)
  if (!text.startsWith('{')) throw new HeaderError('its header does not start with "{"')
  const json = parseJson(text)
  const duplicate = duplicateKey(text)
  if (duplicate !== undefined) throw new HeaderError(`its header names ${quote(duplicate)} twice`)
  const entries: TensorEntry[] = []
  let metadata: Record<string, string> = {}
  for (const [name, value] of Object.entries(asObject(json, 'its header'))) {
    if (name === METADATA) metadata = parseMetadata(value)
    else entries.push(parseEntry(name, value))
  }
  entries.sort((a, b) => a.start - b.start || a.end - b.end)
  requireCover(entries, dataLength)
  return { metadata, entries }
}

const decode = (bytes: Uint8Array): string => {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    throw new HeaderError('its header is not UTF-8 text')
  }
}

const parseJson = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new HeaderError(`its header is not JSON: ${jsonReason(error)}`)
  }
}

const asObject = (value: unknown, what: string): Record<string, unknown> => {
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return value as Record<string, unknown>
  throw new HeaderError(`${what} is not an object`)
}

const parseMetadata = (value: unknown): Record<string, string> => {
  const metadata = asObject(value, METADATA)
  for (const [key, entry] of Object.entries(metadata)) {
    if (typeof entry !== 'string') throw new HeaderError(`${METADATA} entry ${quote(key)} is not a text`)
  }
  return metadata as Record<string, string>
}

const parseEntry = (name: string, value: unknown): TensorEntry => {
  const what = `tensor ${quote(name)}`
  const { dtype, shape, data_offsets: offsets, ...rest } = asObject(value, what)
  const [unknown] = Object.keys(rest)
  if (unknown !== undefined) throw new HeaderError(`${what} has the unknown key ${quote(unknown)}`)
  if (typeof dtype !== 'string' || !Object.hasOwn(dataTypes, dtype)) {
    throw new HeaderError(`${what} has the type ${quote(String(dtype))}, which is none that can be read`)
  }
  if (!isSizes(shape) || shape.length > MOST_AXES) throw new HeaderError(`${what} has an invalid shape`)
  if (!isSizes(offsets) || offsets.length !== 2) throw new HeaderError(`${what} has invalid data_offsets`)
  const [start = 0, end = 0] = offsets
  const type = dtype as DataType
  const bytes = shape.reduce((product, size) => product * size, dataTypes[type].BYTES_PER_ELEMENT)
  if (end - start !== bytes) {
    throw new HeaderError(
      `${what} is ${type} ${showShape(shape)}, which needs ${bytes} bytes, but has ${end - start}`,
    )
  }
  return { name, dtype: type, shape, start, end }
}

const isSizes = (value: unknown): value is number[] =>
  Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && size >= 0)

const requireCover = (entries: readonly TensorEntry[], dataLength: number): void => {
  let position = 0
  for (const { name, start, end } of entries) {
    if (end > dataLength) {
      throw new HeaderError(
        `it is truncated: tensor ${quote(name)} ends at byte ${end} of the data, which has only ${dataLength} bytes`,
      )
    }
    if (start < position) throw new HeaderError(`tensor ${quote(name)} overlaps another one`)
    if (start > position)
      throw new HeaderError(`there is a hole of ${start - position} bytes before tensor ${quote(name)}`)
    position = end
  }
  if (position < dataLength) {
    throw new HeaderError(
      `there are ${dataLength - position} bytes after the last tensor that belong to none`,
    )
  }
}

/** The first key that occurs twice in an object; JSON.parse would silently take the last. The text is valid JSON. */
const duplicateKey = (text: string): string | undefined => {
  const open: (Set<string> | undefined)[] = []
  for (let at = 0; at < text.length; at++) {
    const character = text[at]
    if (character === '{') open.push(new Set())
    else if (character === '[') open.push(undefined)
    else if (character === '}' || character === ']') open.pop()
    if (character !== '"') continue
    const start = at
    for (at++; text[at] !== '"'; at++) if (text[at] === '\\') at++
    let next = at + 1
    while (' \t\n\r'.includes(text[next] ?? 'x')) next++
    if (text[next] !== ':') continue
    const key = JSON.parse(text.slice(start, at + 1)) as string
    const keys = open.at(-1)
    if (keys?.has(key)) return key
    keys?.add(key)
  }
  return undefined
}

/** A name from the file in quotes, on one line and of reasonable length. */
const quote = (text: string): string => {
  const quoted = JSON.stringify(text)
  return quoted.length > 80 ? `${quoted.slice(0, 76)}..."` : quoted
}
