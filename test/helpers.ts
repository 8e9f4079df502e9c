/** What tests share: folders that vanish, a tiny network, tiny data. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, onTestFinished } from 'vitest'
import { hash32 } from '../lib/base/hash.js'
import { Dataset } from '../lib/data/dataset.js'
import { labelledImages } from '../lib/data/images.js'
import { parseSpec } from '../lib/networks/parse.js'
import type { NetworkSpec } from '../lib/networks/spec.js'

/** A folder that is removed when the running test, or all tests of the file, have ended. */
export const temporaryFolder = (lifetime: 'test' | 'file' = 'test'): string => {
  const folder = mkdtempSync(join(tmpdir(), 'coppice-test-'))
  const remove = () => rmSync(folder, { recursive: true, force: true })
  if (lifetime === 'test') onTestFinished(remove)
  else afterAll(remove)
  return folder
}

/** A network of a few hundred weights with a convolution, batch norm and two linear layers, for 3×8×8 images. */
export const tinySpec = (name = 'tiny'): NetworkSpec =>
  parseSpec({
    name,
    input: [3, 8, 8],
    nodes: [
      { op: 'conv2d', name: 'conv', channels: 6, kernel: 3, padding: 1, stride: 2 },
      { op: 'batchNorm2d', name: 'norm' },
      { op: 'relu', name: 'relu' },
      { op: 'flatten', name: 'flatten' },
      { op: 'linear', name: 'fc1', features: 12 },
      { op: 'relu', name: 'relu1' },
      { op: 'linear', name: 'fc2', features: 4 },
    ],
  })

/** Images of 3×8×8 whose class, of four, is the bright quarter; noise makes some of them hard. */
export const tinyImages = (count: number, seed = 0): Promise<Dataset> => {
  const images = new Uint8Array(count * 192)
  const labels = Uint8Array.from({ length: count }, (_, index) => hash32(seed, index) % 4)
  images.forEach((_, place) => {
    const [index, pixel] = [Math.floor(place / 192), place % 64]
    const quarter = (pixel % 8 >= 4 ? 1 : 0) + (pixel >= 32 ? 2 : 0)
    const bright = quarter === labels[index] ? 70 : 0
    images[place] = bright + (hash32(seed, index, place % 192, 1) % 150)
  })
  return Dataset.create(labelledImages({ name: 'tiny', images, labels, shape: [3, 8, 8], classes: 4 }))
}
