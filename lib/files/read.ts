/**
 * Reads files that may come from anywhere: regular ones alone (links are followed), so that a pipe does not hang and a
 * device does not fill the memory, and none larger than what its reader allows.
 */
import { constants } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { CoppiceError } from '../base/errors.js'
import { fileError } from './files.js'

/** Longest text that is read whole: Node's strings are not longer. */
export const LONGEST_TEXT = 2 ** 29 - 24
/** Longest file that is read whole as bytes. */
export const LONGEST_FILE = 2 ** 31 - 1

const CHUNK = 16 * 2 ** 20

/** Why a file is refused though it can be read; becomes a `CoppiceError` with its name. */
class Refused extends Error {}

/** A regular file, open for reading, and its size in bytes as it was opened. */
export interface OpenFile {
  readonly size: number
  /** Fills `bytes` from `position` on. */
  readInto(bytes: Uint8Array, position: number): Promise<void>
}

/**
 * Opens a file for `work` and closes it again.
 *
 * @throws CoppiceError `ERR_FILE` naming the file, where it is missing, no regular file, or longer than `longest` bytes.
 */
export const withFile = async <Result>(
  path: string,
  longest: number,
  work: (file: OpenFile) => Promise<Result>,
): Promise<Result> => {
  let handle: FileHandle | undefined
  try {
    // Opening a pipe would wait for its other end.
    handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
    return await work(await regular(handle, longest))
  } catch (error) {
    throw fileError('cannot read', path, error)
  } finally {
    await handle?.close()
  }
}

/** The size of an open file, which must be regular and not longer than `longest`. */
export const regularSize = async (file: FileHandle, longest: number): Promise<number> => {
  const facts = await file.stat()
  if (facts.isDirectory()) throw new Refused('it is a folder')
  if (!facts.isFile()) throw new Refused('it is not a regular file')
  if (facts.size > longest) {
    throw new Refused(`it has ${facts.size} bytes; at most ${longest} are read`)
  }
  return facts.size
}

const regular = async (handle: FileHandle, longest: number): Promise<OpenFile> => ({
  size: await regularSize(handle, longest),
  readInto: async (bytes, position) => {
    for (let done = 0; done < bytes.length; ) {
      const length = Math.min(CHUNK, bytes.length - done)
      const { bytesRead } = await handle.read(bytes, done, length, position + done)
      if (bytesRead === 0) throw new Refused('it became shorter while it was read')
      done += bytesRead
    }
  },
})

/** A whole file. @throws as `withFile` */
export const readBytes = (path: string, longest: number = LONGEST_FILE): Promise<Buffer> =>
  withFile(path, longest, async ({ size, readInto }) => {
    const bytes = Buffer.allocUnsafeSlow(size)
    await readInto(bytes, 0)
    return bytes
  })

/** A whole file as UTF-8 text. @throws as `withFile` */
export const readText = async (path: string, longest: number = LONGEST_TEXT): Promise<string> =>
  (await readBytes(path, longest)).toString('utf8')

/** The last `most` bytes of a file as UTF-8 text, or all of it. @throws as `withFile` */
export const readEnd = (path: string, most: number): Promise<string> =>
  withFile(path, Number.POSITIVE_INFINITY, async ({ size, readInto }) => {
    const bytes = Buffer.allocUnsafe(Math.min(size, most))
    await readInto(bytes, size - bytes.length)
    return bytes.toString('utf8')
  })

/** Whether `error` says that a file is not there. */
export const isMissing = (error: unknown): boolean =>
  error instanceof CoppiceError && (error.cause as NodeJS.ErrnoException | undefined)?.code === 'ENOENT'
