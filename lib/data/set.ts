/** What every data set that can be named must offer: one file a set, and a line in sets.ts. */
import type { z } from 'zod'
import { LIMITS } from '../base/limits.js'
import { integer, textUpTo } from '../base/schemas.js'
import type { LabelledImages } from './images.js'

/** Training and test images on the host. They say themselves how they are normalised and augmented by default. */
export interface ImageSplits {
  train: LabelledImages
  test: LabelledImages
}

export interface DataSetKind<Schema extends z.ZodType> {
  /** How people write it: `CIFAR-10`. */
  readonly title: string
  /** What `--data` takes for it: `a folder with the files of CIFAR-10`. */
  readonly argument: string
  /** Reads the `data` of a recipe: its own keys, and the `counts`. */
  readonly schema: Schema
  /** Keys whose values are paths. */
  readonly paths: readonly string[]
  /** What a recipe would say where `--data` names this set, and undefined where it names another. */
  named(argument: string): Readonly<Record<string, string>> | undefined
  /**
   * All its images, or of a set that is drawn as many as are asked for.
   * @throws CoppiceError `ERR_FILE` naming the file or folder at fault.
   */
  load(data: z.output<Schema>): Promise<ImageSplits>
  /** Its official archive, where `coppice data fetch` can get one. */
  readonly archive?: Archive
}

/** A data set's official archive, a tar.gz with one folder. */
export interface Archive {
  readonly url: string
  readonly md5: string
  /** The folder inside. */
  readonly folder: string
  readonly megabytes: number
  /** Whether the unpacked folder is whole. @throws CoppiceError `ERR_FILE` where it is not. */
  check(folder: string): Promise<unknown>
}

/** Keys that every set has. What a key means, for the table in docs/recipes.md, its schema says itself. */
export const counts = {
  train: integer(1, LIMITS.images)
    .optional()
    .meta({ description: 'the first so many training images', default: 'all' }),
  test: integer(1, LIMITS.images)
    .optional()
    .meta({ description: 'the first so many test images', default: 'all' }),
  validation: integer(0, LIMITS.images)
    .default(0)
    .describe('training images set aside and evaluated beside the test images, to choose by'),
}

/** A file or folder, as a recipe names it. */
export const path = textUpTo(LIMITS.path, 'a path').min(1, 'must not be empty')

/** The same, with what it is for the table of a recipe's keys. */
export const pathTo = (what: string) => path.meta({ description: what, takes: 'a path' })

/** Where the files of a set are; only a recipe that is not run can do without. */
export const folder = pathTo('where its official files are').optional()
