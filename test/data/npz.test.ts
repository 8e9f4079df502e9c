import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type ZipOptions, zipSync } from 'fflate'
import { describe, expect, it } from 'vitest'
import { hash32 } from '../../lib/base/hash.js'
import { labelledImages } from '../../lib/data/images.js'
import { imageSet } from '../../lib/data/index.js'
import { readNpz } from '../../lib/data/npz.js'
import { writeNpz } from '../../lib/data/writeNpz.js'
import { temporaryFolder } from '../helpers.js'

interface Npy {
  descr: string
  shape: number[]
  data: ArrayBufferView
  fortran?: boolean
  version?: 1 | 2
}

/** An array as numpy.lib.format writes it. */
const npy = ({ descr, shape, data, fortran = false, version = 1 }: Npy): Uint8Array => {
  const sizes = shape.length === 1 ? `${shape[0]},` : shape.join(', ')
  const text = `{'descr': '${descr}', 'fortran_order': ${fortran ? 'True' : 'False'}, 'shape': (${sizes}), }`
  const start = version === 1 ? 10 : 12
  const header = Buffer.from(
    `${text.padEnd(Math.ceil((start + text.length + 1) / 64) * 64 - start - 1)}\n`,
    'latin1',
  )
  const length = version === 1 ? Buffer.alloc(2) : Buffer.alloc(4)
  if (version === 1) length.writeUInt16LE(header.length)
  else length.writeUInt32LE(header.length)
  const content = Buffer.from(data.buffer, data.byteOffset, data.byteLength)
  return Buffer.concat([
    Buffer.from('\x93NUMPY', 'latin1'),
    Uint8Array.of(version, 0),
    length,
    header,
    content,
  ])
}

const save = (arrays: Record<string, Uint8Array>, options: ZipOptions = {}): string => {
  const file = join(temporaryFolder(), 'set.npz')
  const entries = Object.entries(arrays).map(([name, bytes]) => [`${name}.npy`, bytes])
  writeFileSync(file, zipSync(Object.fromEntries(entries), options))
  return file
}

const pixels = Uint8Array.from({ length: 2 * 3 * 4 * 5 }, (_, index) => index)
const images = npy({ descr: '|u1', shape: [2, 3, 4, 5], data: pixels })
const labels = npy({ descr: '<i8', shape: [2], data: BigInt64Array.of(3n, 1n) })

describe('readNpz', () => {
  it.each([
    ['deflated', { level: 6 }],
    ['stored', { level: 0 }],
  ] as const)('reads %s arrays', async (_, options) => {
    const set = await readNpz(save({ images, labels }, options))
    expect(set).toMatchObject({ name: 'set', shape: [3, 4, 5], classes: 4, labels: Uint8Array.of(3, 1) })
    expect(set.images).toEqual(pixels)
  })

  it('puts channels first where they come last', async () => {
    const last = npy({ descr: '|u1', shape: [2, 5, 4, 3], data: pixels, version: 2 })
    const set = await readNpz(save({ images: last, labels }))
    expect(set.shape).toEqual([3, 5, 4])
    // Pixel (y, x) of channel c of image i was at ((i·5 + y)·4 + x)·3 + c.
    expect(set.images[((1 * 3 + 2) * 5 + 3) * 4 + 1]).toBe(((1 * 5 + 3) * 4 + 1) * 3 + 2)
  })

  it.each<[string, Npy]>([
    ['uint8', { descr: '|u1', shape: [2], data: Uint8Array.of(3, 1) }],
    ['int32', { descr: '<i4', shape: [2], data: Int32Array.of(3, 1) }],
    ['uint16', { descr: '<u2', shape: [2], data: Uint16Array.of(3, 1) }],
  ])('takes labels of type %s', async (_, array) => {
    expect((await readNpz(save({ images, labels: npy(array) }))).labels).toEqual(Uint8Array.of(3, 1))
  })

  it('reads what writeNpz wrote', async () => {
    const file = join(temporaryFolder(), 'set.npz')
    const set = labelledImages({ name: 'set', images: pixels, labels: [3, 1], shape: [3, 4, 5] })
    await writeNpz(file, set)
    expect(await readNpz(file)).toEqual(set)
  })

  it.each<[string, Record<string, Uint8Array>, RegExp]>([
    ['no images', { labels }, /set\.npz: holds no array 'images'; it has labels\.npy/],
    ['no labels', { images }, /holds no array 'labels'/],
    ['something else', { images: Buffer.from('hello, numpy'), labels }, /'images' is not in numpy format/],
    ['floats', { images: npy({ descr: '<f4', shape: [1], data: Float32Array.of(1) }), labels }, /type '<f4'/],
    [
      'a flat array',
      { images: npy({ descr: '|u1', shape: [120], data: pixels }), labels },
      /4 dimensions, not 1/,
    ],
    [
      'Fortran order',
      { images: npy({ descr: '|u1', shape: [2, 3, 4, 5], data: pixels, fortran: true }), labels },
      /Fortran order/,
    ],
    [
      'a truncated array',
      { images: images.subarray(0, images.length - 1), labels },
      /has 119 bytes where .* needs 120/,
    ],
    [
      'too few labels',
      { images, labels: npy({ descr: '|u1', shape: [1], data: Uint8Array.of(1) }) },
      /one label for each of 2 images/,
    ],
  ])('refuses %s', async (_, arrays, message) => {
    const failure = expect(readNpz(save(arrays))).rejects
    await failure.toMatchObject({ code: 'ERR_FILE', message: expect.stringMatching(message) })
  })

  it('names a file that is missing or no archive', async () => {
    const file = join(temporaryFolder(), 'broken.npz')
    await expect(readNpz(file)).rejects.toThrow(/broken\.npz: there is no such file/)
    writeFileSync(file, 'PK, but not really')
    await expect(imageSet(file)).rejects.toThrow(/broken\.npz: not a readable \.npz archive/)
  })

  it.each([0, 6] as const)('refuses pixels that changed on the disk (level %d)', async (level) => {
    const random = Uint8Array.from({ length: 600 * 3 * 4 * 5 }, (_, index) => hash32(index))
    const many = npy({ descr: '|u1', shape: [600, 3, 4, 5], data: random })
    const file = save(
      { images: many, labels: npy({ descr: '|u1', shape: [600], data: new Uint8Array(600) }) },
      { level },
    )
    await readNpz(file)
    const bytes = readFileSync(file)
    bytes[5000] = (bytes[5000] ?? 0) ^ 1
    writeFileSync(file, bytes)
    await expect(readNpz(file)).rejects.toMatchObject({
      code: 'ERR_FILE',
      message: expect.stringMatching(/set\.npz: (array 'images' is corrupt|not a readable)/),
    })
  })

  it('names a label that is negative', async () => {
    const wrong = npy({ descr: '<i8', shape: [2], data: BigInt64Array.of(3n, -1n) })
    await expect(readNpz(save({ images, labels: wrong }))).rejects.toThrow(/label -1 of image 1/)
  })
})
