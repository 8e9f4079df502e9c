/** Writes a file whole or not at all: a temporary file beside it, synced, renamed over it, and the folder synced. */
import { type FileHandle, open, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { fileError } from './files.js'

let count = 0

/**
 * Replaces the file at `path` by what `write` writes. Until that is complete and on the disk, the old file stays as it
 * was; if it fails, the temporary file is removed.
 *
 * @throws CoppiceError `ERR_FILE` where the file system refuses, for instance because the disk is full.
 */
export const replaceFile = async (
  path: string,
  write: (file: FileHandle) => Promise<void>,
): Promise<void> => {
  const temporary = `${path}.${process.pid}.${count++}.tmp`
  let created = false
  try {
    const file = await open(temporary, 'wx')
    created = true
    try {
      await write(file)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(temporary, path)
    created = false
    const folder = await open(dirname(path), 'r')
    await folder.sync().finally(() => folder.close())
  } catch (error) {
    if (created) await rm(temporary, { force: true }).catch(() => undefined)
    throw fileError('cannot write', path, error)
  }
}
