/**
 * The entries of a zip archive as torch.save writes it: stored, never compressed. What an entry holds is a view of the
 * archive's bytes, not a copy. (PKWARE's APPNOTE.TXT, sections 4.3.7, 4.3.12 and 4.3.16)
 */

import { show } from '../../base/numbers.js'
import { crc32 } from '../../files/crc32.js'
import { TorchFileError } from './error.js'

interface Entry {
  /** Of its local header. */
  start: number
  size: number
  crc: number
}

/** Reads an entry by its name; undefined where there is none of that name. */
export interface Archive {
  names: string[]
  read(name: string): Uint8Array | undefined
}

const END_SIZE = 22
const LONGEST_COMMENT = 0xffff

/** @throws TorchFileError for an archive that is truncated or damaged. */
export const openArchive = (bytes: Buffer): Archive => {
  const entries = readDirectory(bytes)
  return {
    names: [...entries.keys()],
    read: (name) => {
      const entry = entries.get(name)
      return entry === undefined ? undefined : content(bytes, name, entry)
    },
  }
}

const readDirectory = (bytes: Buffer): Map<string, Entry> => {
  const end = findEnd(bytes)
  const entries = new Map<string, Entry>()
  let at = bytes.readUInt32LE(end + 16)
  for (let left = bytes.readUInt16LE(end + 10); left > 0; left--) {
    if (at + 46 > end || bytes.readUInt32LE(at) !== 0x0201_4b50) {
      throw new TorchFileError('its table of contents is damaged')
    }
    const next =
      at + 46 + bytes.readUInt16LE(at + 28) + bytes.readUInt16LE(at + 30) + bytes.readUInt16LE(at + 32)
    if (next > end) throw new TorchFileError('its table of contents is damaged')
    const name = bytes.toString('utf8', at + 46, at + 46 + bytes.readUInt16LE(at + 28))
    const size = bytes.readUInt32LE(at + 24)
    if (bytes.readUInt16LE(at + 10) !== 0 || bytes.readUInt32LE(at + 20) !== size) {
      throw new TorchFileError(`its part ${show(name)} is compressed, which torch.save never does`)
    }
    if (entries.has(name)) throw new TorchFileError(`it has the part ${show(name)} twice`)
    entries.set(name, { start: bytes.readUInt32LE(at + 42), size, crc: bytes.readUInt32LE(at + 16) })
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
  throw new TorchFileError('it is truncated: the end of the archive is missing')
}

const content = (bytes: Buffer, name: string, { start, size, crc }: Entry): Uint8Array => {
  if (start + 30 > bytes.length || bytes.readUInt32LE(start) !== 0x0403_4b50) {
    throw new TorchFileError(`its part ${show(name)} is not where the table of contents says`)
  }
  const first = start + 30 + bytes.readUInt16LE(start + 26) + bytes.readUInt16LE(start + 28)
  if (first + size > bytes.length) throw new TorchFileError(`its part ${show(name)} is truncated`)
  const part = bytes.subarray(first, first + size)
  // PyTorch can be told to write no checksums; it then leaves 0.
  if (crc !== 0 && crc32(part) !== crc) {
    throw new TorchFileError(`its part ${show(name)} is corrupt: the checksum differs`)
  }
  return part
}
