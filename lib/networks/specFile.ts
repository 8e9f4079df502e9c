/** Network specs in JSON files. */
import { CoppiceError } from '../base/errors.js'
import { LONGEST_RECIPE, readJson } from '../files/json.js'
import { parseSpec } from './parse.js'
import type { NetworkSpec } from './spec.js'

/** @throws CoppiceError `ERR_FILE` naming the file and what is wrong with it. */
export const readSpec = async (path: string): Promise<NetworkSpec> => {
  const value = await readJson(path, LONGEST_RECIPE)
  try {
    return parseSpec(value)
  } catch (error) {
    throw new CoppiceError('ERR_FILE', `${path}: ${(error as Error).message}`, { cause: error })
  }
}
