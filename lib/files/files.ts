/** Files: failures of the file system in words, and folders. */
import { existsSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import { CoppiceError } from '../base/errors.js'

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file or folder',
  EACCES: 'permission denied',
  EROFS: 'the file system is read-only',
  EISDIR: 'it is a folder',
  ENOTDIR: 'a part of the path is not a folder',
  ELOOP: 'it is a link that leads to itself',
  ENXIO: 'it is not a regular file',
  ENAMETOOLONG: 'the name is too long',
  ENOSPC: 'the disk is full; free some space and resume the run',
  EDQUOT: 'the disk quota is used up; free some space and resume the run',
  EFBIG: 'the file would become larger than allowed; raise the limit and resume the run',
}

/** A failure of the file system as a `CoppiceError` in one readable line. */
export const fileError = (what: string, path: string, error: unknown): CoppiceError => {
  if (error instanceof CoppiceError) return error
  const { code, message } = error as NodeJS.ErrnoException
  return new CoppiceError('ERR_FILE', `${what} ${path}: ${REASONS[code ?? ''] ?? message}`, { cause: error })
}

/** Makes a folder and those above it. (Node's own recursive `mkdir` never ends in /proc.) */
export const makeFolder = async (path: string): Promise<void> => {
  if (existsSync(path)) return
  await makeFolder(dirname(path))
  await mkdir(path)
}
