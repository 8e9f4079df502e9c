import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import { exportTorch } from '../../../lib/formats/torch/export.js'
import { readTorchModel } from '../../../lib/formats/torch/import.js'
import { networkSpec } from '../../../lib/networks/index.js'
import { type NetworkSpecInput, parseSpec } from '../../../lib/networks/parse.js'
import type { ImageShape, NetworkSpec } from '../../../lib/networks/spec.js'
import { temporaryFolder } from '../../helpers.js'
import { sameBits, shaken } from '../../models/shaken.js'
import { bytesOf, dictionary, type Piece, storage, tensor, zipFile } from './torchFiles.js'

/** What a guess can know: neither the start of weights nor how nodes without weights are called. */
const bare = ({ nodes }: NetworkSpec) =>
  nodes.map((node) => {
    const { name, inputs, ...rest } = { ...node, ...('init' in node && { init: 'torch' }) }
    return rest
  })

const guessed = async (spec: NetworkSpec, input?: ImageShape) => {
  const path = join(temporaryFolder(), 'saved.pth')
  const network = await shaken(spec)
  await exportTorch(network, path)
  const { model } = await readTorchModel(path, undefined, input === undefined ? {} : { input })
  expect(sameBits(model.parameters, (await network.read()).parameters)).toBe(true)
  return model.spec
}

const conv = (name: string, channels: number, rest = {}) =>
  ({ op: 'conv2d', name, channels, kernel: 3, padding: 1, ...rest }) as const

const sequential = (nodes: NetworkSpecInput['nodes'], input: ImageShape = [3, 32, 32]) =>
  parseSpec({ name: 'saved', input, nodes })

describe('a guessed network', () => {
  it('has ReLUs and max pools where nn.Sequential counts modules without weights', async () => {
    const spec = sequential([
      conv('0', 8, { bias: false }),
      { op: 'batchNorm2d', name: '1' },
      { op: 'relu', name: 'a' },
      { op: 'maxPool2d', name: 'b', kernel: 2 },
      conv('4', 16),
      { op: 'relu', name: 'c' },
      { op: 'maxPool2d', name: 'd', kernel: 2 },
      { op: 'flatten', name: 'e' },
      { op: 'linear', name: '8', features: 32 },
      { op: 'relu', name: 'f' },
      { op: 'linear', name: '10', features: 10 },
    ])
    const guess = await guessed(spec)
    expect(bare(guess)).toEqual(bare(spec))
    expect(guess.name).toBe('saved')
  })

  it('has strides and paddings with which the maps fit', async () => {
    for (const padding of [1, 0]) {
      const spec = sequential([
        conv('0', 8, { kernel: 4, stride: 2, padding }),
        { op: 'relu', name: 'a' },
        conv('2', 16, { kernel: 4, stride: 2, padding }),
        { op: 'relu', name: 'b' },
        { op: 'flatten', name: 'c' },
        { op: 'linear', name: '5', features: 10 },
      ])
      expect(bare(await guessed(spec))).toEqual(bare(spec))
    }
  })

  it('may be linear, may end in a global average, may read other images', async () => {
    const flat = sequential(
      [
        { op: 'flatten', name: 'a' },
        { op: 'linear', name: 'fc1', features: 20 },
        { op: 'relu', name: 'b' },
        { op: 'linear', name: 'fc2', features: 10, bias: false },
      ],
      [1, 28, 28],
    )
    expect(await guessed(flat)).toMatchObject({ input: [1, 28, 28] })
    const small = sequential(
      [
        conv('conv1', 4),
        { op: 'relu', name: 'a' },
        conv('conv2', 10, { kernel: 1, padding: 0 }),
        { op: 'averagePool2d', name: 'b', kernel: 8 },
        { op: 'flatten', name: 'c' },
      ],
      [2, 8, 8],
    )
    expect(bare(await guessed(small, [2, 8, 8]))).toEqual(bare(small))
  })

  it('is not made of blocks, nor of what does not fit', async () => {
    const path = join(temporaryFolder(), 'saved.pth')
    await exportTorch(await shaken(networkSpec('resNet18', { scale: 0.1 })), path)
    await expect(readTorchModel(path)).rejects.toThrow(/"layer1.0.conv1" is inside a block/)
    await exportTorch(await shaken(networkSpec('vgg16', { scale: 0.1 })), path)
    await expect(readTorchModel(path, undefined, { input: [3, 31, 31] })).rejects.toThrow(
      /fit no plain network/,
    )
  })

  const published = resolve('../shared/data/verify')
  it.runIf(existsSync(published))('is what two published networks are', async () => {
    for (const name of ['oval_base', 'cifar_conv_small_pgd']) {
      const text = readFileSync(join(__dirname, `../../fixtures/${name}.spec.json`), 'utf8')
      const spec = parseSpec(JSON.parse(text))
      const { model } = await readTorchModel(join(published, `${name}.pth`))
      const known = bare(spec).filter(({ op }) => op !== 'normalize')
      expect(bare(model.spec)).toEqual(known)
    }
  })
})

describe("HYDRA's checkpoints", () => {
  const spec = sequential(
    [
      { op: 'flatten', name: 'flatten' },
      { op: 'linear', name: 'fc', features: 2, bias: false },
    ],
    [1, 1, 5],
  )
  const write = (tensors: Record<string, Float32Array>): string => {
    const path = join(temporaryFolder(), 'hydra.pth.tar')
    const entries = Object.entries(tensors).map(([name, values], key): [string, Piece] => [
      name,
      tensor(
        storage({ length: values.length, key: `${key}` }),
        [2, values.length / 2],
        [values.length / 2, 1],
      ),
    ])
    const storages = Object.fromEntries(
      Object.values(tensors).map((values, key) => [`${key}`, bytesOf(values)] as const),
    )
    writeFileSync(
      path,
      zipFile(dictionary({ state_dict: dictionary(Object.fromEntries(entries)) }), storages),
    )
    return path
  }
  const weight = Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9, 10)
  const scores = Float32Array.of(0.1, -0.9, 0.2, 0.8, -0.3, 0.7, 0.4, -0.6, 0.5, 0.05)

  it('are pruned by their scores', async () => {
    const path = write({ 'module.fc.weight': weight, 'module.fc.popup_scores': scores })
    const { model, tensors } = await readTorchModel(path, spec, { keep: 0.3 })
    expect(Array.from(model.mask)).toEqual([0, 1, 0, 1, 0, 1, 0, 0, 0, 0])
    expect(Array.from(model.parameters)).toEqual([0, 2, 0, 4, 0, 6, 0, 0, 0, 0])
    expect(tensors.map(({ name, target }) => [name, target])).toEqual([
      ['fc.weight', 'fc.weight'],
      ['fc.popup_scores', 'fc.weight.mask'],
    ])
    const whole = await readTorchModel(path, spec, { keep: 1 })
    expect(whole.model.mask.every((flag) => flag === 1)).toBe(true)
  })

  it('prune the first of equal scores', async () => {
    const path = write({ 'fc.weight': weight, 'fc.popup_scores': scores.map(() => 1) })
    const { model } = await readTorchModel(path, spec, { keep: 0.6 })
    expect(Array.from(model.mask)).toEqual([0, 0, 0, 0, 1, 1, 1, 1, 1, 1])
  })

  it('do not say how much is kept, so it must be said', async () => {
    const path = write({ 'fc.weight': weight, 'fc.popup_scores': scores })
    await expect(readTorchModel(path, spec)).rejects.toThrow(/scores.*--keep, such as 0.1/)
    const plain = write({ 'fc.weight': weight })
    await expect(readTorchModel(plain, spec, { keep: 0.1 })).rejects.toThrow(/no scores of HYDRA's/)
    await expect(readTorchModel(plain, spec, { keep: 2 })).rejects.toThrow(/keep/)
  })

  it('may hold a block that is never used', async () => {
    const unused = { 'block1.0.weight': weight, 'sub_block1.0.weight': weight }
    const two = parseSpec({ ...spec, nodes: [spec.nodes[0], { ...spec.nodes[1], name: 'block1.0' }] })
    expect((await readTorchModel(write(unused), two)).tensors.map(({ target }) => target)).toEqual([
      'block1.0.weight',
      null,
    ])
  })
})
