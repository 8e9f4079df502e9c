import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { runRecipe } from '../../lib/compression/pipeline.js'
import { readGrid, runFolder } from '../../lib/grids/index.js'
import type { Reproduction } from '../../lib/papers/reproduction.js'
import { coppice, startCoppice } from '../cli/command.js'
import { temporaryFolder } from '../helpers.js'

/** Table 1 in seconds: what it says is nothing, how it comes about is all. */
const TINY = [
  ...['reproduce', 'table1', '--scale', 'smoke', '--data', 'builtin', '--jobs', '2'],
  ...[
    'data.train=64',
    'data.test=20',
    'network.scale=0.03',
    'pretrain.epochs=2',
    'pretrain.batchSize=32',
    'evaluate.images=10',
    'evaluate.verify.images=4',
  ].flatMap((change) => ['--set', change]),
]
const until = async (holds: () => boolean) => {
  while (!holds()) await delay(20)
}
const names = (folder: string) => (existsSync(folder) ? readdirSync(folder) : [])

describe('coppice reproduce', () => {
  it('killed twice and begun again, ends in the figures of runs that nothing disturbed', {
    timeout: 600_000,
  }, async () => {
    const above = temporaryFolder()
    const folder = join(above, 'reproduction')
    const done = () =>
      names(join(folder, 'runs')).filter((name) => existsSync(join(folder, 'runs', name, 'result.json')))
    for (const results of [0, 1]) {
      const { child, ended } = startCoppice(...TINY, '-o', folder, '--checkpoint-seconds', '0')
      const begun = () =>
        names(join(folder, 'runs')).some((name) => existsSync(join(folder, 'runs', name, 'lock')))
      await Promise.race([until(() => begun() && done().length >= results), ended])
      expect(child.exitCode).toBeNull()
      child.kill('SIGKILL')
      await ended
    }
    // Its tasks notice that it is gone.
    await until(
      () => !names(join(folder, 'runs')).some((name) => existsSync(join(folder, 'runs', name, 'lock'))),
    )
    const before = done()
    expect(before.length).toBeLessThan(3)
    const ended = await coppice(...TINY, '-o', folder, '--json')
    expect(ended).toMatchObject({ code: 0 })
    expect(ended.stderr).toContain(`${3 - before.length} of 3 runs to do`)
    const [table] = JSON.parse(ended.stdout) as [Reproduction]
    expect(table.cells).toHaveLength(2 * (1 + 7))
    for (const { ours, runs, seeds, verdict } of table.cells) {
      expect(ours).toMatchObject({ low: expect.any(Number), high: expect.any(Number) })
      expect(seeds).toEqual([0])
      expect(existsSync(join(folder, runs[0] ?? '', 'recipe.json'))).toBe(true)
      expect(verdict).not.toBe('not run yet')
    }
    expect(table.findings[0]).toMatch(/^Mean VRA over the ratios: .* \(the paper: 43\.1 and 38\.9\)\.$/)
    expect(readFileSync(join(folder, 'results', 'table1.md'), 'utf8')).toContain(
      '| MixTrain k = 10 | 90 % | ',
    )

    const { tasks } = await readGrid(folder)
    const task = tasks.find(({ name }) => name.startsWith('cifarLarge,mixTrain,unstructured,mixTrain'))
    const alone = await runRecipe(task?.recipe as never, join(above, 'alone'))
    const cell = table.cells.find(({ row, column }) => row[0] === 'MixTrain k = 10' && column === '90 %')
    const row = alone.rows.find(({ name }) => name === 'matched-90')
    expect(cell?.ours?.value).toBe(row?.verifications?.[0]?.vra.value)

    // A damaged run is computed again, and said; all others are taken as they are.
    const damaged = task?.name ?? ''
    const result = join(runFolder({ folder }, damaged), 'result.json')
    writeFileSync(result, readFileSync(result, 'utf8').replace('"rows"', '"row"'))
    const again = await coppice(...TINY, '-o', folder, '--json')
    expect(again).toMatchObject({ code: 0 })
    expect(again.stderr).toContain(`${damaged} is computed again: `)
    expect(again.stderr).toContain('1 of 3 runs to do')
    expect(JSON.parse(again.stdout)).toEqual([table])
    expect(existsSync(join(folder, 'set-aside', damaged))).toBe(true)

    // Another reading is other runs, in the same folder.
    const other = await coppice(...TINY, '-o', folder, '--reading', 'scope=global', '--dry-run', '--json')
    const { runs } = JSON.parse(other.stdout) as { runs: { name: string; done: boolean; seconds: number }[] }
    expect(runs.map(({ done }) => done)).toEqual([true, false, false])
    expect(runs.filter((run) => !run.done && run.seconds > 0)).toHaveLength(2)
  })

  it('tells what it will cost before it begins what is too long', { timeout: 600_000 }, async () => {
    const folder = join(temporaryFolder(), 'reproduction')
    const args = ['reproduce', 'table4', '--scale', 'paper', '--data', 'builtin', '-o', folder]
    const ended = await coppice(...args)
    expect(ended).toMatchObject({ code: 2, stdout: '' })
    expect(ended.stderr).toMatch(/^coppice: 8 of 8 runs to do, about \d+ h \d+ min and \d+ MiB; give --yes/)
    expect(existsSync(folder)).toBe(false)
  })

  it('lists what there is', async () => {
    const { stdout } = await coppice('reproduce', '--list', '--json')
    expect((JSON.parse(stdout) as { name: string }[]).map(({ name }) => name)).toContain('table2')
  })

  it.each<[string, string[], number, RegExp]>([
    ['a name mistyped', ['tabel2'], 2, /no experiment "tabel2".* did you mean "table2"\?/],
    ['no name', [], 2, /name a table or a figure, or all/],
    [
      'a reading mistyped',
      ['table2', '--data', 'builtin', '--reading', 'scop=global'],
      2,
      /unknown key "scop"; did you mean "scope"\?/,
    ],
    [
      'a reading that is no pair',
      ['table2', '--data', 'builtin', '--reading', 'scope'],
      2,
      /expected key=value/,
    ],
    ['a scale that is none', ['table2', '--scale', 'huge'], 2, /Allowed choices are paper, night, smoke/],
    ['data that is not there', ['table2', '--data', 'nowhere'], 1, /there is no such file or folder/],
    [
      'a change that cannot be',
      ['table2', '--data', 'builtin', '--set', 'pretrain.epoch=3'],
      2,
      /did you mean "epochs"\?/,
    ],
  ])('ends for %s in one line that says why', async (_, args, code, message) => {
    const ended = await coppice('reproduce', ...args)
    expect(ended).toMatchObject({ code, stdout: '' })
    expect(ended.stderr).toMatch(/^coppice: [^\n]*\n$/)
    expect(ended.stderr).toMatch(message)
  })
})
