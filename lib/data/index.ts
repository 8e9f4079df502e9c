/** Data ready on a device: training, validation and test sets. The validation set chooses whatever is chosen. */
import type { Device } from '../../bindings/native.js'
import { invalid } from '../base/errors.js'
import { type BuiltinOptions, builtinImages } from './builtin.js'
import { readCifar10 } from './cifar10.js'
import { Dataset } from './dataset.js'
import { type ImageArrays, type LabelledImages, labelledImages } from './images.js'
import { readNpz } from './npz.js'

export { type BuiltinOptions, builtinImages } from './builtin.js'
export { readCifar10 } from './cifar10.js'
export { Dataset } from './dataset.js'
export { fetchCifar10 } from './fetch.js'
export { type Augment, fingerprint, type ImageArrays, type LabelledImages, labelledImages } from './images.js'
export { readNpz } from './npz.js'

export interface DataOptions {
  /** Where the images live; default `cpu`. */
  device?: Device
  /** Training images set aside for validation, drawn by `seed`; default 1000. */
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
 * CIFAR-10 from a folder with its official files: 50,000 training images, of which `validation` are set aside, and
 * 10,000 test images.
 *
 * @throws CoppiceError `ERR_FILE` naming the file or folder at fault, `ERR_DEVICE` for a device that isn't there.
 */
export const cifar10 = async (folder: string, options: DataOptions = {}): Promise<DataSplits> =>
  toDevice(await readCifar10(folder), options)

/** The built-in, procedurally drawn set; `train` and `test` say how many images, `seed` draws them and the split. */
export const builtin = async (options: DataOptions & BuiltinOptions = {}): Promise<DataSplits> => {
  const { device, validation, ...drawn } = options
  return toDevice(builtinImages(drawn), options)
}

/** Images of your own, as typed arrays or from an `.npz` file (`images` and `labels`), on a device. */
export const imageSet = async (
  images: ImageArrays | LabelledImages | string,
  options: { device?: Device } = {},
): Promise<Dataset> =>
  Dataset.create(typeof images === 'string' ? await readNpz(images) : labelledImages(images), options)

const toDevice = async (
  images: { train: LabelledImages; test: LabelledImages },
  { device = 'cpu', validation = 1000, seed = 0 }: DataOptions,
): Promise<DataSplits> => {
  const { length } = images.train.labels
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
