import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { builtinImages } from '../../lib/data/builtin.js'
import { fingerprint } from '../../lib/data/images.js'
import { readNpz } from '../../lib/data/npz.js'
import { temporaryFolder } from '../helpers.js'
import { coppice } from './command.js'

describe('coppice data', () => {
  it('exports a set that reads back as it was, once', async () => {
    const folder = join(temporaryFolder(), 'out')
    const args = ['data', 'export', 'builtin', '--train', '30', '--test', '10', '-o', folder]
    expect(await coppice(...args)).toMatchObject({ code: 0 })
    const { train, test } = builtinImages({ train: 30, test: 10 })
    expect(fingerprint(await readNpz(join(folder, 'train.npz')))).toBe(fingerprint(train))
    expect(fingerprint(await readNpz(join(folder, 'test.npz')))).toBe(fingerprint(test))

    const { stdout } = await coppice('data', 'info', join(folder, 'test.npz'), '--json')
    expect(JSON.parse(stdout).parts).toMatchObject([
      { images: 10, shape: [3, 32, 32], perClass: Array.from({ length: 10 }, () => 1) },
    ])
    const again = await coppice(...args)
    expect(again).toMatchObject({ code: 1 })
    expect(again.stderr).toContain('exists already')
  })

  it('trains and evaluates on exported images', async () => {
    const folder = temporaryFolder()
    await coppice('data', 'export', 'builtin', '--train', '40', '--test', '12', '-o', join(folder, 'set'))
    const [train, test] = ['train', 'test'].map((name) => join(folder, 'set', `${name}.npz`))
    const recipe = join(folder, 'recipe.yaml')
    writeFileSync(
      recipe,
      'data: builtin\nnetwork: { name: cifarLarge, scale: 0.05 }\npretrain: { epochs: 1 }\n',
    )
    const run = join(folder, 'run')
    const ended = await coppice('run', recipe, '-o', run, '--data', `${train},${test}`, '--json')
    expect(JSON.parse(ended.stdout)).toMatchObject({ rows: [{ name: 'dense', n: 12 }] })
    const dense = join(run, 'checkpoints', 'dense.safetensors')
    const one = await coppice('run', recipe, '-o', join(folder, 'one'), '--data', String(train))
    expect(one).toMatchObject({ code: 2, stdout: '' })
    expect(one.stderr).toContain('train.npz: name two files')
    expect(await coppice('evaluate', dense, '--data', String(test), '--attack', 'none')).toMatchObject({
      code: 0,
    })
  })

  it('exports neither onto a file nor more images than there are', async () => {
    const file = join(temporaryFolder(), 'file')
    writeFileSync(file, '')
    const onto = await coppice('data', 'export', 'builtin', '--train', '10', '--test', '10', '-o', file)
    expect(onto).toMatchObject({ code: 1, stdout: '' })
    expect(onto.stderr).toBe(
      `coppice: cannot write ${join(file, 'train.npz')}: a part of the path is not a folder\n`,
    )
    const sets = temporaryFolder()
    await coppice('data', 'export', 'builtin', '--train', '9', '--test', '5', '-o', sets)
    const both = ['train', 'test'].map((name) => join(sets, `${name}.npz`)).join()
    const more = await coppice('data', 'export', both, '--train', '10', '-o', join(sets, 'out'))
    expect(more).toMatchObject({ code: 2, stdout: '' })
    expect(more.stderr).toContain('train has 9 images, but 10 are asked for')
    const fewer = await coppice('data', 'export', both, '--train', '3', '-o', join(sets, 'out'))
    expect(fewer).toMatchObject({ code: 0 })
    expect((await readNpz(join(sets, 'out', 'train.npz'))).labels).toHaveLength(3)
    expect((await readNpz(join(sets, 'out', 'test.npz'))).labels).toHaveLength(5)
  })

  it('names what is no data set', async () => {
    const folder = temporaryFolder()
    const empty = await coppice('data', 'info', folder)
    expect(empty).toMatchObject({ code: 1, stdout: '' })
    expect(empty.stderr).toContain(folder)
    writeFileSync(join(folder, 'x.npz'), 'no zip')
    expect((await coppice('data', 'info', join(folder, 'x.npz'))).stderr).toContain('x.npz')
    expect((await coppice('data', 'info', '/nowhere')).stderr).toContain('/nowhere: there is no such file')
    const fetched = await coppice('data', 'fetch', join(folder, 'set'), '--url', 'http://127.0.0.1:9/x')
    expect(fetched).toMatchObject({ code: 1, stdout: '' })
    expect(existsSync(join(folder, 'set'))).toBe(false)
  })
})
