/** Two runs, or two networks, beside each other: what differs in the recipe, and what in the outcome. */
import { canonicalJson } from '../base/json.js'
import { mcnemar } from '../base/mcnemar.js'
import { formatPixels } from '../base/numbers.js'
import type { Proportion } from '../base/wilson.js'
import type { OutcomeFile, ResultRow } from '../runs/result.js'
import type { RunRecord } from './material/record.js'

/** A value that two recipes do not share; undefined where one has none. */
export interface Difference {
  path: string
  first: string | undefined
  second: string | undefined
}

/** A measure of two networks. */
export interface MeasureComparison {
  measure: string
  first: Proportion
  second: Proportion
  /** second − first, in percentage points. */
  difference: number
  /** Where what happened to every image is known of both, and the images are the same. */
  paired?: {
    n: number
    onlyFirst: number
    onlySecond: number
    /** McNemar's exact test, two-sided. */
    p: number
    /** Of the test images, those on which they differ: the first few. */
    changed: number[]
  }
}

export interface NetworkComparison {
  first: string
  second: string
  measures: MeasureComparison[]
}

export interface RunComparison {
  first: RunRecord
  second: RunRecord
  differences: Difference[]
  networks: NetworkComparison[]
}

/** Images that a comparison lists. */
const MOST_CHANGED = 50

export const compareRuns = (first: RunRecord, second: RunRecord): RunComparison => ({
  ...{ first, second },
  differences: recipeDifferences(first.recipe, second.recipe),
  networks: counterparts(first.rows, second.rows).map(([a, b]) =>
    compareNetworks(
      a,
      b,
      sameImages(first, second) ? [first.outcomes.get(a.name), second.outcomes.get(b.name)] : [],
    ),
  ),
})

/** Two networks, and what happened to every image where that is known. */
export const compareNetworks = (
  first: ResultRow,
  second: ResultRow,
  [a, b]: readonly (OutcomeFile | undefined)[] = [],
): NetworkComparison => {
  const pair = a !== undefined && b !== undefined && areSame(a.indices, b.indices) ? { a, b } : undefined
  const measure = (
    name: string,
    one: Proportion,
    two: Proportion,
    right: (file: OutcomeFile) => boolean[] | undefined,
  ): MeasureComparison => {
    const paired = pair && pairedOf(pair.a.indices, right(pair.a), right(pair.b))
    return {
      measure: name,
      first: one,
      second: two,
      difference: two.value - one.value,
      ...(paired && { paired }),
    }
  }
  const proofs = (first.verifications ?? []).flatMap((one, place) => {
    const two = second.verifications?.find(
      ({ verifier, epsilon }) => verifier.kind === one.verifier.kind && epsilon === one.epsilon,
    )
    const { kind } = one.verifier
    return two === undefined ? [] : [measure(`VRA by ${kind}`, one.vra, two.vra, proved(kind, place))]
  })
  return {
    ...{ first: first.name, second: second.name },
    measures: [
      measure('benign', first.accuracy, second.accuracy, benign),
      measure('ERA', first.era, second.era, robust),
      ...proofs,
    ],
  }
}

const benign = ({ labels, predictions }: OutcomeFile): boolean[] =>
  labels.map((label, index) => predictions[index] === label)

const robust = ({ labels, predictions, adversarialPredictions }: OutcomeFile): boolean[] | undefined =>
  adversarialPredictions.length < labels.length
    ? undefined
    : labels.map((label, index) => predictions[index] === label && adversarialPredictions[index] === label)

const proved =
  (kind: string, place: number) =>
  ({ verifications = [] }: OutcomeFile): boolean[] | undefined => {
    const found = verifications[place]?.verifier === kind ? verifications[place] : undefined
    return (found ?? verifications.find(({ verifier }) => verifier === kind))?.verdicts.map(
      (verdict) => verdict === 'verified',
    )
  }

const pairedOf = (
  indices: readonly number[],
  a: readonly boolean[] | undefined,
  b: readonly boolean[] | undefined,
): MeasureComparison['paired'] => {
  if (a === undefined || b === undefined || a.length !== b.length) return undefined
  const changed = indices.filter((_, place) => place < a.length && a[place] !== b[place])
  const onlyFirst = a.filter((right, place) => right && b[place] === false).length
  const onlySecond = changed.length - onlyFirst
  const p = mcnemar(onlyFirst, onlySecond)
  return { n: a.length, onlyFirst, onlySecond, p, changed: changed.slice(0, MOST_CHANGED) }
}

const areSame = (a: readonly number[], b: readonly number[]): boolean =>
  a.length === b.length && a.every((value, index) => value === b[index])

const sameImages = (first: RunRecord, second: RunRecord): boolean => {
  const [a, b] = [first.environment?.data.test, second.environment?.data.test]
  return a !== undefined && a === b
}

/** Networks that stand for the same: of equal names, then those of equal branches in their order. */
const counterparts = (
  first: readonly ResultRow[],
  second: readonly ResultRow[],
): [ResultRow, ResultRow][] => {
  const left = new Set(second)
  const pairs = new Map<ResultRow, ResultRow>()
  for (const same of [
    (a: ResultRow, b: ResultRow) => a.name === b.name,
    (a: ResultRow, b: ResultRow) => a.branch === b.branch,
  ]) {
    for (const row of first) {
      if (pairs.has(row)) continue
      const other = [...left].find((candidate) => same(row, candidate))
      if (other === undefined) continue
      pairs.set(row, other)
      left.delete(other)
    }
  }
  return first.flatMap((row): [ResultRow, ResultRow][] => {
    const other = pairs.get(row)
    return other === undefined ? [] : [[row, other]]
  })
}

/** Every value in which two recipes differ, by its path. */
export const recipeDifferences = (
  first: Readonly<Record<string, unknown>> | undefined,
  second: Readonly<Record<string, unknown>> | undefined,
): Difference[] => {
  if (first === undefined || second === undefined) return []
  const [a, b] = [leaves(first), leaves(second)]
  return [...new Set([...a.keys(), ...b.keys()])]
    .filter((path) => path !== 'name' && a.get(path) !== b.get(path))
    .sort()
    .map((path) => ({ path, first: a.get(path), second: b.get(path) }))
}

/** The values of a recipe by their paths, as people write them. */
export const leaves = (value: object, prefix = ''): Map<string, string> =>
  new Map(
    Object.entries(value).flatMap(([key, each]: [string, unknown]): [string, string][] => {
      const path = `${prefix}${key}`
      const nested = Array.isArray(each)
        ? each.some(isObject)
        : isObject(each) && Object.keys(each).length > 0
      return nested ? [...leaves(each as object, `${path}.`)] : [[path, written(key, each)]]
    }),
  )

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null

const written = (key: string, value: unknown): string => {
  if (typeof value === 'number' && DISTANCES.includes(key)) return formatPixels(value)
  if (Array.isArray(value))
    return value.length === 0 ? 'none' : value.map((each) => written(key, each)).join(', ')
  return typeof value === 'string' ? value : canonicalJson(value)
}

/** Keys of distances in [0,1] pixels. */
const DISTANCES = ['epsilon', 'stepSize']
