/** Recipes as files in YAML or JSON, and changes to them from the command line: `--set prune.sparsity=0.95`. */
import { extname } from 'node:path'
import { parseAttack } from '../attacks/attack.js'
import { pathOf } from '../base/arguments.js'
import { CoppiceError, invalid } from '../base/errors.js'
import { show } from '../base/numbers.js'
import { requirePlain } from '../base/plain.js'
import { LONGEST_RECIPE, parseJson } from '../files/json.js'
import { readText } from '../files/read.js'
import { parseYaml, YamlError } from './yaml.js'

type Plain = Record<string, unknown>

/** Keys on the way to the deepest value of a recipe, and more. */
const DEEPEST = 16
/** Characters of an assignment that an error shows. */
const LONGEST_SHOWN = 100

/**
 * The plain contents of a recipe file, not yet parsed as a recipe.
 * @throws CoppiceError `ERR_FILE` where the file is missing or not YAML or JSON
 */
export async function readRecipeFile(path: string): Promise<Plain> {
  const text = await readText(pathOf(path, 'readRecipeFile'), LONGEST_RECIPE)
  const value = extname(path) === '.json' ? parseJson(text, path) : parseYamlText(text, path)
  try {
    requirePlain(value, path)
  } catch (error) {
    throw new CoppiceError('ERR_FILE', (error as Error).message, { cause: error })
  }
  if (isPlain(value)) return value
  throw new CoppiceError(
    'ERR_FILE',
    `${path} holds no recipe: expected keys and values, received ${show(value)}`,
  )
}

const parseYamlText = (text: string, path: string): unknown => {
  try {
    return parseYaml(text)
  } catch (error) {
    if (!(error instanceof YamlError)) throw error
    throw new CoppiceError('ERR_FILE', `${path} is not YAML: ${error.message}`, { cause: error })
  }
}

/**
 * A copy of a recipe with one value changed. `assignment` is `path=value` with keys divided by dots and list places
 * as numbers (`prune.milestones.0`); the value is read as YAML, so `[0.5, 0.9]` is a list and nothing is null.
 */
export function setValue(recipe: Plain, assignment: string): Plain {
  if (!isPlain(recipe)) throw invalid(`setValue: expected a recipe, received ${show(recipe)}`)
  if (typeof assignment !== 'string')
    throw invalid(`--set: expected path=value, received ${show(assignment)}`)
  const shown = assignment.length > LONGEST_SHOWN ? `${assignment.slice(0, LONGEST_SHOWN)}...` : assignment
  const equals = assignment.indexOf('=')
  if (equals < 1) throw invalid(`--set ${shown}: expected path=value, such as prune.sparsity=0.95`)
  let value: unknown
  try {
    value = parseYaml(assignment.slice(equals + 1))
  } catch (error) {
    throw invalid(`--set ${shown}: the value is not YAML (${(error as Error).message})`, error)
  }
  requirePlain(value, `--set ${shown}`)
  return assignValue(recipe, assignment.slice(0, equals).trim(), value, `--set ${shown}`)
}

/** The same with a value that is there already. @throws CoppiceError whose message starts with `what` */
export const assignValue = (recipe: Plain, path: string, value: unknown, what: string): Plain => {
  const keys = path.split('.')
  if (keys.some((key) => key === '')) throw invalid(`${what}: the path has an empty key`)
  if (keys.length > DEEPEST) throw invalid(`${what}: the path has ${keys.length} keys; no value lies so deep`)
  return assign(recipe, keys, value, '', what) as Plain
}

const assign = (
  target: unknown,
  keys: readonly string[],
  value: unknown,
  key: string,
  what: string,
): unknown => {
  const [first, ...rest] = keys
  if (first === undefined) return value
  if (Array.isArray(target)) {
    // One behind the last adds to the list.
    if (!/^\d+$/.test(first) || Number(first) > target.length) {
      throw invalid(`${what}: ${show(first)} is no place in the list "${key}", which has ${target.length}`)
    }
    return Object.assign([...target], { [first]: assign(target[Number(first)], rest, value, first, what) })
  }
  const object = expand(target, key)
  return { ...object, [first]: assign(object[first], rest, value, first, what) }
}

/** Words that stand for objects are written out, so that one of their values can be changed. */
const expand = (target: unknown, key: string): Plain => {
  if (isPlain(target)) return target
  if (typeof target !== 'string') return {}
  if (key === 'attack') return { ...parseAttack(target) }
  if (key === 'verify') return { verifiers: target }
  return { [key === 'network' ? 'name' : key === 'data' ? 'set' : 'kind']: target }
}

const isPlain = (value: unknown): value is Plain =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
