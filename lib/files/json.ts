/** JSON files: those of a run, written whole or not at all, and those of users. */
import { CoppiceError } from '../base/errors.js'
import { LONGEST_TEXT, readText } from './read.js'
import { replaceFile } from './replaceFile.js'

/** Longest recipe or spec that is read, in bytes. */
export const LONGEST_RECIPE = 16 * 2 ** 20

/** Writes JSON as people read it, or, where there is much of it, on one line. */
export const writeJson = (
  path: string,
  value: unknown,
  style: 'indented' | 'compact' = 'indented',
): Promise<void> =>
  replaceFile(path, (file) =>
    file.writeFile(`${JSON.stringify(value, null, style === 'indented' ? 2 : 0)}\n`),
  )

/** @throws CoppiceError `ERR_FILE` where the file is missing, no regular file, longer than allowed, or not JSON */
export async function readJson(path: string, longest: number = LONGEST_TEXT): Promise<unknown> {
  return parseJson(await readText(path, longest), path)
}

/** @throws CoppiceError `ERR_FILE` naming the file, on one line */
export const parseJson = (text: string, path: string): unknown => {
  try {
    return JSON.parse(text) as unknown
  } catch (error) {
    throw new CoppiceError('ERR_FILE', `${path} is not JSON: ${jsonReason(error)}`, { cause: error })
  }
}

/** What JSON.parse complains about, without the text that it quotes, which may be of any kind. */
export const jsonReason = (error: unknown): string => {
  if (error instanceof RangeError) return 'it is nested too deep'
  const message = error instanceof Error ? error.message : String(error)
  return message
    .replace(/,? ?(\.\.\.)?"[\s\S]*$/, '')
    .replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, '?')
    .slice(0, 100)
}
