/** The images that `--data` names where a network is tested. */
import { existsSync, statSync } from 'node:fs'
import type { Device } from '../../bindings/native.js'
import { parse } from '../base/schemas.js'
import { listed } from '../base/words.js'
import { Dataset } from './dataset.js'
import type { LabelledImages } from './images.js'
import { readNpz } from './npz.js'
import { dataArguments, dataSchema, loadImages, namedData } from './sets.js'

/** What names images to test on, for help texts: a data set, or one .npz file. */
export const imagesArgument: string = listed([
  ...dataArguments.filter((argument) => !argument.includes('.npz')),
  'an .npz file',
])

/** The parts of what an argument names: training and test images of a set, or the images of one .npz file. */
export const namedImages = async (argument: string): Promise<LabelledImages[]> => {
  if (argument.endsWith('.npz') && existsSync(argument) && !statSync(argument).isDirectory()) {
    return [await readNpz(argument)]
  }
  return Object.values(await loadImages(parse(dataSchema, namedData(argument), 'data')))
}

/** The test images of what `--data` names, on a device. */
export async function testImages(argument: string, device: Device): Promise<Dataset> {
  const test = (await namedImages(argument)).at(-1) as LabelledImages
  return Dataset.create(test, { device })
}
