import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { beforeEach, describe, expect, it } from 'vitest'
import { Network } from '../../lib/models/network.js'
import { cacheFolder, cachePath } from '../../lib/sparse/cache.js'
import { compile } from '../../lib/sparse/compile.js'
import { temporaryFolder, tinySpec } from '../helpers.js'
import { logitsError, maskAtRandom } from './networks.js'

let folder: string
beforeEach(() => {
  folder = join(temporaryFolder(), 'deep', 'cache')
  process.env.COPPICE_CACHE = folder
})

const network = async () => {
  const made = await Network.create(tinySpec())
  await maskAtRandom(made, 0.3, 1)
  return made
}

const compiled = async () => {
  const warnings: string[] = []
  const engine = await compile(await network(), {
    ...{ batch: 16, candidates: 'sparse' as const },
    onWarning: (message) => warnings.push(message),
  })
  return { tuned: engine.facts.tuned, warnings }
}

const file = () => cachePath('tuning') ?? ''

describe('the tuning cache', () => {
  it('lies where the environment says', () => {
    expect(cacheFolder({ COPPICE_CACHE: '/a', XDG_CACHE_HOME: '/b' })).toBe('/a')
    expect(cacheFolder({ XDG_CACHE_HOME: '/b' })).toBe('/b/coppice')
    expect(cacheFolder({ XDG_CACHE_HOME: 'not/absolute' })).toBe(join(homedir(), '.cache/coppice'))
    expect(cacheFolder({ COPPICE_CACHE: '' })).toBeUndefined()
    expect(cacheFolder({ COPPICE_CACHE: 'off' })).toBeUndefined()
  })

  it('spares the second engine all measuring of layers', async () => {
    expect((await compiled()).tuned).toBeGreaterThan(0)
    expect(await compiled()).toEqual({ tuned: 0, warnings: [] })
    expect(readdirSync(folder)).toHaveLength(1)
  })

  it('is merged: what other engines and other processes added stays', async () => {
    await compiled()
    const before = JSON.parse(readFileSync(file(), 'utf8'))
    before.entries['of another process'] = 'jobs 1x1x1 o32 i16'
    writeFileSync(file(), JSON.stringify(before))
    await compile(await network(), { batch: 1, candidates: 'sparse' })
    const { entries } = JSON.parse(readFileSync(file(), 'utf8'))
    expect(entries).toMatchObject(before.entries)
    expect(Object.keys(entries).length).toBeGreaterThan(Object.keys(before.entries).length)
  })

  it.each([
    ['empty', ''],
    ['no JSON', 'hello'],
    ['a list', '[]'],
    ['null', 'null'],
    ['another format', '{"format":"coppice-calibration","entries":{}}'],
    ['numbers for choices', (text: string) => text.replace(/"jobs[^"]*"/, '7')],
    ['truncated', (text: string) => text.slice(0, text.length / 2)],
    ["another CPU's", (text: string) => text.replace(/"cpuHash": "\w+"/, '"cpuHash": "00000000"')],
    ["another addon's", (text: string) => text.replace(/"addon": "[^"]+"/, '"addon": "0.0.1-00000000"')],
  ])('is rebuilt with a warning where it is %s', async (_, damage) => {
    await compiled()
    const text = readFileSync(file(), 'utf8')
    writeFileSync(file(), typeof damage === 'string' ? damage : damage(text))
    const { tuned, warnings } = await compiled()
    expect(tuned).toBeGreaterThan(0)
    expect(warnings).toEqual([expect.stringMatching(/cannot be used.*measured and written anew/)])
    expect(await compiled()).toEqual({ tuned: 0, warnings: [] })
  })

  it.each([
    '',
    'nonsense',
    'jobs 0x0x0 o0 i0',
    'jobs 99x99x99 o999 i1',
    'columns -1x-1x-1 o32',
    'jobs 1x8x16 o256 i16',
  ])('gives right logits whatever a choice in it is: "%s"', async (choice) => {
    await compiled()
    const { entries, ...rest } = JSON.parse(readFileSync(file(), 'utf8'))
    for (const key of Object.keys(entries)) entries[key] = choice
    writeFileSync(file(), JSON.stringify({ ...rest, entries }))
    expect(await logitsError(await network(), { batch: 16, candidates: 'sparse' })).toBeLessThan(1e-4)
  })

  it('fails no job where it cannot be written', async () => {
    mkdirSync(join(folder, '..'), { recursive: true })
    writeFileSync(folder, 'a file where the folder should be')
    const { tuned, warnings } = await compiled()
    expect(tuned).toBeGreaterThan(0)
    expect(warnings.join()).toMatch(/cannot be (used|written)/)
  })

  it('fails no job in a folder without permission', async () => {
    if (process.getuid?.() === 0) return
    mkdirSync(folder, { recursive: true })
    chmodSync(folder, 0o500)
    expect((await compiled()).warnings.join()).toMatch(/cannot be written/)
  })

  it('is left alone when switched off', async () => {
    process.env.COPPICE_CACHE = 'off'
    expect((await compiled()).tuned).toBeGreaterThan(0)
    expect((await compiled()).tuned).toBeGreaterThan(0)
    expect(existsSync(folder)).toBe(false)
  })
})
