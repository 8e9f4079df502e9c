/** Network specs in JSON files. */
import { CoppiceError } from '../base/errors.js'
import { LONGEST_RECIPE, readJson } from '../files/json.js'
import { parseSpec } from './parse.js'
import type { NetworkSpec } from './spec.js'

/**
 * The spec in a JSON file, which may name its JSON Schema for editors as `$schema`.
 *
 * @throws CoppiceError `ERR_FILE` naming the file and what is wrong with it.
 */
export const readSpec = async (path: string): Promise<NetworkSpec> => {
  const value = await readJson(path, LONGEST_RECIPE)
  try {
    return parseSpec(withoutSchema(value))
  } catch (error) {
    throw new CoppiceError('ERR_FILE', `${path}: ${(error as Error).message}`, { cause: error })
  }
}

const withoutSchema = (value: unknown): unknown => {
  if (typeof value !== 'object' || value === null || Array.isArray(value) || !('$schema' in value))
    return value
  const { $schema, ...spec } = value
  return spec
}
