import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import type { NativeDataset } from '../../bindings/native.js'
import { Dataset } from '../../lib/data/dataset.js'
import { labelledImages } from '../../lib/data/images.js'
import { imageSet } from '../../lib/data/index.js'

const images = (count: number, name = 'things') =>
  labelledImages({
    name,
    images: Uint8Array.from({ length: count * 4 }, (_, index) => index % 251),
    labels: Uint8Array.from({ length: count }, (_, index) => index % 3),
    shape: [1, 2, 2],
  })

/** A handle that only remembers whether it was disposed. */
const handle = (length: number): NativeDataset => {
  let disposed = false
  return {
    device: 'cpu',
    length,
    shape: [1, 2, 2],
    get disposed() {
      return disposed
    },
    dispose: () => {
      disposed = true
    },
  }
}

const dataset = (count = 20) => Dataset.over(handle(count), images(count))

describe('a data set', () => {
  it('tells its facts', () => {
    const all = dataset()
    expect(all).toMatchObject({ name: 'things', length: 20, shape: [1, 2, 2], classes: 3, device: 'cpu' })
    expect(all.labels.subarray(0, 4)).toEqual(Uint8Array.of(0, 1, 2, 0))
    expect(inspect(all)).toBe('Dataset "things" { 20 images of 1×2×2, 3 classes, cpu: 0 7, 1 7, 2 6 }')
  })

  it('gives views by place, in the order asked for, that keep the global indices', () => {
    const view = dataset().subset([5, 3, 19]).take(2)
    expect(view.indices).toEqual(Uint32Array.of(5, 3))
    expect(view.labels).toEqual(Uint8Array.of(2, 0))
    expect(view.subset([1]).indices).toEqual(Uint32Array.of(3))
  })

  it('splits into parts that are disjoint, cover it, and are the same for the same seed', () => {
    const { train, validation } = dataset().split({ validation: 6, seed: 4 })
    expect([train.length, validation.length]).toEqual([14, 6])
    expect(new Set([...train.indices, ...validation.indices]).size).toBe(20)
    expect(train.indices).toEqual(train.indices.toSorted())
    expect(dataset().split({ validation: 6, seed: 4 }).validation.indices).toEqual(validation.indices)
    expect(dataset().split({ validation: 6, seed: 5 }).validation.indices).not.toEqual(validation.indices)
  })

  it('refuses counts and places that are not there, and a split that leaves nothing', () => {
    expect(() => dataset().take(21)).toThrow('take: asks for 21 of the 20 images of data set "things"')
    expect(() => dataset().take(1.5)).toThrow(/take/)
    expect(() => dataset().subset([20])).toThrow(/subset: data set "things" has no image 20/)
    expect(() => dataset().subset([-1])).toThrow(/no image -1/)
    expect(() => dataset().split({ validation: 20 })).toThrow(/leave no others/)
    expect(() => dataset().split({ validation: -1 })).toThrow(/split: asks for -1/)
  })

  it('has a fingerprint of what it holds, whatever its name', () => {
    const all = dataset()
    const renamed = Dataset.over(handle(20), images(20, 'others'))
    expect(renamed.fingerprint).toBe(all.fingerprint)
    expect(all.take(20).fingerprint).toBe(all.fingerprint)
    expect(all.take(19).fingerprint).not.toBe(all.fingerprint)
    expect(all.subset([1, 0]).fingerprint).not.toBe(all.subset([0, 1]).fingerprint)
  })

  it('is disposed with all its views, twice without harm, and then says so', () => {
    const all = dataset()
    const view = all.take(3)
    view.dispose()
    all[Symbol.dispose]()
    expect([all.disposed, view.disposed]).toEqual([true, true])
    expect(() => all.handle).toThrow(expect.objectContaining({ code: 'ERR_DISPOSED' }))
    expect(inspect(all)).toContain('disposed')
  })

  it('lives on the device it is created on', async () => {
    const all = await imageSet({ images: new Uint8Array(24), labels: [0, 1], shape: [3, 2, 2] })
    expect(all).toMatchObject({ device: 'cpu', length: 2 })
    expect(all.handle).toMatchObject({ length: 2, shape: [3, 2, 2] })
    all.dispose()
    expect(all.disposed).toBe(true)
  })

  it('is refused by a device that is not there', async () => {
    const options = { device: 'cuda:99' } as const
    await expect(Dataset.create(images(3), options)).rejects.toMatchObject({ code: 'ERR_DEVICE' })
  })
})
