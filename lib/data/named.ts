/** Data sets as people name them: `builtin`, a folder with the CIFAR-10 files, or .npz files. */
import { existsSync, statSync } from 'node:fs'
import type { Device } from '../../bindings/native.js'
import { CoppiceError, invalid } from '../base/errors.js'
import { builtin, cifar10, type Dataset, imageSet } from './index.js'

/** The data section of a recipe that `name` stands for; two .npz files are `train.npz,test.npz`. */
export const namedData = (name: string): Record<string, unknown> => {
  if (name === 'builtin') return { set: 'builtin' }
  const [trainFile, testFile, ...more] = name.split(',')
  if (trainFile?.endsWith('.npz') && testFile?.endsWith('.npz') && more.length === 0) {
    return { set: 'npz', trainFile, testFile }
  }
  if (trainFile?.endsWith('.npz')) {
    throw invalid(`--data ${name}: name two files, one to train on and one to test on: train.npz,test.npz`)
  }
  return { set: 'cifar10', folder: name }
}

/** The test images that `--data` names: `builtin`, a folder with the CIFAR-10 files, or an .npz file. */
export async function testImages(name: string, device: Device): Promise<Dataset> {
  if (name === 'builtin') return (await builtin({ device })).test
  if (!existsSync(name)) {
    throw new CoppiceError('ERR_FILE', `--data ${name}: there is no such file or folder; or name "builtin"`)
  }
  if (!statSync(name).isDirectory()) return imageSet(name, { device })
  const { train, test } = await cifar10(name, { device, validation: 0 })
  train.dispose()
  return test
}
