/** The data sets that a recipe names, on a device. */
import type { Device } from '../../bindings/native.js'
import { invalid } from '../base/errors.js'
import { builtin, cifar10, type DataSplits, type Dataset, imageSet } from '../data/index.js'
import type { DataRecipe } from './recipe.js'

/** Loads training, validation and test images; `validation` may be empty. */
export async function loadData(data: DataRecipe, device: Device): Promise<DataSplits> {
  const { train, test, validation } = data
  switch (data.set) {
    case 'builtin': {
      const { seed } = data
      const images = {
        ...(train !== undefined && { train: train + validation }),
        ...(test !== undefined && { test }),
      }
      return builtin({ ...images, device, validation, seed })
    }
    case 'cifar10': {
      if (data.folder === undefined) {
        throw invalid(
          'recipe.data.folder: name the folder with the CIFAR-10 files (--data DIR); ' +
            '"coppice data fetch DIR" downloads them',
        )
      }
      return firstOnes(await cifar10(data.folder, { device, validation }), train, test)
    }
    case 'npz': {
      const all = await imageSet(data.trainFile, { device })
      const tests = await imageSet(data.testFile, { device })
      requireAlike(all, tests)
      return firstOnes({ ...all.split({ validation }), test: tests }, train, test)
    }
  }
}

const firstOnes = (splits: DataSplits, train: number | undefined, test: number | undefined): DataSplits => ({
  train: atMost('train', splits.train, train),
  validation: splits.validation,
  test: atMost('test', splits.test, test),
})

const atMost = (key: string, dataset: Dataset, count: number | undefined): Dataset => {
  if (count === undefined) return dataset
  if (count <= dataset.length) return dataset.take(count)
  throw invalid(`recipe.data.${key}: asks for ${count} images, but ${dataset.name} has ${dataset.length}`)
}

const requireAlike = (train: Dataset, test: Dataset): void => {
  if (train.shape.join() !== test.shape.join()) {
    throw invalid(
      `recipe.data.testFile: its images are ${test.shape.join('×')}, the training images ${train.shape.join('×')}`,
    )
  }
  if (test.classes > train.classes) {
    throw invalid(
      `recipe.data.testFile: has labels up to ${test.classes - 1}, the training set only ${train.classes} classes`,
    )
  }
}
