import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { temporaryFolder } from '../helpers.js'
import { coppice } from './command.js'

const GRID = `
recipe:
  data: builtin
  network: cifarLarge
  pretrain: { epochs: 1 }
  prune: { sparsity: 0.5 }
matrix:
  prune.sparsity: [0.5, 0.9]
  seed: [1, 2]
`
let [file, folder] = ['', '']
beforeAll(() => {
  const above = temporaryFolder('file')
  file = join(above, 'sweep.yaml')
  folder = join(above, 'grid')
  writeFileSync(file, GRID)
  mkdirSync(join(above, 'taken'))
  writeFileSync(join(above, 'taken', 'thesis.tex'), '')
})

describe('coppice grid', () => {
  it('prints its tasks, and begins none', async () => {
    const { code, stdout, stderr } = await coppice('grid', file, '-o', folder, '--dry-run')
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout).toMatch(/^sparsity=0\.9,seed=2 +pretrain,seed=2$/m)
    expect(stdout).toContain(`6 tasks, none begun; folder: ${folder}`)
    const changed = await coppice(
      'grid',
      file,
      '--dry-run',
      '--json',
      '--set',
      'threads=3',
      '--data',
      'builtin',
    )
    expect(JSON.parse(changed.stdout).tasks[5].recipe).toMatchObject({ threads: 3, seed: 2 })
    expect(existsSync(folder)).toBe(false)
  })

  it('has help by example', async () => {
    const { stdout } = await coppice('grid', '--help')
    for (const word of [
      '--launch <where>',
      '--launch slurm',
      '--devices cuda:0,cuda:1',
      '--status',
      'matrix:',
    ])
      expect(stdout).toContain(word)
    expect(stdout).not.toContain('--part <')
  })

  it.each<[string, string[], number, RegExp]>([
    ['no such file', ['nowhere.yaml'], 1, /nowhere\.yaml: there is no such file/],
    ['a launcher that is none', ['FILE', '--launch', 'pbs'], 2, /Allowed choices are local, slurm/],
    ['devices that are none', ['FILE', '--devices', 'cuda:0,gpu'], 2, /Expected cpu, cuda or cuda:N/],
    ['a device twice', ['FILE', '--devices', 'cuda:0,cuda:0'], 2, /Expected each device once/],
    [
      'options of the other launcher',
      ['FILE', '--partition', 'gpu'],
      2,
      /--partition has no meaning with --launch local/,
    ],
    [
      'and the other way',
      ['FILE', '--launch', 'slurm', '--devices', 'cuda:0'],
      2,
      /--devices has no meaning with --launch slurm/,
    ],
    [
      'an option that the grid sets',
      ['FILE', '--launch', 'slurm', '--sbatch', 'array=1'],
      2,
      /--sbatch array/,
    ],
    ['a folder that holds no grid', ['ABOVE/taken', '--status'], 1, /holds no grid: it has no grid\.json/],
    ['a grid that has not begun', ['FILE', '-o', 'FOLDER', '--cancel'], 1, /does not exist/],
    ['a folder of others', ['FILE', '-o', 'ABOVE/taken'], 1, /is not empty \(it holds thesis\.tex\)/],
    ['a recipe', ['ABOVE/recipe.yaml'], 2, /recipe\.yaml is a recipe; a grid has it as `recipe`/],
    [
      'a value that cannot be',
      ['FILE', '--set', 'prune.steps=0'],
      2,
      /sweep\.yaml, sparsity=0\.5,seed=1: recipe\.prune\.steps: must be at least 1/,
    ],
  ])('ends for %s in one line that says why', async (_, args, code, message) => {
    writeFileSync(join(folder, '..', 'recipe.yaml'), 'data: builtin\nnetwork: cifarLarge\npretrain: {}\n')
    const given = args.map((word) =>
      word.replace('FILE', file).replace('FOLDER', folder).replace('ABOVE', join(folder, '..')),
    )
    const ended = await coppice('grid', ...given)
    expect(ended).toMatchObject({ code, stdout: '' })
    expect(ended.stderr).toMatch(/^coppice: [^\n]*\n$/)
    expect(ended.stderr).toMatch(message)
    expect(existsSync(folder)).toBe(false)
  })
})
