/** Small files of a run, written whole or not at all, and errors of the file system in words. */
import { open, readFile, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { CoppiceError } from '../errors.js'

/** Writes a file atomically: a temporary file beside it, synced, renamed. */
export async function writeAtomically(path: string, text: string): Promise<void> {
  const temporary = `${path}.${process.pid}.tmp`
  try {
    const file = await open(temporary, 'w')
    try {
      await file.writeFile(text)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(temporary, path)
    const folder = await open(dirname(path), 'r')
    await folder.sync().finally(() => folder.close())
  } catch (error) {
    await rm(temporary, { force: true })
    throw fileError('cannot write', path, error)
  }
}

/** JSON as people read it, or, where there is much of it, on one line. */
export const writeJson = (path: string, value: unknown, style: 'indented' | 'compact' = 'indented') =>
  writeAtomically(path, `${JSON.stringify(value, null, style === 'indented' ? 2 : 0)}\n`)

export async function readJson(path: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as unknown
  } catch (error) {
    if (error instanceof SyntaxError) {
      throw new CoppiceError('ERR_FILE', `${path} is damaged: ${error.message}`, { cause: error })
    }
    throw fileError('cannot read', path, error)
  }
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file or folder',
  EACCES: 'permission denied',
  EROFS: 'the file system is read-only',
  EISDIR: 'it is a folder',
  ENOTDIR: 'a part of the path is not a folder',
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
