/** `coppice data`: fetches CIFAR-10, says what a data set holds, exports one as .npz files. */

import { existsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { Command } from 'commander'
import { CoppiceError, invalid } from '../base/errors.js'
import { LIMITS } from '../base/limits.js'
import { builtinImages } from '../data/builtin.js'
import { readCifar10 } from '../data/cifar10.js'
import { fetchCifar10 } from '../data/fetch.js'
import { fingerprint, type LabelledImages } from '../data/images.js'
import { readNpz } from '../data/npz.js'
import { writeNpz } from '../data/writeNpz.js'
import { fileError, makeFolder } from '../files/files.js'
import { count, table } from '../report/tables.js'
import { integerFlag } from './flags.js'
import { interruptible, note, printResult } from './output.js'
import { progressDisplay } from './progress.js'

export const dataCommand = (): Command =>
  new Command('data')
    .description('fetch CIFAR-10, describe a data set, or export one')
    .addCommand(fetchCommand())
    .addCommand(infoCommand())
    .addCommand(exportCommand())

const fetchCommand = (): Command =>
  new Command('fetch')
    .description('download CIFAR-10 (162 MB) into a folder, checked by MD5')
    .argument('<dir>', 'folder to put the files in')
    .option('--url <url>', 'address of the archive, such as a mirror')
    .option('--json', 'print JSON')
    .action(async (folder: string, { url, json }: { url?: string; json?: boolean }) => {
      const display = progressDisplay('bytes')
      try {
        await interruptible(
          () => 'nothing was kept',
          (signal) =>
            fetchCifar10(folder, {
              ...(url !== undefined && { url }),
              signal,
              onProgress: ({ received, total }) =>
                display.update({
                  label: 'download',
                  done: received,
                  total: total ?? received,
                  fraction: total === undefined ? 0 : received / total,
                }),
            }),
        )
      } finally {
        display.stop()
      }
      printResult(json, { folder }, () => `CIFAR-10 is in ${folder}; use it with --data ${folder}`)
    })

const infoCommand = (): Command =>
  new Command('info')
    .description('check a data set and say what it holds')
    .argument('<set>', 'builtin, a folder with the CIFAR-10 files, or an .npz file')
    .option('--json', 'print JSON')
    .action(async (name: string, { json }: { json?: boolean }) => {
      const parts = (await readSet(name)).map(describe)
      printResult(json, { set: name, parts }, () => asText(parts))
    })

interface ExportFlags {
  output: string
  train?: number
  test?: number
  json?: boolean
}

const exportCommand = (): Command =>
  new Command('export')
    .description('write a data set as train.npz and test.npz, for other tools')
    .argument('<set>', 'builtin, or a folder with the CIFAR-10 files')
    .requiredOption('-o, --output <dir>', 'folder to write to')
    .option('--train <n>', 'of builtin, how many training images', integerFlag(1, LIMITS.builtinImages))
    .option('--test <n>', 'of builtin, how many test images', integerFlag(1, LIMITS.builtinImages))
    .option('--json', 'print JSON')
    .action(async (name: string, { output, train, test, json }: ExportFlags) => {
      if (name !== 'builtin' && (train ?? test) !== undefined) {
        throw invalid(`--train and --test are for builtin; ${name} is exported whole`)
      }
      const images =
        name === 'builtin'
          ? builtinImages({ ...(train !== undefined && { train }), ...(test !== undefined && { test }) })
          : await readCifar10(name)
      const files = [
        { path: join(output, 'train.npz'), images: images.train },
        { path: join(output, 'test.npz'), images: images.test },
      ]
      const present = files.find(({ path }) => existsSync(path))
      if (present !== undefined) {
        throw new CoppiceError('ERR_FILE', `${present.path} exists already; choose another folder with -o`)
      }
      await makeFolder(output).catch((error) => {
        throw fileError('cannot make the folder', output, error)
      })
      for (const file of files) {
        await writeNpz(file.path, file.images)
        note(`${file.path}: ${count(file.images.labels.length)} images`)
      }
      printResult(
        json,
        { files: files.map(({ path }) => path) },
        () => `use it with --data ${files[0]?.path},${files[1]?.path}`,
      )
    })

const readSet = async (name: string): Promise<LabelledImages[]> => {
  if (name === 'builtin') return Object.values(builtinImages())
  if (!existsSync(name)) {
    throw new CoppiceError('ERR_FILE', `${name}: there is no such file or folder; or name "builtin"`)
  }
  return statSync(name).isDirectory() ? Object.values(await readCifar10(name)) : [await readNpz(name)]
}

const describe = (images: LabelledImages) => {
  const perClass = Array.from({ length: images.classes }, () => 0)
  for (const label of images.labels) perClass[label] = (perClass[label] ?? 0) + 1
  return {
    name: images.name,
    images: images.labels.length,
    shape: [...images.shape],
    classes: images.classes,
    classNames: images.classNames ?? null,
    perClass,
    fingerprint: fingerprint(images),
  }
}

const asText = (parts: ReturnType<typeof describe>[]): string => {
  const rows = parts.map(({ name, images, shape, classes, perClass, fingerprint: print }) => [
    name,
    count(images),
    shape.join('×'),
    String(classes),
    `${count(Math.min(...perClass))} to ${count(Math.max(...perClass))}`,
    print.slice(0, 16),
  ])
  const names = parts[0]?.classNames
  return [
    table(['set', 'images', 'shape', 'classes', 'per class', 'fingerprint'], rows, [1]),
    ...(names ? ['', `Classes: ${names.join(', ')}.`] : []),
  ].join('\n')
}
