/** Network specs in JSON files. */
import { readFile } from 'node:fs/promises'
import { CoppiceError } from '../base/errors.js'
import { parseSpec } from '../networks/parse.js'
import type { NetworkSpec } from '../networks/spec.js'

/** @throws CoppiceError `ERR_FILE` naming the file and what is wrong with it. */
export const readSpec = async (path: string): Promise<NetworkSpec> => {
  try {
    return parseSpec(JSON.parse(await readFile(path, 'utf8')))
  } catch (error) {
    throw new CoppiceError('ERR_FILE', `${path}: ${(error as Error).message}`, { cause: error })
  }
}
