/**
 * Checksums in the metadata of a safetensors file, where other tools see them and do not mind: `sha256`, the SHA-256 of
 * each tensor's bytes by its name (JSON), and `sha256.metadata`, that of all other metadata. With the header's own rules
 * (names, types, sizes, no holes) no bit of a file can change unnoticed.
 */
import { createHash } from 'node:crypto'
import { HeaderError } from './safetensorsHeader.js'

const TENSORS = 'sha256'
const METADATA = 'sha256.metadata'

/** The metadata with the checksums of tensors, and of itself. */
export const withChecksums = (
  metadata: Readonly<Record<string, string>>,
  sums: readonly (readonly [name: string, sum: string])[],
): Record<string, string> => {
  const listed = { ...metadata, [TENSORS]: JSON.stringify(Object.fromEntries(sums)) }
  return { ...listed, [METADATA]: sumOf(listed) }
}

/**
 * The metadata without the checksums, and those of the tensors; none where the file has none.
 *
 * @throws HeaderError where the metadata is not what it was, or the tensors are not those that it lists
 */
export const checksumsIn = (
  all: Readonly<Record<string, string>>,
  names: readonly string[],
): { metadata: Record<string, string>; sums: ReadonlyMap<string, unknown> | undefined } => {
  const { [METADATA]: sum, ...listed } = all
  const { [TENSORS]: list, ...metadata } = listed
  if (sum === undefined && list === undefined) return { metadata, sums: undefined }
  if (sum === undefined || list === undefined || sum !== sumOf(listed)) {
    throw new HeaderError('its metadata is damaged: the checksum differs')
  }
  const sums = parseSums(list)
  if (sums.size !== names.length || names.some((name) => !sums.has(name))) {
    throw new HeaderError('its header is damaged: the tensors are not those whose checksums it has')
  }
  return { metadata, sums }
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

const sumOf = (metadata: Readonly<Record<string, string>>): string =>
  createHash('sha256')
    .update(JSON.stringify(Object.entries(metadata).sort(([a], [b]) => (a < b ? -1 : 1))))
    .digest('hex')
