import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import type { ReproducedCell, Reproduction } from '../../lib/papers/reproduction.js'
import { countsText, writeReproductions } from '../../lib/report/reproduction.js'
import { temporaryFolder } from '../helpers.js'

const cell = (
  pruned: string,
  value: number | undefined,
  more: Partial<ReproducedCell> = {},
): ReproducedCell => ({
  row: ['(a)', pruned],
  column: 'ERA',
  ...(value !== undefined && {
    ours: { value, low: value - 3, high: value + 3, n: 400, by: 'PGD-10, eps 8/255' },
  }),
  seeds: [0],
  runs: ['runs/vgg16-1'],
  compared: 'value',
  verdict: value === undefined ? 'not run yet' : 'no figure in the paper',
  ...more,
})
const reproduction: Reproduction = {
  name: 'figure2',
  title: 'Mismatched fine-tuning',
  where: 'Figure 2, section 5.2',
  scale: 'smoke',
  readings: { scope: 'layer' },
  changes: ['pretrain.epochs=2'],
  head: ['panel', 'pruned'],
  cells: [
    cell('0 %', 43, { paper: 43.3, difference: -0.3, verdict: 'agrees' }),
    cell('50 %', 12),
    cell('90 %', undefined),
  ],
  findings: ['It falls.'],
}

it('a reproduced figure is a page, a chart and data, and says what each figure stands on', async () => {
  const folder = join(temporaryFolder(), 'results')
  await writeReproductions(folder, [reproduction])
  expect(readdirSync(folder).sort()).toEqual(['README.md', 'figure2.json', 'figure2.md', 'figure2.svg'])
  const page = readFileSync(join(folder, 'figure2.md'), 'utf8')
  for (const part of [
    'Scale smoke; scope layer, pretrain.epochs=2.',
    '- It falls.',
    '| (a) | 0 % | 43.0 (43.3) |',
    '| (a) | 90 % | … |',
    '| (a) | 0 % | ERA | 43.0 | 40.0 to 46.0 | 400 | 0 | PGD-10, eps 8/255 | 43.3 |  |  | −0.3 | agrees | runs/vgg16-1 |',
  ])
    expect(page).toContain(part)
  expect(JSON.parse(readFileSync(join(folder, 'figure2.json'), 'utf8'))).toEqual(reproduction)
  expect(readFileSync(join(folder, 'README.md'), 'utf8')).toContain('[figure2](figure2.md): Mismatched')
  expect(readFileSync(join(folder, 'figure2.svg'), 'utf8')).toContain('pruned, %')
  expect(countsText(reproduction.cells)).toBe('3 figures: 1 agrees, 1 no figure in the paper, 1 not run yet.')
})
