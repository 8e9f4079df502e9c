/** Whether something can fit at all, asked before it is begun: Linux promises memory that it does not have. */
import { totalmem } from 'node:os'
import { CoppiceError } from './errors.js'

/** @throws CoppiceError `ERR_OUT_OF_MEMORY` where `bytes` are more than this machine, or its container, has */
export const requireMemory = (bytes: number, what: string): void => {
  const limit = process.constrainedMemory()
  const memory = limit > 0 ? Math.min(limit, totalmem()) : totalmem()
  if (bytes <= memory) return
  throw new CoppiceError(
    'ERR_OUT_OF_MEMORY',
    `${what} needs at least ${gibibytes(bytes)}, and this machine has ${gibibytes(memory)}`,
  )
}

const gibibytes = (bytes: number): string => `${(bytes / 2 ** 30).toFixed(1)} GiB`
