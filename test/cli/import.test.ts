import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { loadNetwork } from '../../lib/models/network.js'
import { bytesOf, dictionary, legacyFile, none, storage, tensor } from '../formats/torch/torchFiles.js'
import { temporaryFolder } from '../helpers.js'
import { coppice } from './command.js'

const fixture = join(__dirname, '../fixtures/torch/checkpoint.pth')
const spec = {
  name: 'small',
  input: [2, 4, 4],
  nodes: [
    { op: 'conv2d', name: 'conv', channels: 3, kernel: 3 },
    { op: 'batchNorm2d', name: 'norm' },
    { op: 'flatten', name: 'flatten' },
    { op: 'linear', name: 'fc', features: 4 },
  ],
}

describe('coppice import', () => {
  it('makes a model file of a checkpoint and tells where every tensor went', async () => {
    const folder = temporaryFolder()
    const [specFile, output] = [join(folder, 'spec.json'), join(folder, 'model.safetensors')]
    writeFileSync(specFile, JSON.stringify(spec))
    const ended = await coppice('import', fixture, '--spec', specFile, '-o', output)
    expect(ended).toMatchObject({ code: 0, stderr: '' })
    expect(ended.stdout).toMatch(/^0\.weight +3×2×3×3 +float32 +conv\.weight$/m)
    expect(ended.stdout).toMatch(/^1\.num_batches_tracked +scalar +int64 +\(not needed\)$/m)
    expect(ended.stdout).toMatch(
      /^small: 115 parameters from .*, state_dict\[0\] \(zip format\), matched layer/m,
    )
    const network = await loadNetwork(output)
    expect(network.spec).toMatchObject({ name: 'small' })
    expect((await network.logits(new Float32Array(32))).every(Number.isFinite)).toBe(true)

    const again = await coppice('import', fixture, '--spec', specFile, '-o', output)
    expect(again).toMatchObject({ code: 1, stdout: '' })
    expect(again.stderr).toMatch(/exists already; choose another file with -o/)

    const wide = join(folder, 'wide.safetensors')
    const json = await coppice(
      ...['import', fixture, '--spec', specFile, '-o', wide, '--type', 'float64', '--json'],
    )
    expect(JSON.parse(json.stdout)).toMatchObject({
      network: 'small',
      parameters: 115,
      type: 'float64',
      format: 'zip',
      place: 'state_dict[0]',
      matchedBy: 'order',
      tensors: expect.arrayContaining([
        { name: '4.weight', type: 'bfloat16', shape: [4, 12], target: 'fc.weight' },
      ]),
    })
    expect((await loadNetwork(wide)).type).toBe('float64')
  })

  it('knows networks by name', async () => {
    const folder = temporaryFolder()
    const [file, output] = [join(folder, 'weights.pth'), join(folder, 'model.safetensors')]
    const args = [
      'import',
      file,
      '--network',
      'cifarLarge',
      '--scale',
      '0.02',
      '--no-normalize',
      '-o',
      output,
    ]
    const shapes: Record<string, number[]> = {}
    const described = await coppice('describe', 'cifarLarge', '--scale', '0.02', '--json')
    let channels = 3
    for (const { name, op, output: shape, parameters } of JSON.parse(described.stdout).nodes) {
      const width = shape[0]
      if (op === 'conv2d') {
        const kernel = Math.sqrt((parameters - width) / width / channels)
        shapes[`${name}.weight`] = [width, channels, kernel, kernel]
      }
      if (op === 'linear') shapes[`${name}.weight`] = [width, channels]
      if (op === 'conv2d' || op === 'linear') shapes[`${name}.bias`] = [width]
      channels = width
    }
    const length = 10_000
    const value = dictionary(
      Object.fromEntries(
        Object.entries(shapes).map(([name, shape]) => {
          const strides = shape.map((_, axis) => shape.slice(axis + 1).reduce((a, b) => a * b, 1))
          return [name, tensor(storage({ length, location: 'cuda:3', view: none }), shape, strides)]
        }),
      ),
    )
    writeFileSync(file, legacyFile(value, { 0: [length, bytesOf(new Float32Array(length).fill(0.5))] }))
    expect(await coppice(...args)).toMatchObject({ code: 0, stderr: '' })
    const { spec } = await loadNetwork(output)
    expect(spec.nodes[0]?.op).toBe('conv2d')
  })

  it('guesses a plain network, and prints the spec', async () => {
    const output = join(temporaryFolder(), 'model.safetensors')
    const ended = await coppice('import', fixture, '--input', '2,4,4', '-o', output)
    expect(ended).toMatchObject({ code: 0, stderr: '' })
    expect(ended.stdout).toMatch(/The network is a guess: strides, padding, pooling and normalisation/)
    const printed: unknown = JSON.parse(ended.stdout.trim().split('\n').at(-1) ?? '')
    expect((await loadNetwork(output)).spec).toEqual(printed)
  })

  it('leaves nothing behind where it fails, and says why in one line', async () => {
    const output = join(temporaryFolder(), 'model.safetensors')
    const module = join(__dirname, '../fixtures/torch/module.pth')
    for (const [args, code, message] of [
      [[fixture, '--network', 'vgg16', '--spec', 'x.json'], 2, /either --spec FILE\.json or --network NAME/],
      [[fixture], 1, /fit no plain network for images of \[2, 32, 32\]; say which it is with --spec/],
      [[fixture, '--input', '2,4'], 2, /three numbers/],
      [[fixture, '--network', 'vgg61'], 2, /did you mean "vgg16"/],
      [[fixture, '--spec', 'x.json', '--scale', '2'], 2, /are for --network/],
      [[fixture, '--network', 'vgg16', '--type', 'half'], 2, /Allowed choices are float32, float64/],
      [[fixture, '--spec', '/nowhere.json'], 1, /\/nowhere\.json/],
      [[fixture, '--network', 'vgg16'], 1, /has nothing for .* and 65 more; left over in it: 0\.weight/],
      [['/nowhere.pth', '--network', 'vgg16'], 1, /there is no such file/],
      [[module, '--network', 'vgg16'], 1, /names "torch\.nn\.modules\.container\.Sequential"/],
    ] as const) {
      const ended = await coppice('import', ...args, '-o', output)
      expect(ended).toMatchObject({ code, stdout: '' })
      expect(ended.stderr).toMatch(/^coppice: [^\n]*\n$/)
      expect(ended.stderr).toMatch(message)
      expect(existsSync(output)).toBe(false)
    }
  })
})
