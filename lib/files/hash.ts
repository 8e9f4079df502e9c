/** Hashes of files and of what is written into them, a part at a time, so that other work gets its turn. */
import { createHash } from 'node:crypto'
import { setImmediate } from 'node:timers/promises'
import { withFile } from './read.js'

/** Bytes that are hashed in a few milliseconds. */
const PART = 4 * 2 ** 20

/** SHA-256 of bytes, in hexadecimal. */
export const sha256 = async (bytes: Uint8Array): Promise<string> => {
  const hash = createHash('sha256')
  for (let start = 0; start < bytes.length; start += PART) {
    if (start > 0) await setImmediate()
    hash.update(bytes.subarray(start, start + PART))
  }
  return hash.digest('hex')
}

/** SHA-256 of a file, in hexadecimal. @throws CoppiceError `ERR_FILE` where it cannot be read, or is no regular file */
export const fileHash = (path: string): Promise<string> =>
  withFile(path, Number.POSITIVE_INFINITY, async ({ size, readInto }) => {
    const hash = createHash('sha256')
    const part = Buffer.allocUnsafeSlow(Math.min(size, PART))
    for (let start = 0; start < size; start += PART) {
      const bytes = part.subarray(0, Math.min(PART, size - start))
      await readInto(bytes, start)
      hash.update(bytes)
    }
    return hash.digest('hex')
  })
