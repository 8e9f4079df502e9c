/** CIFAR-10: 50,000 training and 10,000 test images of ten classes, 32×32 RGB. */
import { z } from 'zod'
import { invalid } from '../base/errors.js'
import { strict } from '../base/schemas.js'
import { CIFAR10_NORMALIZATION } from '../networks/options.js'
import { type Cifar, isCifar, readCifar } from './cifar.js'
import { counts, type DataSetKind, folder, type ImageSplits } from './set.js'

const batch = (md5: string) => ({ images: 10_000, md5 })

export const CIFAR10: Cifar = {
  title: 'CIFAR-10',
  name: 'cifar10',
  classNames: ['airplane', 'automobile', 'bird', 'cat', 'deer', 'dog', 'frog', 'horse', 'ship', 'truck'],
  label: { bytes: 1, at: 0, key: 'labels' },
  normalize: CIFAR10_NORMALIZATION,
  versions: [
    {
      name: 'binary',
      folder: 'cifar-10-batches-bin',
      files: {
        'data_batch_1.bin': batch('5dd7e06a14cb22eb9f671a540d1b7c25'),
        'data_batch_2.bin': batch('5ea93a67294ea407fff1d09f752e9692'),
        'data_batch_3.bin': batch('942cd6a4bcdd0dd3c604fbe906cb4421'),
        'data_batch_4.bin': batch('ae636b3ba5c66a11e91e8cb52e771fcb'),
        'data_batch_5.bin': batch('53f37980c15c3d472c316c40844f3f0d'),
        'test_batch.bin': batch('803d5f7f4d78ea53de84dbe85f74fb6d'),
      },
    },
    {
      name: 'Python',
      folder: 'cifar-10-batches-py',
      files: {
        data_batch_1: batch('c99cafc152244af753f735de768cd75f'),
        data_batch_2: batch('d4bba439e000b95fd0a9bffe97cbabec'),
        data_batch_3: batch('54ebc095f3ab1f0389bbae665268c751'),
        data_batch_4: batch('634d18415352ddfa80567beed471001a'),
        data_batch_5: batch('482c414d41f54cd18b22e5b47cb7c3cb'),
        test_batch: batch('40351d587109b95175f43aff81a1287e'),
      },
    },
  ],
}

/**
 * Reads CIFAR-10 from a folder that holds the official files, or their folder `cifar-10-batches-bin` or `-py`.
 *
 * @throws CoppiceError `ERR_FILE` naming the folder or file that is missing, truncated or corrupt.
 */
export const readCifar10 = (folder: string): Promise<ImageSplits> => readCifar(CIFAR10, folder)

const schema = strict({ set: z.literal('cifar10'), folder, ...counts })

export const cifar10Set: DataSetKind<typeof schema> = {
  title: CIFAR10.title,
  argument: 'a folder with the files of CIFAR-10',
  schema,
  paths: ['folder'],
  named: (folder) => (isCifar(CIFAR10, folder) ? { folder } : undefined),
  load: async ({ folder }) => readCifar10(required(folder)),
  archive: {
    url: 'https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz',
    md5: 'c32a1d4ab5d03f1284b67883e8d87530',
    folder: 'cifar-10-batches-bin',
    megabytes: 162,
    check: readCifar10,
  },
}

const required = (folder: string | undefined): string => {
  if (folder !== undefined) return folder
  throw invalid(
    'data.folder: name the folder with the CIFAR-10 files (--data DIR); ' +
      '"coppice data fetch DIR" downloads them',
  )
}
