/** Plain data from outside (YAML, JSON, objects of a caller) before anything else looks at it: it ends, and is not huge. */
import { invalid } from './errors.js'

/** Deeper than any recipe or spec, shallower than what exhausts the stack. */
const DEEPEST = 64
/** Values in all: keys, list entries, and what an alias of YAML repeats. */
const MOST = 500_000

/**
 * Refuses data that contains itself, is nested too deep, or has more values than anybody writes.
 *
 * @throws CoppiceError whose message starts with `what`
 */
export const requirePlain = (value: unknown, what: string): void => {
  let count = 0
  const walk = (inner: unknown, depth: number): void => {
    if (typeof inner !== 'object' || inner === null || ArrayBuffer.isView(inner)) return
    if (depth > DEEPEST) throw invalid(`${what}: is nested more than ${DEEPEST} deep, or contains itself`)
    const values = Array.isArray(inner) ? inner : Object.values(inner)
    count += values.length
    if (count > MOST) throw invalid(`${what}: has more than ${MOST} values`)
    for (const next of values) walk(next, depth + 1)
  }
  walk(value, 0)
}
