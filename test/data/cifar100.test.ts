import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { hash32 } from '../../lib/base/hash.js'
import { readCifar } from '../../lib/data/cifar.js'
import { cifar100Of } from '../../lib/data/cifar100.js'
import { dataSet } from '../../lib/data/index.js'
import { namedImages } from '../../lib/data/named.js'
import { namedData } from '../../lib/data/sets.js'
import { pickle } from '../files/pickles.js'
import { temporaryFolder } from '../helpers.js'

const RECORD = 2 + 3072

/** Records as the official files have them: the coarse label, the fine one, then 3,072 pixels. */
const records = (count: number, seed: number): Uint8Array<ArrayBuffer> => {
  const bytes = new Uint8Array(count * RECORD)
  for (let index = 0; index < count; index++) {
    bytes[index * RECORD] = hash32(seed, index, 0) % 20
    bytes[index * RECORD + 1] = hash32(seed, index, 1) % 100
    bytes.fill(hash32(seed, index, 2) % 256, index * RECORD + 2, (index + 1) * RECORD)
  }
  return bytes
}

const column = (bytes: Uint8Array, place: number): number[] =>
  Array.from({ length: bytes.length / RECORD }, (_, index) => bytes[index * RECORD + place] ?? -1)

const pixels = (bytes: Uint8Array): Uint8Array =>
  Buffer.concat(
    Array.from({ length: bytes.length / RECORD }, (_, index) =>
      bytes.subarray(index * RECORD + 2, (index + 1) * RECORD),
    ),
  )

describe('CIFAR-100, on an archive as large as the official one', () => {
  const folder = temporaryFolder('file')
  const [train, test] = [records(50_000, 1), records(10_000, 2)]
  beforeAll(() => {
    mkdirSync(join(folder, 'cifar-100-binary'))
    writeFileSync(join(folder, 'cifar-100-binary', 'train.bin'), train)
    writeFileSync(join(folder, 'cifar-100-binary', 'test.bin'), test)
  })

  it('is found by its files, in the folder or in the one around it', () => {
    expect(namedData(folder)).toEqual({ set: 'cifar100', folder })
    expect(namedData(join(folder, 'cifar-100-binary'))).toMatchObject({ set: 'cifar100' })
  })

  it('has the fine labels for classes, and its own mean and deviation', async () => {
    const [first, second] = await namedImages(folder)
    expect(first).toMatchObject({ name: 'cifar100 train', shape: [3, 32, 32], classes: 100 })
    expect(first?.normalize).toEqual({ mean: [0.5071, 0.4865, 0.4409], std: [0.2673, 0.2564, 0.2762] })
    expect([...(first?.labels ?? [])]).toEqual(column(train, 1))
    expect([...(second?.labels ?? [])]).toEqual(column(test, 1))
    expect(Buffer.compare(first?.images ?? new Uint8Array(0), pixels(train))).toBe(0)
    expect(Buffer.compare(second?.images ?? new Uint8Array(0), pixels(test))).toBe(0)
  })

  it('comes to a device as a recipe names it, with coarse labels too', async () => {
    const data = { set: 'cifar100', folder, labels: 'coarse', train: 30, test: 20, validation: 5 }
    const splits = await dataSet(data)
    expect([splits.train.length, splits.validation.length, splits.test.length]).toEqual([30, 5, 20])
    expect([...splits.test.labels]).toEqual(column(test, 0).slice(0, 20))
    expect(splits.train).toMatchObject({ classes: 20, augment: 'standard' })
    expect(splits.train.classNames.at(-1)).toBe('vehicles_2')
    splits.train.dispose()
    splits.test.dispose()
    await expect(dataSet({ ...data, labels: 'course' })).rejects.toThrow(
      /data\.labels.*did you mean "coarse"/,
    )
  })
})

describe('CIFAR-100', () => {
  it('has a hundred fine classes in alphabetical order, and twenty coarse ones', () => {
    const fine = cifar100Of('fine').classNames
    expect(new Set(fine).size).toBe(100)
    expect([...fine].sort()).toEqual(fine)
    // As tutorials print them.
    expect([fine[0], fine[19], fine[99]]).toEqual(['apple', 'cattle', 'worm'])
    expect(new Set(cifar100Of('coarse').classNames).size).toBe(20)
  })

  it('reads records and pickles to the same images', async () => {
    const folder = temporaryFolder()
    const [train, test] = [records(12, 3), records(7, 4)]
    for (const [name, bytes] of Object.entries({ train, test })) {
      writeFileSync(join(folder, `${name}.bin`), bytes)
      const data = { rows: bytes.length / RECORD, columns: 3072, data: pixels(bytes) }
      const python = pickle({ fine_labels: column(bytes, 1), coarse_labels: column(bytes, 0), data })
      writeFileSync(join(folder, name), python)
    }
    for (const labels of ['fine', 'coarse'] as const) {
      const set = cifar100Of(labels)
      const [binary, python] = set.versions.map(({ files, ...rest }) => {
        const [first = '', second = ''] = Object.keys(files)
        return { ...rest, files: { [first]: { images: 12 }, [second]: { images: 7 } } }
      })
      const read = (version: typeof binary) =>
        readCifar({ ...set, versions: version === undefined ? [] : [version] }, folder)
      expect(await read(python)).toEqual(await read(binary))
      expect([...(await read(binary)).train.labels]).toEqual(column(train, labels === 'fine' ? 1 : 0))
    }
  })

  it('names a file that is truncated, holds another label, or is not the official one', async () => {
    const folder = temporaryFolder()
    const set = cifar100Of('fine')
    const small = set.versions.map((version) => ({
      ...version,
      files: {
        [Object.keys(version.files)[0] ?? '']: { images: 2 },
        [Object.keys(version.files)[1] ?? '']: { images: 1 },
      },
    }))
    const bytes = records(2, 5)
    writeFileSync(join(folder, 'train.bin'), bytes.subarray(1))
    writeFileSync(join(folder, 'test.bin'), records(1, 6))
    const read = () => readCifar({ ...set, versions: small }, folder)
    await expect(read()).rejects.toThrow(/train\.bin is truncated: 6147 bytes instead of 6148/)
    bytes[RECORD + 1] = 100
    writeFileSync(join(folder, 'train.bin'), bytes)
    await expect(read()).rejects.toThrow(/train\.bin is not of CIFAR-100: the label of image 1 is 100/)
    const python = temporaryFolder()
    for (const name of ['train', 'test']) writeFileSync(join(python, name), pickle([1]))
    await expect(readCifar(set, python)).rejects.toThrow(/train is corrupt.*16019d7e3df5f24257cddd939b257f8d/)
  })
})
