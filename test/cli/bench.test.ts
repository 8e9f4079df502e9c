import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { Network } from '../../lib/models/network.js'
import { networkSpec } from '../../lib/networks/index.js'
import { temporaryFolder } from '../helpers.js'
import { maskAtRandom } from '../sparse/networks.js'
import { coppice, startCoppice } from './command.js'

let folder: string
let model: string
let large: string
beforeAll(async () => {
  folder = temporaryFolder('file')
  process.env.COPPICE_CACHE = join(folder, 'cache')
  model = join(folder, 'pruned.safetensors')
  large = join(folder, 'large.safetensors')
  for (const [path, scale] of [
    [model, 0.1],
    [large, 1],
  ] as const) {
    const network = await Network.create(networkSpec('cifarLarge', { scale }))
    await maskAtRandom(network, 0.2, 1)
    await network.save(path)
    network.dispose()
  }
})

const quick = ['--batches', '2,17', '--trials', '1', '--seconds', '0.01']

describe('coppice bench sparse', () => {
  it('prints three ratios of every case, and keeps results and a chart', async () => {
    const output = join(folder, 'kept')
    const flags = [...quick, '--layers', '--data', 'builtin', '--images', '20', '-o', output, '--json']
    const { code, stdout, stderr } = await coppice('bench', 'sparse', model, ...flags)
    expect({ code, stderr }).toMatchObject({ code: 0 })
    const report = JSON.parse(stdout)
    expect(JSON.parse(readFileSync(join(output, 'results.json'), 'utf8'))).toEqual(report)
    expect(readFileSync(join(output, 'speed.svg'), 'utf8')).toContain('batch 17')
    const [result] = report.models
    expect(result).toMatchObject({ model: 'pruned', structure: 'unstructured' })
    expect(result.macs / result.denseMacs).toBeLessThan(0.3)
    expect(result.rows.map((row: { batch: number }) => row.batch)).toEqual([2, 17])
    for (const row of result.rows) {
      for (const side of ['sameType', 'best', 'equalMacs']) {
        const { ratios } = row[side]
        expect(ratios.warm).toBeCloseTo(row[side].side.warm.median / row.engine.warm.median, 10)
        expect(ratios.flushed).toBeGreaterThan(0)
      }
      expect(row.engine.warm.p95).toBeGreaterThanOrEqual(row.engine.warm.median)
      expect(row.layers.some((layer: { node: string | null }) => layer.node === 'conv1')).toBe(true)
    }
    expect(report.accuracies).toHaveLength(1)
    expect(report.accuracies[0]).toMatchObject({ n: 20, dtype: 'fp32', changed: 0 })
    expect(report.accuracies[0].logitsError).toBeLessThan(1e-4)
  })

  it('prints for people too, losing cases marked', async () => {
    const { code, stdout } = await coppice('bench', 'sparse', model, ...quick)
    expect(code).toBe(0)
    expect(stdout).toMatch(/same type +at its best +equal MACs/)
    const losing = [...stdout.matchAll(/ (\d+\.\d\d)×/g)].filter(([, ratio]) => Number(ratio) < 0.99)
    if (losing.length > 0) expect(stdout).toMatch(/^LOSES {2}batch/m)
  })

  it.each([
    [['missing.safetensors'], 1, /no such model/],
    [['MODEL', '--batches', '0'], 2, /--batches/],
    [['MODEL', '--dtype', 'fp23'], 2, /fp32/],
    [['MODEL', '--trials', '0'], 2, /--trials/],
    [['MODEL', '--seconds', '0'], 2, /--seconds/],
    [['MODEL', '--attack', 'fgsm'], 2, /unknown attack/],
    [['MODEL', '--data', 'nowhere', ...quick], 1, /--data nowhere/],
    [[], 2, /missing required argument/],
  ] as [string[], number, RegExp][])('tells what is wrong with %j', async (args, expected, message) => {
    const { code, stderr } = await coppice(
      'bench',
      'sparse',
      ...args.map((word) => (word === 'MODEL' ? model : word)),
    )
    expect({ code, stderr }).toMatchObject({ code: expected, stderr: expect.stringMatching(message) })
  })

  it('overwrites no results', async () => {
    const output = join(folder, 'twice')
    expect((await coppice('bench', 'sparse', model, ...quick, '-o', output)).code).toBe(0)
    const { code, stderr } = await coppice('bench', 'sparse', model, ...quick, '-o', output)
    expect({ code, stderr }).toMatchObject({ code: 1, stderr: expect.stringMatching(/exists already/) })
  })

  it('goes on with what an interrupted benchmark of the same command has left', async () => {
    const output = join(folder, 'resumed')
    const path = join(output, 'results.json')
    const run = (...more: string[]) => coppice('bench', 'sparse', model, ...quick, '-o', output, ...more)
    expect((await run()).code).toBe(0)
    const report = JSON.parse(readFileSync(path, 'utf8'))
    const [first] = report.models[0].rows
    report.models[0].rows = [first]
    writeFileSync(path, JSON.stringify({ ...report, unfinished: true }))
    const other = await run('--layers')
    expect(other).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/unfinished, but of another command/),
    })
    const { code, stderr } = await run()
    expect({ code, stderr }).toMatchObject({
      code: 0,
      stderr: expect.stringMatching(/going on: .* has 1 of the cases/),
    })
    const resumed = JSON.parse(readFileSync(path, 'utf8'))
    expect(resumed).not.toHaveProperty('unfinished')
    expect(resumed.models[0].rows[0]).toEqual(first)
    expect(resumed.models[0].rows[1].batch).toBe(17)
  })

  it('ends on Ctrl-C with 130, and leaves no trial running', async () => {
    const output = join(folder, 'stopped')
    const { child, ended } = startCoppice('bench', 'sparse', large, '--batches', '256', '-o', output)
    setTimeout(() => child.kill('SIGINT'), 2500)
    const { code, stderr } = await ended
    expect({ code, stderr }).toMatchObject({ code: 130, stderr: expect.stringMatching(/interrupted/) })
    expect(existsSync(join(output, 'results.json'))).toBe(false)
  })
})

describe('coppice bench predict', () => {
  it('predicts for networks by name and for models', async () => {
    const flags = ['--sparsity', '0.8,0.9', '--batches', '2', '--json']
    for (const args of [['cifarLarge', '--scale', '0.1'], [model]]) {
      const { code, stdout, stderr } = await coppice('bench', 'predict', ...args, ...flags)
      expect({ code, stderr }).toMatchObject({ code: 0 })
      const { predictions } = JSON.parse(stdout)
      expect(predictions).toHaveLength(2)
      for (const { speedup } of predictions) expect(speedup).toBeGreaterThanOrEqual(1)
    }
    const { stdout } = await coppice(
      'bench',
      'predict',
      model,
      '--sparsity',
      '0.8',
      '--batches',
      '2',
      '--layers',
    )
    expect(stdout).toMatch(/All measurements were known/)
    expect(stdout).toMatch(/conv1/)
  })

  it.each([
    [['vgg61'], 2, /did you mean "vgg16"/],
    [['vgg16', '--structure', 'v32x'], 2, /v32x2/],
    [['vgg16', '--structure', '2:4', '--sparsity', '0.9'], 2, /at most 0.5/],
    [['vgg16', '--sparsity', '1'], 2, /below 1/],
    [['missing.safetensors'], 1, /missing/],
  ] as [string[], number, RegExp][])('tells what is wrong with %j', async (args, expected, message) => {
    const { code, stderr } = await coppice('bench', 'predict', ...args)
    expect({ code, stderr }).toMatchObject({ code: expected, stderr: expect.stringMatching(message) })
  })
})
