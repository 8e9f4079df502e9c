import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { hash32 } from '../../../lib/base/hash.js'
import { readSafetensors } from '../../../lib/files/safetensors.js'
import { exportTorch } from '../../../lib/formats/torch/export.js'
import { readTorchModel } from '../../../lib/formats/torch/import.js'
import { torchModule } from '../../../lib/formats/torch/module.js'
import type { Network } from '../../../lib/models/network.js'
import { networkNames, networkSpec } from '../../../lib/networks/index.js'
import { temporaryFolder } from '../../helpers.js'
import { sameBits, shaken } from '../../models/shaken.js'
import { everyOperation } from '../../parity/everyOperation.js'
import { pythonWithTorch } from '../../parity/pytorch.js'

const half = (network: Network) =>
  network.read().then((state) => network.write({ ...state, mask: state.mask.map((_, place) => place % 2) }))

describe('state dicts', () => {
  it('give a network back with the same bits', async () => {
    const network = await shaken(everyOperation)
    const path = join(temporaryFolder(), 'network.pth')
    await exportTorch(network, path)
    const state = await network.read()
    const { model, matchedBy, tensors } = await readTorchModel(path, everyOperation)
    expect(matchedBy).toBe('name')
    expect(sameBits(model.parameters, state.parameters)).toBe(true)
    expect(sameBits(model.buffers, state.buffers)).toBe(true)
    expect(
      tensors.filter(({ target }) => target === null).map(({ name, type, shape }) => [name, type, shape]),
    ).toEqual(['bn1', 'bn2', 'bn3'].map((name) => [`${name}.num_batches_tracked`, 'int64', []]))
  })

  it('have zeros where weights are pruned, and the masks apart', async () => {
    const network = await shaken(everyOperation)
    await half(network)
    const folder = temporaryFolder()
    const [path, masks] = [join(folder, 'network.safetensors'), join(folder, 'masks.safetensors')]
    await exportTorch(network, path, { masks })
    const { metadata, tensors } = await readSafetensors(path)
    expect(metadata).toEqual({ format: 'pt' })
    expect([...tensors.keys()].some((name) => name.endsWith('.mask'))).toBe(false)
    const weight = tensors.get('fc2.weight')?.data ?? []
    const mask = (await readSafetensors(masks)).tensors.get('fc2.weight')?.data ?? []
    expect(mask.length).toBe(160)
    expect(Array.from(weight as Float32Array, (value) => Number(value !== 0))).toEqual(
      Array.from(mask as Uint8Array),
    )
  })

  it('are written for three endings alone', async () => {
    const network = await shaken(everyOperation)
    await expect(exportTorch(network, 'x.bin')).rejects.toThrow(
      /ends in .pth, .pt, .safetensors, received "x.bin"/,
    )
    await expect(exportTorch(network, 'x.pth', { masks: 'x' })).rejects.toThrow(/received "x"/)
  })
})

const python = pythonWithTorch()
describe.runIf(python !== undefined)('PyTorch', () => {
  const names = [...networkNames.filter((name) => !name.startsWith('wide')), 'wideResNet-10-1']
  it.each([
    ...names.map((name) => [name, networkSpec(name, { scale: 0.125 }), 'pth', 'float32'] as const),
    ['everyOperation', everyOperation, 'safetensors', 'float32'] as const,
    ['everyOperation', everyOperation, 'pth', 'float64'] as const,
  ])('loads %s strictly, and computes the same logits', async (_, spec, ending, type) => {
    const folder = temporaryFolder()
    const file = (name: string) => join(folder, name)
    const network = await shaken(spec, type)
    const pixels = spec.input.reduce((product, size) => product * size, 20)
    const images = Float32Array.from({ length: pixels }, (_, index) => (hash32(5, index) % 256) / 255)
    writeFileSync(file('module.py'), torchModule(spec))
    writeFileSync(file('images'), images)
    await exportTorch(network, file(`state.${ending}`))
    const script = join(__dirname, '../../../bench/formats/state.py')
    const args = [
      file('module.py'),
      file(`state.${ending}`),
      file('images'),
      spec.input.join(),
      file('logits'),
    ]
    execFileSync(python ?? '', [script, ...args])
    const there = new Float32Array(Uint8Array.from(readFileSync(file('logits'))).buffer)
    const here = await network.logits(type === 'float64' ? Float64Array.from(images) : images)
    expect(there.length).toBe(here.length)
    expect(Math.max(...there.map((logit, place) => Math.abs(logit - (here[place] ?? 9))))).toBeLessThan(1e-5)
    const back = await readTorchModel(file('logits.pth'), spec, { type })
    expect(sameBits(back.model.parameters, (await network.read()).parameters)).toBe(true)
  })
})
