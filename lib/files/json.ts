/** The JSON files of a run, written whole or not at all. */
import { readFile } from 'node:fs/promises'
import { CoppiceError } from '../base/errors.js'
import { fileError } from './files.js'
import { replaceFile } from './replaceFile.js'

/** Writes JSON as people read it, or, where there is much of it, on one line. */
export const writeJson = (
  path: string,
  value: unknown,
  style: 'indented' | 'compact' = 'indented',
): Promise<void> =>
  replaceFile(path, (file) =>
    file.writeFile(`${JSON.stringify(value, null, style === 'indented' ? 2 : 0)}\n`),
  )

/** @throws CoppiceError `ERR_FILE` where the file is missing or not JSON */
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
