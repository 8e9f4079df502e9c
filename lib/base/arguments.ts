/** What callers without types get wrong: options that are none, a signal or a callback of another kind. */
import { invalid } from './errors.js'
import { show } from './numbers.js'

/**
 * The options of a public function, checked to be an object whose `signal` can be listened to and whose `on…` are
 * functions; what else is in them the function's own schema reads.
 *
 * @throws CoppiceError `ERR_INVALID_ARGUMENT` that names the function and the option
 */
export const optionsOf = <Options extends object>(options: Options, what: string): Options => {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw invalid(`${what}: expected an object of options, received ${show(options)}`)
  }
  for (const [key, value] of Object.entries(options)) {
    if (value === undefined) continue
    if (key === 'signal' && !(value instanceof AbortSignal)) {
      throw invalid(`${what}.signal: expected an AbortSignal, received ${show(value)}`)
    }
    if (/^on[A-Z]/.test(key) && typeof value !== 'function') {
      throw invalid(`${what}.${key}: expected a function, received ${show(value)}`)
    }
  }
  return options
}

/** Something of a class of Coppice's, or an error that says what was expected and what came instead. */
export const instanceOf = <Value>(
  type: { readonly prototype: Value; [Symbol.hasInstance](value: unknown): boolean },
  value: unknown,
  what: string,
  expected: string,
): Value => {
  if (type[Symbol.hasInstance](value)) return value as Value
  throw invalid(`${what}: expected ${expected}, received ${show(value)}`)
}

/** A path of a file or folder. */
export const pathOf = (value: unknown, what: string): string => {
  if (typeof value === 'string' && value !== '' && !value.includes('\0')) return value
  throw invalid(`${what}: expected a path, received ${show(value)}`)
}
