/**
 * The entries of a zip archive, stored or deflated: what torch.save and numpy write. What a stored entry holds is a view
 * of the archive's bytes, not a copy. (PKWARE's APPNOTE.TXT, sections 4.3.7, 4.3.12 and 4.3.16)
 */
import { inflateRawSync } from 'node:zlib'
import { show } from '../base/numbers.js'
import { crc32 } from './crc32.js'

/** Why an archive cannot be read, as a sentence about "it"; the caller knows the file. */
export class ArchiveError extends Error {}

interface Entry {
  /** Of its local header. */
  start: number
  /** In the archive, and as it was before it was deflated. */
  packed: number
  size: number
  deflated: boolean
  crc: number
}

/** Reads an entry by its name; undefined where there is none of that name. */
export interface Archive {
  names: string[]
  /** @throws ArchiveError for an entry that is truncated, corrupt, or longer than `longest` bytes */
  read(name: string, longest: number): Uint8Array | undefined
}

const END_SIZE = 22
const LONGEST_COMMENT = 0xffff
const DEFLATED = 8

/** @throws ArchiveError for an archive that is truncated or damaged. */
export const openArchive = (bytes: Buffer): Archive => {
  const entries = readDirectory(bytes)
  return {
    names: [...entries.keys()],
    read: (name, longest) => {
      const entry = entries.get(name)
      return entry === undefined ? undefined : content(bytes, name, entry, longest)
    },
  }
}

const readDirectory = (bytes: Buffer): Map<string, Entry> => {
  const end = findEnd(bytes)
  const entries = new Map<string, Entry>()
  let at = bytes.readUInt32LE(end + 16)
  for (let left = bytes.readUInt16LE(end + 10); left > 0; left--) {
    if (at + 46 > end || bytes.readUInt32LE(at) !== 0x0201_4b50) {
      throw new ArchiveError('its table of contents is damaged')
    }
    const next =
      at + 46 + bytes.readUInt16LE(at + 28) + bytes.readUInt16LE(at + 30) + bytes.readUInt16LE(at + 32)
    if (next > end) throw new ArchiveError('its table of contents is damaged')
    const name = bytes.toString('utf8', at + 46, at + 46 + bytes.readUInt16LE(at + 28))
    const [packed, size] = [bytes.readUInt32LE(at + 20), bytes.readUInt32LE(at + 24)]
    const method = bytes.readUInt16LE(at + 10)
    if (method !== DEFLATED && (method !== 0 || packed !== size)) {
      throw new ArchiveError(`its part ${show(name)} is compressed in a way that cannot be read`)
    }
    if (entries.has(name)) throw new ArchiveError(`it has the part ${show(name)} twice`)
    const crc = bytes.readUInt32LE(at + 16)
    entries.set(name, {
      start: bytes.readUInt32LE(at + 42),
      packed,
      size,
      deflated: method === DEFLATED,
      crc,
    })
    at = next
  }
  return entries
}

/** Where the record at the end of the archive begins; after it comes only a comment. */
const findEnd = (bytes: Buffer): number => {
  const lowest = Math.max(0, bytes.length - END_SIZE - LONGEST_COMMENT)
  for (let at = bytes.length - END_SIZE; at >= lowest; at--) {
    const found = bytes.readUInt32LE(at) === 0x0605_4b50
    if (found && at + END_SIZE + bytes.readUInt16LE(at + 20) === bytes.length) return at
  }
  throw new ArchiveError('it is truncated: the end of the archive is missing')
}

const content = (bytes: Buffer, name: string, entry: Entry, longest: number): Uint8Array => {
  const { start, packed, size, deflated, crc } = entry
  if (start + 30 > bytes.length || bytes.readUInt32LE(start) !== 0x0403_4b50) {
    throw new ArchiveError(`its part ${show(name)} is not where the table of contents says`)
  }
  const first = start + 30 + bytes.readUInt16LE(start + 26) + bytes.readUInt16LE(start + 28)
  if (first + packed > bytes.length) throw new ArchiveError(`its part ${show(name)} is truncated`)
  if (size > longest) {
    throw new ArchiveError(`its part ${show(name)} has ${size} bytes; at most ${longest} are read`)
  }
  const stored = bytes.subarray(first, first + packed)
  const part = deflated ? inflated(stored, size, name) : stored
  // PyTorch can be told to write no checksums; it then leaves 0.
  if (crc !== 0 && crc32(part) !== crc) {
    throw new ArchiveError(`its part ${show(name)} is corrupt: the checksum differs`)
  }
  return part
}

/** Whatever the deflated bytes would become, no more than the stated size is made of them. */
const inflated = (packed: Uint8Array, size: number, name: string): Uint8Array => {
  try {
    const part = inflateRawSync(packed, { maxOutputLength: Math.max(1, size) })
    if (part.length === size) return part
  } catch {
    // Said below.
  }
  throw new ArchiveError(`its part ${show(name)} is corrupt: it does not unpack to its ${size} bytes`)
}
