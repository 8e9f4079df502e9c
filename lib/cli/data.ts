/** `coppice data`: fetches an official archive, says what a data set holds, exports one as .npz files. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { Command, Option } from 'commander'
import { CoppiceError } from '../base/errors.js'
import { LIMITS } from '../base/limits.js'
import { parse } from '../base/schemas.js'
import { listed } from '../base/words.js'
import { fingerprint, firstImages, type LabelledImages } from '../data/images.js'
import { fetchData } from '../data/index.js'
import { imagesArgument, namedImages } from '../data/named.js'
import { archiveOf, dataArguments, dataSchema, fetchable, loadImages, namedData } from '../data/sets.js'
import { writeNpz } from '../data/writeNpz.js'
import { fileError, makeFolder } from '../files/files.js'
import { count, table } from '../report/tables.js'
import { integerFlag } from './flags.js'
import { interruptible, note, printResult } from './output.js'
import { progressDisplay } from './progress.js'

export const dataCommand = (): Command =>
  new Command('data')
    .description('fetch an official archive, describe a data set, or export one')
    .addCommand(fetchCommand())
    .addCommand(infoCommand())
    .addCommand(exportCommand())

const fetchCommand = (): Command =>
  new Command('fetch')
    .description(`download ${listed(fetchable.map(sizeOf))} into a folder, checked by MD5`)
    .argument('<dir>', 'folder to put the files in')
    .addOption(new Option('--set <name>', 'which set').choices(fetchable).default('cifar10'))
    .option('--url <url>', 'address of the archive, such as a mirror')
    .option('--json', 'print JSON')
    .action(async (folder: string, { set, url, json }: { set: string; url?: string; json?: boolean }) => {
      const display = progressDisplay('bytes')
      try {
        await interruptible(
          () => 'nothing was kept',
          (signal) =>
            fetchData(set, folder, {
              url,
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
      const { title } = archiveOf(set)
      printResult(json, { set, folder }, () => `${title} is in ${folder}; use it with --data ${folder}`)
    })

const sizeOf = (set: string): string => {
  const { title, megabytes } = archiveOf(set)
  return `${title} (${megabytes} MB)`
}

const infoCommand = (): Command =>
  new Command('info')
    .description('check a data set and say what it holds')
    .argument('<set>', imagesArgument)
    .option('--json', 'print JSON')
    .action(async (name: string, { json }: { json?: boolean }) => {
      const parts = (await namedImages(name)).map(describe)
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
    .argument('<set>', listed(dataArguments))
    .requiredOption('-o, --output <dir>', 'folder to write to')
    .option('--train <n>', 'only the first n training images', integerFlag(1, LIMITS.images))
    .option('--test <n>', 'only the first n test images', integerFlag(1, LIMITS.images))
    .option('--json', 'print JSON')
    .action(async (name: string, { output, train, test, json }: ExportFlags) => {
      const named = { ...namedData(name), ...(train && { train }), ...(test && { test }) }
      const images = await loadImages(parse(dataSchema, named, 'data'))
      const files = [
        { path: join(output, 'train.npz'), images: firstImages(images.train, train) },
        { path: join(output, 'test.npz'), images: firstImages(images.test, test) },
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
