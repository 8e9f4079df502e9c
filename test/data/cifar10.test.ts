import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { appendFileSync, existsSync, mkdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import { hash32 } from '../../lib/base/hash.js'
import { type CifarVersion, readCifar } from '../../lib/data/cifar.js'
import { CIFAR10, readCifar10 } from '../../lib/data/cifar10.js'
import { pickle } from '../files/pickles.js'
import { temporaryFolder } from '../helpers.js'

const archives = resolve('../shared/data/cifar10')
const missing = existsSync(archives) ? '' : ' (skipped: ../shared/data is not here)'

const [CIFAR10_BINARY, CIFAR10_PYTHON] = CIFAR10.versions as [CifarVersion, CifarVersion]
const read = (folder: string, versions: CifarVersion[]) => readCifar({ ...CIFAR10, versions }, folder)

const md5 = (bytes: Uint8Array) => createHash('md5').update(bytes).digest('hex')

/** Ten thousand 3×32×32 images and their labels. */
const batch = (seed: number) => ({
  data: new Uint8Array(30_720_000).fill(seed).fill(seed + 1, 3072, 2 * 3072),
  labels: Array.from({ length: 10_000 }, (_, index) => hash32(seed, index) % 10),
})

const asRecords = ({ data, labels }: ReturnType<typeof batch>): Uint8Array => {
  const bytes = new Uint8Array(30_730_000)
  for (const [index, label] of labels.entries()) {
    bytes[index * 3073] = label
    bytes.set(data.subarray(index * 3072, (index + 1) * 3072), index * 3073 + 1)
  }
  return bytes
}

const asPickle = ({ data, labels }: ReturnType<typeof batch>): Uint8Array =>
  pickle({
    batch_label: 'training batch 1 of 5',
    labels,
    data: { rows: 10_000, columns: 3072, data },
    filenames: labels.map((label, index) => `thing_s_${label}_${index}.png`),
  })

/** Writes files and gives the version with their sums. */
const write = (folder: string, like: CifarVersion, files: Record<string, Uint8Array>): CifarVersion => {
  mkdirSync(folder, { recursive: true })
  for (const [name, bytes] of Object.entries(files)) writeFileSync(join(folder, name), bytes)
  return {
    ...like,
    files: Object.fromEntries(
      Object.entries(files).map(([name, bytes]) => [name, { images: 10_000, md5: md5(bytes) }]),
    ),
  }
}

describe('CIFAR-10', () => {
  it('reads records and pickles to the same images', async () => {
    const [folder, first, second] = [temporaryFolder(), batch(3), batch(7)]
    const binary = write(join(folder, 'cifar-10-batches-bin'), CIFAR10_BINARY, {
      'data_batch_1.bin': asRecords(first),
      'test_batch.bin': asRecords(second),
    })
    const python = write(join(folder, 'py'), CIFAR10_PYTHON, {
      data_batch_1: asPickle(first),
      test_batch: asPickle(second),
    })
    const fromRecords = await read(folder, [python, binary])
    const fromPickles = await read(join(folder, 'py'), [binary, python])
    for (const { train, test } of [fromRecords, fromPickles]) {
      expect(train).toMatchObject({ shape: [3, 32, 32], classes: 10, name: 'cifar10 train' })
      expect([...train.labels]).toEqual(first.labels)
      expect([...test.labels]).toEqual(second.labels)
      expect(Buffer.compare(train.images, first.data)).toBe(0)
      expect(Buffer.compare(test.images, second.data)).toBe(0)
    }
  })

  it('names a folder that is missing, no folder, or empty', async () => {
    const folder = temporaryFolder()
    writeFileSync(join(folder, 'file'), '')
    mkdirSync(join(folder, 'empty'))
    const refused = (path: string) => expect(readCifar10(join(folder, path))).rejects
    await refused('nowhere').toMatchObject({ code: 'ERR_FILE', message: expect.stringMatching(/nowhere/) })
    await refused('file').toMatchObject({ code: 'ERR_FILE', message: expect.stringMatching(/no folder/) })
    await refused('empty').toMatchObject({
      code: 'ERR_FILE',
      message: expect.stringMatching(/no CIFAR-10 in .*empty.*data_batch_1\.bin.*coppice data fetch/),
    })
  })

  it('names the files that are missing, truncated or corrupt', async () => {
    const folder = temporaryFolder()
    for (const name of Object.keys(CIFAR10_BINARY.files)) writeFileSync(join(folder, name), '')
    const first = join(folder, 'data_batch_1.bin')
    await expect(readCifar10(folder)).rejects.toThrow(
      /data_batch_1\.bin is truncated: 0 bytes instead of 30730000/,
    )
    truncateSync(first, 30_730_000)
    await expect(readCifar10(folder)).rejects.toThrow(
      /data_batch_1\.bin is corrupt: its MD5 is [0-9a-f]{32}, the official file's 5dd7e06a14cb22eb9f671a540d1b7c25/,
    )
    appendFileSync(first, 'x')
    await expect(readCifar10(folder)).rejects.toThrow(/data_batch_1\.bin is too long/)
    rmSync(first)
    rmSync(join(folder, 'test_batch.bin'))
    await expect(readCifar10(folder)).rejects.toThrow(/data_batch_1\.bin, test_batch\.bin .* are missing/)
  })

  it('refuses a pickle with another sum before it reads it, and one that holds something else', async () => {
    const folder = temporaryFolder()
    for (const name of Object.keys(CIFAR10_PYTHON.files)) writeFileSync(join(folder, name), pickle([1]))
    await expect(readCifar10(folder)).rejects.toThrow(/data_batch_1 is corrupt: its MD5/)
    const refused = async (content: Parameters<typeof pickle>[0], message: RegExp) => {
      const version = write(folder, CIFAR10_PYTHON, { data_batch_1: pickle(content), test_batch: pickle(0) })
      await expect(read(folder, [version])).rejects.toThrow(message)
    }
    await refused([1], /data_batch_1 is not a CIFAR-10 batch: it holds no dictionary/)
    await refused({ data: [1], labels: [1] }, /its "data" is not an array of 10000×3072/)
    const data = { rows: 10_000, columns: 3072, data: new Uint8Array(30_720_000) }
    await refused({ data, labels: [1] }, /its "labels" are not a list of 10000 classes/)
    await refused({ data, labels: new Array<number>(10_000).fill(10) }, /its "labels"/)
  })

  it.skipIf(missing !== '')(`reads official files${missing}`, async () => {
    const folder = temporaryFolder()
    const names = ['data_batch_1.bin', 'test_batch.bin']
    const sums = names.map((name) => {
      const command = `xz -dc ${join(archives, `${name}.xz`)} > ${join(folder, name)}`
      execFileSync('sh', ['-c', command])
      return [name, CIFAR10_BINARY.files[name]]
    })
    const version = { ...CIFAR10_BINARY, files: Object.fromEntries(sums) as CifarVersion['files'] }
    const { train, test } = await read(folder, [version])
    const perClass = (labels: Uint8Array) =>
      CIFAR10.classNames.map((_, label) => labels.filter((each) => each === label).length)
    // Widely printed in tutorials: the first image is a frog, and how often each class is in the first batch.
    expect(CIFAR10.classNames[train.labels[0] ?? 0]).toBe('frog')
    expect(perClass(train.labels)).toEqual([1005, 974, 1032, 1016, 999, 937, 1030, 1001, 1025, 981])
    expect(perClass(test.labels)).toEqual(new Array(10).fill(1000))
    // The pixels of that frog's upper left corner.
    expect([train.images[0], train.images[1024], train.images[2048]]).toEqual([59, 62, 63])
  })
})
