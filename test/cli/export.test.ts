import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { dataSet } from '../../lib/data/load.js'
import { readVnnlib } from '../../lib/formats/vnnlib/read.js'
import { readModel } from '../../lib/models/modelFile.js'
import { networkSpec } from '../../lib/networks/index.js'
import { temporaryFolder, tinySpec } from '../helpers.js'
import { shaken } from '../models/shaken.js'
import { coppice } from './command.js'

describe('coppice export', () => {
  it('writes an ONNX file that coppice import reads back', async () => {
    const folder = temporaryFolder()
    const file = (name: string) => join(folder, name)
    await (await shaken(tinySpec())).save(file('model.safetensors'))
    const ended = await coppice('export', file('model.safetensors'), '-o', file('model.onnx'))
    expect(ended).toMatchObject({ code: 0, stderr: '' })
    expect(ended.stdout).toMatch(
      /^tiny: 1,396 parameters, 0 % of the weights pruned, written to .*model.onnx/,
    )

    const json = await coppice(
      ...['export', file('model.safetensors'), '-o', file('folded.onnx'), '--fold', '--json'],
    )
    expect(JSON.parse(json.stdout)).toMatchObject({
      network: 'tiny',
      sparsity: 0,
      bytes: statSync(file('folded.onnx')).size,
    })

    const back = await coppice('import', file('model.onnx'), '-o', file('back.safetensors'))
    expect(back).toMatchObject({ code: 0, stderr: '' })
    expect(back.stdout).toMatch(/by coppice .*, operators of version 13/)
    const [before, after] = [
      await readModel(file('model.safetensors')),
      await readModel(file('back.safetensors')),
    ]
    expect(after.parameters).toEqual(before.parameters)
  })

  it('writes state dicts, masks apart, and prints the module that reads them', async () => {
    const folder = temporaryFolder()
    const file = (name: string) => join(folder, name)
    await (await shaken(tinySpec())).save(file('model.safetensors'))
    const both = await coppice(
      ...[
        'export',
        file('model.safetensors'),
        '-o',
        file('state.pth'),
        '--masks',
        file('masks.pth'),
        '--pytorch',
      ],
    )
    expect(both).toMatchObject({
      code: 0,
      stderr: expect.stringMatching(
        /state.pth .*, masks to .*masks.pth; .*state.pth.card.md says what it is\.\n$/,
      ),
    })
    const alone = await coppice('export', file('model.safetensors'), '--pytorch')
    expect(alone).toMatchObject({ code: 0, stderr: '', stdout: both.stdout })
    expect(alone.stdout).toMatch(/^class Network\(nn\.Module\):$/m)
    expect(alone.stdout).toMatch(/\('conv', \['image'\], nn\.Conv2d\(3, 6, 3, 2, 1, bias=True\)\),/)
  })

  it('writes robustness properties beside an ONNX file, and a card that says what it is', async () => {
    const folder = temporaryFolder()
    const file = (name: string) => join(folder, name)
    const network = await shaken(networkSpec('cifarLarge', { scale: 0.05 }))
    await network.save(file('model.safetensors'))
    const asked = ['--properties', file('props'), '--epsilon', '2/255', '--images', '2', '--data', 'builtin']
    const ended = await coppice(
      'export',
      file('model.safetensors'),
      '-o',
      file('model.onnx'),
      ...asked,
      '--json',
    )
    expect(ended).toMatchObject({ code: 0, stderr: '' })
    expect(readFileSync(file('props/instances.csv'), 'utf8')).toBe(
      '../model.onnx,image-00000.vnnlib,300\n../model.onnx,image-00001.vnnlib,300\n',
    )
    const { lower, label, image, epsilon } = await readVnnlib(file('props/image-00001.vnnlib'))
    const test = (await dataSet('builtin')).test.take(2)
    expect(label).toBe(test.labels[1])
    expect(lower.length).toBe(3072)
    expect(epsilon).toBeCloseTo(2 / 255, 6)
    expect(
      Math.max(...image.map((pixel, place) => Math.abs(pixel - (test.pixels(1)[place] ?? 9)))),
    ).toBeLessThan(1e-6)

    const card = JSON.parse(readFileSync(file('model.onnx.card.json'), 'utf8')) as unknown
    expect(card).toMatchObject({ name: 'cifarLarge', file: 'model.onnx', sparsity: 0 })
    expect(readFileSync(file('model.onnx.card.md'), 'utf8')).toMatch(
      /^# cifarLarge\n[\s\S]*\| conv1 \| conv2d \| 2×32×32 \|/,
    )
    const without = await coppice('export', file('model.safetensors'), '-o', file('b.onnx'), '--no-card')
    expect(without.code).toBe(0)
    expect(existsSync(file('b.onnx.card.md'))).toBe(false)
  })

  it('refuses what it cannot do in one line', async () => {
    const folder = temporaryFolder()
    const file = (name: string) => join(folder, name)
    await (await shaken(tinySpec())).save(file('model.safetensors'))
    writeFileSync(file('there.onnx'), '')
    const ends = await Promise.all([
      coppice('export', file('model.safetensors'), '-o', file('model.bin')),
      coppice('export', file('model.safetensors')),
      coppice('export', file('model.safetensors'), '-o', file('a.onnx'), '--properties', file('p')),
      coppice('export', file('model.safetensors'), '-o', file('a.onnx'), '--epsilon', '0.1'),
      coppice('export', file('model.safetensors'), '-o', file('a.onnx'), '--masks', file('m.pth')),
      coppice('export', file('model.safetensors'), '-o', file('there.onnx')),
      coppice('export', file('nothing'), '-o', file('a.onnx')),
      coppice('import', file('there.onnx'), '-o', file('a.safetensors')),
      coppice('import', file('there.onnx'), '-o', file('a.safetensors'), '--network', 'vgg16'),
    ])
    expect(ends.map(({ code }) => code)).toEqual([2, 2, 2, 2, 2, 1, 1, 1, 2])
    for (const { stderr } of ends) expect(stderr).toMatch(/^coppice: [^\n]+\n$/)
  })
})
