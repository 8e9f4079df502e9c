/**
 * Checksums in the metadata of a safetensors file, where other tools see them and do not mind: `sha256`, the SHA-256 of
 * each tensor's bytes by its name (JSON), and `sha256.header`, that of all other metadata with the names, types and
 * shapes of the tensors. No bit of a file can change unnoticed.
 */
import { createHash } from 'node:crypto'
import { HeaderError, type TensorEntry } from './safetensorsHeader.js'

const TENSORS = 'sha256'
const HEADER = 'sha256.header'

type Tensor = Readonly<Pick<TensorEntry, 'name' | 'dtype' | 'shape'>>

/** The metadata with the checksums of tensors, and of the header. */
export const withChecksums = (
  metadata: Readonly<Record<string, string>>,
  tensors: readonly (Tensor & { sum: string })[],
): Record<string, string> => {
  const sums = Object.fromEntries(tensors.map(({ name, sum }) => [name, sum]))
  const listed = { ...metadata, [TENSORS]: JSON.stringify(sums) }
  return { ...listed, [HEADER]: sumOf(listed, tensors) }
}

/**
 * The metadata without the checksums, and those of the tensors; none where the file has none.
 *
 * @throws HeaderError where the header is not what it was
 */
export const checksumsIn = (
  all: Readonly<Record<string, string>>,
  tensors: readonly Tensor[],
): { metadata: Record<string, string>; sums: ReadonlyMap<string, unknown> | undefined } => {
  const { [HEADER]: sum, ...listed } = all
  const { [TENSORS]: list, ...metadata } = listed
  if (sum === undefined && list === undefined) return { metadata, sums: undefined }
  if (sum === undefined || list === undefined || sum !== sumOf(listed, tensors)) {
    throw new HeaderError('its header is damaged: the checksum differs')
  }
  return { metadata, sums: parseSums(list) }
}

const parseSums = (list: string): Map<string, unknown> => {
  try {
    const sums: unknown = JSON.parse(list)
    if (typeof sums === 'object' && sums !== null) return new Map(Object.entries(sums))
    throw new TypeError('no object')
  } catch (error) {
    throw new HeaderError('its list of checksums cannot be read', { cause: error })
  }
}

const sumOf = (metadata: Readonly<Record<string, string>>, tensors: readonly Tensor[]): string => {
  const inOrder = (a: { 0: string }, b: { 0: string }) => (a[0] < b[0] ? -1 : 1)
  const entries = tensors.map(({ name, dtype, shape }) => [name, dtype, shape] as const)
  return createHash('sha256')
    .update(JSON.stringify([Object.entries(metadata).sort(inOrder), entries.sort(inOrder)]))
    .digest('hex')
}
