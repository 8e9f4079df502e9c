/** The data sets by name. A new one is a file with what set.ts asks for, and a line here. */
import { existsSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import type { z } from 'zod'
import { CoppiceError, invalid } from '../base/errors.js'
import { didYouMean, show } from '../base/numbers.js'
import { table } from '../base/schemas.js'
import { listed } from '../base/words.js'
import { builtinSet } from './builtin.js'
import { cifar10Set } from './cifar10.js'
import { cifar100Set } from './cifar100.js'
import { npzSet } from './npz.js'
import type { Archive, DataSetKind, ImageSplits } from './set.js'

const sets = { builtin: builtinSet, cifar10: cifar10Set, cifar100: cifar100Set, npz: npzSet } as const

export type DataSetName = keyof typeof sets

export const dataSetNames = Object.keys(sets) as readonly DataSetName[]

/** Schema of the `data` of a recipe. */
export const dataSchema = table(sets, 'set')

/** The `data` of a recipe: which set, and how many of its images. */
export type DataRecipe = z.output<(typeof sets)[DataSetName]['schema']>

/** The entry of a set only ever meets data of its set, which the type of the table cannot say. */
const kindOf = (name: DataSetName): DataSetKind<z.ZodType<DataRecipe>> =>
  sets[name] as unknown as DataSetKind<z.ZodType<DataRecipe>>

/** What `--data` takes, for help texts: every set by its name or its files. */
export const dataArguments: readonly string[] = Object.values(sets).map(({ argument }) => argument)

/** Training and test images of the set that a recipe names, on the host. */
export const loadImages = (data: DataRecipe): Promise<ImageSplits> => kindOf(data.set).load(data)

/** The same with absolute paths. */
export const withAbsoluteFiles = (data: DataRecipe): DataRecipe => {
  const { paths } = kindOf(data.set)
  const entries = Object.entries(data).map(([key, value]) => [
    key,
    paths.includes(key) && typeof value === 'string' ? resolve(value) : value,
  ])
  return Object.fromEntries(entries) as DataRecipe
}

/**
 * The data section of a recipe that an argument of `--data` stands for.
 *
 * @throws CoppiceError where it is no name of a set, and no folder or files of one.
 */
export const namedData = (argument: string): Record<string, unknown> & { set: DataSetName } => {
  for (const set of dataSetNames) {
    const found = sets[set].named(argument)
    if (found !== undefined) return { set, ...found }
  }
  const expected = `expected ${listed(dataArguments)}`
  if (!existsSync(argument)) {
    throw new CoppiceError('ERR_FILE', `--data ${argument}: there is no such file or folder; ${expected}`)
  }
  const what = statSync(argument).isDirectory() ? 'the folder holds no data set' : 'the file is no data set'
  const hint = '; `coppice data fetch` downloads one'
  throw new CoppiceError('ERR_FILE', `--data ${argument}: ${what}; ${expected}${hint}`)
}

/** The sets that can be downloaded. */
export const fetchable: readonly DataSetName[] = dataSetNames.filter(
  (name) => kindOf(name).archive !== undefined,
)

/** The official archive of a set, and the set's title. @throws CoppiceError for a set that has none */
export const archiveOf = (name: string): Archive & { title: string } => {
  const set = fetchable.find((known) => known === name)
  const { archive, title } = set === undefined ? {} : kindOf(set)
  if (archive !== undefined && title !== undefined) return { ...archive, title }
  const hint = typeof name === 'string' ? didYouMean(name, fetchable) : ''
  throw invalid(`there is no archive of ${show(name)} to download, only of ${fetchable.join(', ')}${hint}`)
}
