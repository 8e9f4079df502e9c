import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { packageFolder } from '../../lib/base/version.js'

const plain = (name: string) => import(join(packageFolder, 'bench/gpu', name))

let folder = ''
// biome-ignore lint/suspicious/noExplicitAny: plain JavaScript
let [Results, table]: any[] = []
beforeEach(async () => {
  ;[{ Results }, { table }] = await Promise.all([plain('results.mjs'), plain('table.mjs')])
  folder = mkdtempSync(join(tmpdir(), 'coppice-gpu-'))
  vi.spyOn(console, 'error').mockImplementation(() => {})
})
afterEach(() => {
  vi.restoreAllMocks()
  rmSync(folder, { recursive: true, force: true })
})

const open = (seconds = 60) =>
  new Results(join(folder, 'results.json'), 'train', performance.now() + 1000 * seconds)

describe('the rows of a measurement', () => {
  it('are measured once, and again only if they failed', async () => {
    const work = vi.fn(async () => ({ milliseconds: 5 }))
    await open().row('a step', work)
    expect(await open().row('a step', work)).toEqual({ milliseconds: 5 })
    expect(work).toHaveBeenCalledTimes(1)

    const results = open()
    await results.row('another', () => Promise.reject(new Error('no memory\nat some place')))
    expect(results.unfinished).toBe(true)
    expect(Results.read(results.file).train.another).toEqual({ problem: 'no memory' })
    expect(await open().row('another', work)).toEqual({ milliseconds: 5 })
  })

  it('do not begin when the time is up', async () => {
    const results = open(-1)
    const work = vi.fn()
    expect(await results.row('a step', work)).toBeUndefined()
    expect(work).not.toHaveBeenCalled()
    expect(results.unfinished).toBe(true)
  })
})

it('the table of a measurement tells figures, what failed and what was skipped', () => {
  const step = { network: 'vgg16', batch: 128, epochSeconds: 2, teraflops: 300, peakBytes: 2 ** 30 }
  const text = table(
    {
      check: { machine: { name: 'H200', torch: '2.13.0' }, convolutions: { difference: 1e-6 } },
      train: {
        own: { ...step, side: 'Coppice', milliseconds: 4 },
        eager: { ...step, side: 'PyTorch eager', milliseconds: 10 },
        compile: { problem: 'took longer than 480 s' },
      },
      cells: { 'table 2': { skipped: 'needs CIFAR-10' } },
    },
    ['--out', 'gpu'],
  )
  expect(text).toContain('H200, torch 2.13.0')
  expect(text).toContain('| vgg16 | 128 | PyTorch eager | 10.00 | 2.0 | 300.0 | – | 1.0 | 2.50× |')
  expect(text).toContain('- compile: took longer than 480 s')
  expect(text).toContain('- table 2: skipped, needs CIFAR-10')
})
