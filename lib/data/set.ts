/** What every data set that can be named must offer: one file a set, and a line in sets.ts. */
import { z } from 'zod'
import { show } from '../base/numbers.js'
import { integer } from '../base/schemas.js'
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

/** Keys that every set has. */
export const counts = {
  /** The first so many training and test images; default all. */
  train: integer(1).optional(),
  test: integer(1).optional(),
  /** Images of the training set that are kept from training, to choose by. */
  validation: integer(0).default(0),
}

/** A file or folder, as a recipe names it. */
export const path = z.string({ error: (issue) => `expected a path, received ${show(issue.input)}` }).min(1)
