/** Files of a run become typed values by schemas: they may have been cut, edited, or come from another version. */
import type { z } from 'zod'
import { CoppiceError } from '../base/errors.js'
import { parse } from '../base/schemas.js'
import { readJson } from '../files/json.js'

/** @throws CoppiceError `ERR_FILE` naming the file and the place in it */
export const readFileAs = async <Value>(path: string, schema: z.ZodType<Value>): Promise<Value> =>
  valueIn(path, schema, await readJson(path))

/** A value that was read from a file. @throws CoppiceError `ERR_FILE` naming the file and the place in it */
export const valueIn = <Value>(path: string, schema: z.ZodType<Value>, value: unknown): Value => {
  try {
    return parse(schema, value, 'it')
  } catch (error) {
    throw new CoppiceError('ERR_FILE', `${path} is damaged, or no such file: ${(error as Error).message}`, {
      cause: error,
    })
  }
}
