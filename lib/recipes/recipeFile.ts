/** Recipes as files in YAML or JSON, and changes to them from the command line: `--set prune.sparsity=0.95`. */
import { readFile } from 'node:fs/promises'
import { extname } from 'node:path'
import { parse as parseYaml, YAMLParseError } from 'yaml'
import { parseAttack } from '../attacks/attack.js'
import { CoppiceError, invalid } from '../base/errors.js'
import { show } from '../base/numbers.js'

type Plain = Record<string, unknown>

/**
 * The plain contents of a recipe file, not yet parsed as a recipe.
 * @throws CoppiceError `ERR_FILE` where the file is missing or not YAML or JSON
 */
export async function readRecipeFile(path: string): Promise<Plain> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    const reason = code === 'ENOENT' ? 'there is no such file' : code === 'EISDIR' ? 'it is a folder' : code
    throw new CoppiceError('ERR_FILE', `cannot read the recipe ${path}: ${reason}`, { cause: error })
  }
  const value = extname(path) === '.json' ? parseJson(text, path) : parseYamlText(text, path)
  if (isPlain(value)) return value
  throw new CoppiceError(
    'ERR_FILE',
    `${path} holds no recipe: expected keys and values, received ${show(value)}`,
  )
}

const parseJson = (text: string, path: string): unknown => {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new CoppiceError('ERR_FILE', `${path} is not JSON: ${(error as Error).message}`, { cause: error })
  }
}

const parseYamlText = (text: string, path: string): unknown => {
  try {
    return parseYaml(text)
  } catch (error) {
    if (!(error instanceof YAMLParseError)) throw error
    // The rest of the message draws the place with arrows over several lines.
    const [first] = error.message.split('\n')
    throw new CoppiceError('ERR_FILE', `${path} is not YAML: ${first?.replace(/:$/, '')}`, { cause: error })
  }
}

/**
 * A copy of a recipe with one value changed. `assignment` is `path=value` with keys divided by dots and list places
 * as numbers (`prune.milestones.0`); the value is read as YAML, so `[0.5, 0.9]` is a list and nothing is null.
 */
export function setValue(recipe: Plain, assignment: string): Plain {
  const equals = assignment.indexOf('=')
  if (equals < 1) throw invalid(`--set ${assignment}: expected path=value, such as prune.sparsity=0.95`)
  const keys = assignment.slice(0, equals).trim().split('.')
  if (keys.some((key) => key === '')) throw invalid(`--set ${assignment}: the path has an empty key`)
  let value: unknown
  try {
    value = parseYaml(assignment.slice(equals + 1))
  } catch (error) {
    throw invalid(`--set ${assignment}: the value is not YAML`, error)
  }
  return assign(recipe, keys, value, '') as Plain
}

const assign = (target: unknown, keys: readonly string[], value: unknown, key: string): unknown => {
  const [first, ...rest] = keys
  if (first === undefined) return value
  if (Array.isArray(target)) {
    if (!/^\d+$/.test(first)) throw invalid(`--set: "${first}" is no place in the list "${key}"`)
    return Object.assign([...target], { [first]: assign(target[Number(first)], rest, value, first) })
  }
  const object = expand(target, key)
  return { ...object, [first]: assign(object[first], rest, value, first) }
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
