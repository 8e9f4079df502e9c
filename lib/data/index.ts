/** Data ready on a device: training, validation and test sets. */
import type { Device } from '../../bindings/native.js'
import { optionsOf, pathOf } from '../base/arguments.js'
import { type BuiltinOptions, builtinImages } from './builtin.js'
import { readCifar10 } from './cifar10.js'
import { Dataset } from './dataset.js'
import { type FetchOptions, fetchArchive } from './fetch.js'
import { type ImageArrays, type LabelledImages, labelledImages } from './images.js'
import { type DataOptions, type DataSplits, toDevice } from './load.js'
import { readNpz } from './npz.js'
import { archiveOf } from './sets.js'

export { type BuiltinOptions, builtinImages } from './builtin.js'
export { readCifar10 } from './cifar10.js'
export { Dataset } from './dataset.js'
export { type Augment, fingerprint, type ImageArrays, type LabelledImages, labelledImages } from './images.js'
export { type DataOptions, type DataSplits, dataSet } from './load.js'
export { readNpz } from './npz.js'

/**
 * CIFAR-10 from a folder with its official files: 50,000 training images, of which `validation` are set aside, and
 * 10,000 test images.
 *
 * @throws CoppiceError `ERR_FILE` naming the file or folder at fault, `ERR_DEVICE` for a device that isn't there.
 */
export const cifar10 = async (folder: string, options: DataOptions = {}): Promise<DataSplits> =>
  toDevice(await readCifar10(pathOf(folder, 'cifar10')), optionsOf(options, 'cifar10'))

/** The built-in, procedurally drawn set; `train` and `test` say how many images, `seed` draws them and the split. */
export const builtin = async (options: DataOptions & BuiltinOptions = {}): Promise<DataSplits> => {
  const { device, validation, ...drawn } = optionsOf(options, 'builtin')
  return toDevice(builtinImages(drawn), options)
}

/** Images of your own, as typed arrays or from an `.npz` file (`images` and `labels`), on a device. */
export const imageSet = async (
  images: ImageArrays | LabelledImages | string,
  options: { device?: Device } = {},
): Promise<Dataset> =>
  Dataset.create(
    typeof images === 'string' ? await readNpz(pathOf(images, 'imageSet')) : labelledImages(images),
    optionsOf(options, 'imageSet'),
  )

/**
 * Makes `folder` hold the official binary files of a set, such as `cifar10` or `cifar100`, downloaded and checked. A
 * folder that is there already is checked, not downloaded again; nothing is left behind by a failure.
 *
 * @throws CoppiceError for a set that has no archive; `ERR_FILE` when the download fails, stops short or has another
 * MD5; the signal's reason.
 */
export const fetchData = async (set: string, folder: string, options: FetchOptions = {}): Promise<void> =>
  fetchArchive(archiveOf(set), folder, options)

/** `fetchData` of CIFAR-10. */
export const fetchCifar10 = (folder: string, options: FetchOptions = {}): Promise<void> =>
  fetchData('cifar10', folder, options)
