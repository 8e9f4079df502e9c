/** Plain data as text that is the same for the same data: for hashes and comparisons. */
import { createHash } from 'node:crypto'

/** JSON with the keys of all objects in order, so that how an object came about does not show. */
export const canonicalJson = (value: unknown): string =>
  JSON.stringify(value, (_key, inner: unknown) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  )

/** Whether two values are the same data. */
export const sameData = (a: unknown, b: unknown): boolean => canonicalJson(a) === canonicalJson(b)

/** SHA-256 of plain data, in hexadecimal. */
export const hashOf = (value: unknown): string =>
  createHash('sha256').update(canonicalJson(value)).digest('hex')
