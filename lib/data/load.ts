/** From the images of a set to splits on a device. The validation set chooses whatever is chosen. */

import type { Device } from '../../bindings/native.js'
import { optionsOf } from '../base/arguments.js'
import { invalid } from '../base/errors.js'
import { LIMITS } from '../base/limits.js'
import { integer, parse } from '../base/schemas.js'
import { Dataset } from './dataset.js'
import type { ImageSplits } from './set.js'
import { type DataRecipe, dataSchema, loadImages } from './sets.js'

export interface DataOptions {
  /** Where the images live; default `cpu`. */
  device?: Device
  /** Training images set aside for validation, drawn by `seed`; default 1000, or a sixth of at most 1000 images. */
  validation?: number
  /** Key of the draw of the validation images; default 0. */
  seed?: number
}

/** `train` and `validation` are views of one native copy; disposing either disposes both. */
export interface DataSplits {
  train: Dataset
  validation: Dataset
  test: Dataset
}

/**
 * A data set as the `data` of a recipe names it: `{ set: 'cifar100', folder: 'cifar-100-binary', validation: 1000 }`, with
 * as many training and test images as it says. `validation`, by default 0, may be empty.
 *
 * @throws CoppiceError for an unknown set or key, and more images than there are; `ERR_FILE` naming the file or folder
 * at fault; `ERR_DEVICE` for a device that isn't there.
 */
export const dataSet = async (data: unknown, options: { device?: Device } = {}): Promise<DataSplits> =>
  loadData(
    parse(dataSchema, typeof data === 'string' ? { set: data } : data, 'data'),
    optionsOf(options, 'dataSet').device ?? 'cpu',
  )

/** `dataSet` of what was parsed already. */
export async function loadData(data: DataRecipe, device: Device): Promise<DataSplits> {
  const { train, test, validation } = data
  // A set that is drawn from a seed is split by it, too.
  const seed = 'seed' in data ? data.seed : 0
  const splits = await toDevice(await loadImages(data), { device, validation, seed })
  return {
    train: atMost('train', splits.train, train),
    validation: splits.validation,
    test: atMost('test', splits.test, test),
  }
}

/** Sets validation images aside, and hands all of them over to the device. */
export const toDevice = async (
  images: ImageSplits,
  { device = 'cpu', validation: asked, seed = 0 }: DataOptions,
): Promise<DataSplits> => {
  const { length } = images.train.labels
  const usual = length > 1000 ? 1000 : Math.floor(length / 6)
  const validation = parse(integer(0, LIMITS.images).default(usual), asked, 'validation')
  if (validation >= length) {
    throw invalid(
      `validation: ${validation} images cannot be set aside from ${length} training images; ` +
        'pass fewer, or validation: 0',
    )
  }
  const all = await Dataset.create(images.train, { device })
  const split = all.split({ validation, seed })
  return { ...split, test: await Dataset.create(images.test, { device }) }
}

const atMost = (key: string, dataset: Dataset, count: number | undefined): Dataset => {
  if (count === undefined) return dataset
  if (count <= dataset.length) return dataset.take(count)
  throw invalid(`data.${key}: asks for ${count} images, but ${dataset.name} has ${dataset.length}`)
}
