import { statSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { hash32 } from '../../lib/base/hash.js'
import { type FileTensor, readSafetensors, writeSafetensors } from '../../lib/files/safetensors.js'
import { readModel, writeModel } from '../../lib/models/modelFile.js'
import type { Network } from '../../lib/models/network.js'
import { pack, unpack } from '../../lib/models/packed.js'
import { networkSpec } from '../../lib/networks/index.js'
import { pruneMask } from '../../lib/pruning/mask.js'
import { temporaryFolder, tinySpec } from '../helpers.js'
import { sameBits, shaken } from './shaken.js'

const prunedState = async (network: Network, sparsity: number) => {
  const state = await network.read()
  const { mask } = await pruneMask({ ...state, structure: 'unstructured', sparsity })
  await network.write({ ...state, mask })
  return network.read()
}

describe('packed tensors', () => {
  it('come back with the same bits, whatever their length, −0 and denormals among them', () => {
    for (let length = 0; length < 40; length++) {
      const mask = Uint8Array.from({ length }, (_, place) => hash32(1, length, place) % 2)
      const values = Float32Array.from({ length }, (_, place) =>
        mask[place] === 0 ? 0 : ([-0, 1e-45, 0, 3.4e38, -1][hash32(2, length, place) % 5] ?? 0),
      )
      const packed = pack(values, mask)
      const [back, found] = [new Float32Array(length), new Uint8Array(length).fill(1)]
      expect(packed !== undefined && unpack(packed, back, found)).toBe(true)
      expect(sameBits(back, values)).toBe(true)
      expect(found).toEqual(mask)
    }
  })

  it('are not made where pruned weights are anything but 0', () => {
    expect(pack(Float32Array.of(1, 2), Uint8Array.of(1, 0))).toBeUndefined()
    expect(pack(Float32Array.of(1, -0), Uint8Array.of(1, 0))).toBeUndefined()
  })

  it('are refused where bits and values do not fit', () => {
    const read = (bits: number[], kept: number[]) =>
      unpack(
        { bits: Uint8Array.from(bits), kept: Float32Array.from(kept) },
        new Float32Array(3),
        new Uint8Array(3).fill(1),
      )
    expect(read([0b101], [1, 2])).toBe(true)
    expect(read([0b101], [1])).toBe(false)
    expect(read([0b101], [1, 2, 3])).toBe(false)
    expect(read([0b1101], [1, 2, 3])).toBe(false)
    expect(read([], [])).toBe(false)
    expect(read([0b101, 0], [1, 2])).toBe(false)
  })
})

describe('model files', () => {
  it('of networks pruned by 90 % take less than a fifth of the dense ones', async () => {
    const folder = temporaryFolder()
    const network = await shaken(networkSpec('cifarLarge', { scale: 0.5 }))
    await network.save(join(folder, 'dense.safetensors'))
    const state = await prunedState(network, 0.9)
    const path = join(folder, 'pruned.safetensors')
    await network.save(path)
    const ratio = statSync(path).size / statSync(join(folder, 'dense.safetensors')).size
    expect(ratio).toBeLessThan(0.14)
    const back = await readModel(path)
    expect(sameBits(back.parameters, state.parameters)).toBe(true)
    expect(Buffer.from(back.mask).equals(Buffer.from(state.mask))).toBe(true)
  })

  it('keep what lies under a mask, if it is not 0', async () => {
    const state = await prunedState(await shaken(tinySpec(), 'float64'), 0.5)
    const place = state.mask.indexOf(0)
    state.parameters[place] = -0
    const path = join(temporaryFolder(), 'model.safetensors')
    await writeModel(path, state)
    const back = await readModel(path)
    expect(sameBits(back.parameters, state.parameters)).toBe(true)
    expect(back.mask).toEqual(state.mask)
  })

  /** The model's file with its pruned tensors whole, and their masks beside them: as older versions wrote them. */
  const writeOld = async (path: string, change: (tensors: Map<string, FileTensor>) => void = () => {}) => {
    const state = await prunedState(await shaken(tinySpec()), 0.5)
    await writeModel(path, state)
    const { metadata, tensors } = await readSafetensors(path)
    for (const { name, shape, offset, size } of state.layout) {
      const bits = tensors.delete(`${name}.bits`)
      if (!bits || !tensors.delete(`${name}.kept`)) continue
      tensors.set(name, { dtype: 'F32', shape, data: state.parameters.slice(offset, offset + size) })
      tensors.set(`${name}.mask`, { dtype: 'U8', shape, data: state.mask.slice(offset, offset + size) })
    }
    change(tensors)
    await writeSafetensors(path, {
      metadata,
      tensors: [...tensors].map(([name, tensor]) => ({ name, ...tensor })),
    })
    return state
  }

  it('of older versions are read', async () => {
    const path = join(temporaryFolder(), 'old.safetensors')
    const state = await writeOld(path)
    const back = await readModel(path)
    expect(back.parameters).toEqual(state.parameters)
    expect(back.mask).toEqual(state.mask)
  })

  it.each<[string, Record<string, FileTensor>, RegExp]>([
    [
      'more values than weights',
      {
        'fc2.weight.bits': { dtype: 'U8', shape: [6], data: new Uint8Array(6) },
        'fc2.weight.kept': { dtype: 'F32', shape: [49], data: new Float32Array(49) },
      },
      /"fc2.weight.kept" is F32 \[49\] where the spec needs F32 \[48\]/,
    ],
    [
      'too few bits',
      {
        'fc2.weight.bits': { dtype: 'U8', shape: [5], data: new Uint8Array(5) },
        'fc2.weight.kept': { dtype: 'F32', shape: [0], data: new Float32Array(0) },
      },
      /"fc2.weight.bits" is U8 \[5\] where the spec needs U8 \[6\]/,
    ],
    [
      'other bits than values',
      {
        'fc2.weight.bits': { dtype: 'U8', shape: [6], data: Uint8Array.of(1, 0, 0, 0, 0, 0) },
        'fc2.weight.kept': { dtype: 'F32', shape: [2], data: new Float32Array(2) },
      },
      /the bits of tensor "fc2.weight" do not fit its values/,
    ],
    [
      'values without bits',
      { 'fc2.weight.kept': { dtype: 'F32', shape: [2], data: new Float32Array(2) } },
      /lacks the tensor "fc2.weight"/,
    ],
  ])('with %s are refused in one line', async (_, made, message) => {
    const path = join(temporaryFolder(), 'made.safetensors')
    await writeOld(path, (tensors) => {
      tensors.delete('fc2.weight')
      tensors.delete('fc2.weight.mask')
      for (const [name, tensor] of Object.entries(made)) tensors.set(name, tensor)
    })
    await expect(readModel(path)).rejects.toMatchObject({
      code: 'ERR_FILE',
      message: expect.stringMatching(message),
    })
  })
})
