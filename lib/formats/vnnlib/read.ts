/** Robustness properties in VNN-LIB: a box of images, and the logits that none of them may reach. (www.vnnlib.org) */
import { pathOf } from '../../base/arguments.js'
import { CoppiceError } from '../../base/errors.js'
import { LIMITS } from '../../base/limits.js'
import { show } from '../../base/numbers.js'
import { readText } from '../../files/read.js'

export interface VnnlibProperty {
  /** Ends of the box, one for each pixel, in the order in which the network reads them. */
  lower: Float64Array
  upper: Float64Array
  /** The class whose logit must stay the largest of these. */
  label: number
  /** The classes whose logits must not reach it, in ascending order. */
  others: number[]
  /**
   * An image and a distance such that the pixels of [0,1] within that distance of it contain the box: what `margins`
   * takes. Of a box that was clipped at 0 and 1 they are the box.
   */
  image: Float32Array
  epsilon: number
}

/** Longest file: an image of 224×224 takes some 20 MB. */
const LONGEST = 256 * 2 ** 20

/** Why a property cannot be read; the reader of the file adds its name. */
class VnnlibError extends Error {}

/**
 * Reads a property that says what would break the robustness of one image: constant bounds of every X, and one
 * disjunction of Y_other ≥ Y_label (or Y_label ≤ Y_other) with the same label. That is what `coppice export` writes and
 * what the verification competitions have for classifiers.
 *
 * @throws CoppiceError `ERR_FILE` for a file that is no such property.
 */
export const readVnnlib = async (path: string): Promise<VnnlibProperty> => {
  const text = await readText(pathOf(path, 'readVnnlib'), LONGEST)
  try {
    return propertyOf(text)
  } catch (error) {
    if (!(error instanceof VnnlibError)) throw error
    throw new CoppiceError('ERR_FILE', `${path} is no robustness property in VNN-LIB: ${error.message}`, {
      cause: error,
    })
  }
}

const propertyOf = (text: string): VnnlibProperty => {
  const declared = { X: new Set<number>(), Y: new Set<number>() }
  const [lower, upper] = [new Map<number, number>(), new Map<number, number>()]
  let output: Clause[] | undefined
  for (const statement of statements(text)) {
    const [verb, what, type] = statement
    if (verb === 'declare-const' && statement.length === 3 && type === 'Real') {
      const variable = variableOf(what)
      if (variable === undefined) throw new VnnlibError(`it declares ${shown(what)}, which is no X_i or Y_i`)
      declared[variable.kind].add(variable.index)
    } else if (verb === 'assert' && what !== undefined && statement.length === 2) {
      if (!boundOf(what, lower, upper)) {
        if (output !== undefined) throw new VnnlibError('it has several assertions about Y')
        output = clausesOf(what)
      }
    } else {
      throw new VnnlibError(`it has the statement ${shown(statement)}`)
    }
  }
  if (output === undefined) throw new VnnlibError('it asserts nothing about Y')
  return { ...boxOf(declared.X.size, lower, upper), ...labelOf(output, declared.Y.size) }
}

type Expression = string | Expression[]

/** Lists in lists; deeper than this is nothing that VNN-LIB has. */
const DEEPEST = 16

/** The statements of a file: lists of words and lists. */
const statements = (text: string): Expression[][] => {
  const found: Expression[][] = []
  const open: Expression[][] = []
  for (const [token] of text.replace(/;[^\n]*/g, '').matchAll(/[()]|[^\s()]+/g)) {
    const owner = open.at(-1)
    if (token === '(') {
      if (open.length >= DEEPEST) throw new VnnlibError('its brackets are too deep')
      open.push([])
    } else if (token === ')') {
      const closed = open.pop()
      if (closed === undefined) throw new VnnlibError('it has a closing bracket too many')
      const above = open.at(-1)
      if (above === undefined) found.push(closed)
      else above.push(closed)
    } else if (owner === undefined) {
      throw new VnnlibError(`it has ${show(token)} outside of brackets`)
    } else {
      owner.push(token)
    }
  }
  if (open.length > 0) throw new VnnlibError('it ends within brackets')
  return found
}

interface Variable {
  kind: 'X' | 'Y'
  index: number
}

const variableOf = (expression: Expression | undefined): Variable | undefined => {
  const match = typeof expression === 'string' ? /^([XY])_(\d{1,9})$/.exec(expression) : null
  return match === null ? undefined : { kind: match[1] as 'X' | 'Y', index: Number(match[2]) }
}

const numberOf = (expression: Expression | undefined): number | undefined => {
  const plain = typeof expression === 'string' && /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(expression)
  return plain && Number.isFinite(Number(expression)) ? Number(expression) : undefined
}

/** Takes a bound of an X down; false where the assertion is about something else. */
const boundOf = (assertion: Expression, lower: Map<number, number>, upper: Map<number, number>): boolean => {
  if (typeof assertion === 'string' || assertion.length !== 3) return false
  const [order, left, right] = assertion
  const turned = numberOf(left) !== undefined
  const [variable, value] = [variableOf(turned ? right : left), numberOf(turned ? left : right)]
  if (variable?.kind !== 'X' || value === undefined || (order !== '<=' && order !== '>=')) return false
  const isLower = (order === '>=') !== turned
  const side = isLower ? lower : upper
  const before = side.get(variable.index) ?? value
  side.set(variable.index, isLower ? Math.max(before, value) : Math.min(before, value))
  return true
}

/** `higher` reaches `lower`. */
interface Clause {
  higher: number
  lower: number
}

const clausesOf = (assertion: Expression): Clause[] => {
  const isList = Array.isArray(assertion)
  if (isList && assertion[0] === 'or') return assertion.slice(1).flatMap(clausesOf)
  if (isList && assertion[0] === 'and' && assertion.length === 2) return clausesOf(assertion[1] ?? '')
  const [order, left, right] = isList && assertion.length === 3 ? assertion : []
  const [a, b] = [variableOf(left), variableOf(right)]
  if (a?.kind !== 'Y' || b?.kind !== 'Y' || (order !== '<=' && order !== '>=')) {
    throw new VnnlibError(`it asserts ${shown(assertion)}, which is no order of two logits`)
  }
  return [order === '>=' ? { higher: a.index, lower: b.index } : { higher: b.index, lower: a.index }]
}

const labelOf = (clauses: readonly Clause[], classes: number): Pick<VnnlibProperty, 'label' | 'others'> => {
  const label = clauses[0]?.lower
  if (label === undefined || !clauses.every(({ lower }) => lower === label)) {
    throw new VnnlibError('its assertions about Y have no label in common')
  }
  const others = [...new Set(clauses.map(({ higher }) => higher))].sort((a, b) => a - b)
  const unknown = [label, ...others].find((index) => index >= classes)
  if (unknown !== undefined)
    throw new VnnlibError(`it declares ${classes} logits, and speaks of Y_${unknown}`)
  if (others.includes(label)) throw new VnnlibError(`it compares Y_${label} with itself`)
  return { label, others }
}

const boxOf = (
  pixels: number,
  lowest: ReadonlyMap<number, number>,
  highest: ReadonlyMap<number, number>,
): Pick<VnnlibProperty, 'lower' | 'upper' | 'image' | 'epsilon'> => {
  if (pixels === 0 || pixels > LIMITS.size) throw new VnnlibError(`it declares ${pixels} pixels`)
  const ends = (side: ReadonlyMap<number, number>) =>
    Float64Array.from({ length: pixels }, (_, index) => {
      const value = side.get(index)
      if (value !== undefined) return value
      throw new VnnlibError(`X_${index} lacks a bound, or a number before it is left out`)
    })
  const [lower, upper] = [ends(lowest), ends(highest)]
  const empty = lower.findIndex((value, index) => value > (upper[index] ?? value))
  if (empty >= 0) throw new VnnlibError(`the bounds of X_${empty} leave nothing between them`)
  const outside = lower.findIndex((value, index) => value < 0 || (upper[index] ?? 0) > 1)
  if (outside >= 0)
    throw new VnnlibError(
      `X_${outside} leaves [0,1]; pixels are expected, not what normalisation makes of them`,
    )
  return { lower, upper, ...centreOf(lower, upper) }
}

/** An end at 0 or 1 may have been cut off; what lies beyond is in no image. */
const centreOf = (lower: Float64Array, upper: Float64Array): Pick<VnnlibProperty, 'image' | 'epsilon'> => {
  const widest = lower.reduce((most, value, index) => Math.max(most, (upper[index] ?? value) - value), 0) / 2
  const image = Float32Array.from(lower, (low, index) => {
    const high = upper[index] ?? low
    if (low === 0 && high < 1) return Math.max(0, high - widest)
    return high === 1 && low > 0 ? Math.min(1, low + widest) : (low + high) / 2
  })
  // The image is rounded to float32, so that the distance may have to be a little longer.
  const epsilon = image.reduce(
    (most, pixel, index) => Math.max(most, pixel - (lower[index] ?? 0), (upper[index] ?? 0) - pixel),
    0,
  )
  return { image, epsilon: Math.min(1, epsilon) }
}

/** An expression as an error shows it. */
const shown = (expression: Expression | undefined): string =>
  show(JSON.stringify(expression ?? '')).slice(0, 60)
