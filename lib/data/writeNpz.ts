/** Labelled images as an .npz file, which numpy and `readNpz` read: `images` [n, channels, height, width], `labels`. */
import { zipSync } from 'fflate'
import { replaceFile } from '../files/replaceFile.js'
import type { LabelledImages } from './images.js'

/** Writes `file` atomically. @throws CoppiceError `ERR_FILE` where the file system refuses */
export async function writeNpz(file: string, images: LabelledImages): Promise<void> {
  const shape = [images.labels.length, ...images.shape]
  const entries = {
    'images.npy': npy(images.images, shape),
    'labels.npy': npy(images.labels, [images.labels.length]),
  }
  // Fixed, so that the same images are the same bytes; zip knows no time before 1980.
  const bytes = zipSync(entries, { level: 1, mtime: '1980-01-01T12:00:00' })
  await replaceFile(file, async (handle) => {
    await handle.writeFile(bytes)
  })
}

/** Bytes in numpy's format 1.0: a header padded to a multiple of 64, then the elements in C order. */
const npy = (data: Uint8Array, shape: readonly number[]): Uint8Array => {
  const sizes = shape.length === 1 ? `${shape[0]},` : shape.join(', ')
  const dictionary = `{'descr': '|u1', 'fortran_order': False, 'shape': (${sizes}), }`
  const start = 10
  const length = Math.ceil((start + dictionary.length + 1) / 64) * 64
  const bytes = new Uint8Array(length + data.length)
  bytes.set([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0, (length - start) & 0xff, (length - start) >> 8])
  bytes.set(new TextEncoder().encode(`${dictionary.padEnd(length - start - 1)}\n`), start)
  bytes.set(data, length)
  return bytes
}
