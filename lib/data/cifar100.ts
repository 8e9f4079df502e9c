/** CIFAR-100: 50,000 training and 10,000 test images of a hundred fine classes in twenty coarse ones, 32×32 RGB. */
import { z } from 'zod'
import { invalid } from '../base/errors.js'
import { choice, strict } from '../base/schemas.js'
import { type Cifar, isCifar, readCifar } from './cifar.js'
import { counts, type DataSetKind, folder, type ImageSplits } from './set.js'

const FINE = `apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly camel can
  castle caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur dolphin elephant
  flatfish forest fox girl hamster house kangaroo keyboard lamp lawn_mower leopard lion lizard lobster man maple_tree
  motorcycle mountain mouse mushroom oak_tree orange orchid otter palm_tree pear pickup_truck pine_tree plain plate
  poppy porcupine possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk skyscraper snail snake spider
  squirrel streetcar sunflower sweet_pepper table tank telephone television tiger tractor train trout tulip turtle
  wardrobe whale willow_tree wolf woman worm`

const COARSE = `aquatic_mammals fish flowers food_containers fruit_and_vegetables household_electrical_devices
  household_furniture insects large_carnivores large_man-made_outdoor_things large_natural_outdoor_scenes
  large_omnivores_and_herbivores medium_mammals non-insect_invertebrates people reptiles small_mammals trees vehicles_1
  vehicles_2`

/**
 * With fine or coarse labels, of which a record of the binary version has both, coarse first. Nobody publishes sums of
 * the binary version's files, only of its archive.
 */
export const cifar100Of = (labels: 'fine' | 'coarse'): Cifar => ({
  title: 'CIFAR-100',
  name: labels === 'fine' ? 'cifar100' : 'cifar100 (coarse)',
  classNames: (labels === 'fine' ? FINE : COARSE).split(/\s+/),
  label: { bytes: 2, at: labels === 'fine' ? 1 : 0, key: `${labels}_labels` },
  normalize: { mean: [0.5071, 0.4865, 0.4409], std: [0.2673, 0.2564, 0.2762] },
  versions: [
    {
      name: 'binary',
      folder: 'cifar-100-binary',
      files: { 'train.bin': { images: 50_000 }, 'test.bin': { images: 10_000 } },
    },
    {
      name: 'Python',
      folder: 'cifar-100-python',
      files: {
        train: { images: 50_000, md5: '16019d7e3df5f24257cddd939b257f8d' },
        test: { images: 10_000, md5: 'f0ef6b0ae62326f3e7ffdfab6717acfc' },
      },
    },
  ],
})

const schema = strict({
  set: z.literal('cifar100'),
  folder,
  labels: choice(['fine', 'coarse']).default('fine').describe('which of its two labels is the class'),
  ...counts,
})

/** Reads it from a folder that holds the official files, or their folder `cifar-100-binary` or `-python`. */
const read = (folder: string, labels: 'fine' | 'coarse' = 'fine'): Promise<ImageSplits> =>
  readCifar(cifar100Of(labels), folder)

export const cifar100Set: DataSetKind<typeof schema> = {
  title: 'CIFAR-100',
  argument: 'a folder with the files of CIFAR-100',
  schema,
  paths: ['folder'],
  named: (folder) => (isCifar(cifar100Of('fine'), folder) ? { folder } : undefined),
  load: async ({ folder, labels }) => {
    if (folder === undefined) throw invalid('data.folder: name the folder with the CIFAR-100 files')
    return read(folder, labels)
  },
  archive: {
    url: 'https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz',
    md5: '03b5dce01913d631647c71ecec9e9cb8',
    folder: 'cifar-100-binary',
    megabytes: 161,
    check: (folder) => read(folder),
  },
}
