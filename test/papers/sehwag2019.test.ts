import { describe, expect, it } from 'vitest'
import {
  dense,
  kept,
  table1,
  table2,
  table3,
  table4,
  table5,
  table6,
  table7,
} from '../../lib/papers/sehwag2019.js'

const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length

describe("the paper's figures", () => {
  it('are those that its abstract sums up: at 90 % of the weights 93, 92.5 and 85 % are kept', () => {
    const at90 = [...table2.rows, ...table4.rows].filter(({ sparsity }) => sparsity === 0.9)
    const accuracy = at90.map((row) => (100 * row.accuracy.matched) / dense[row.network].accuracy)
    const robust = (networks: readonly string[]) =>
      at90
        .filter(({ network }) => networks.includes(network))
        .map((row) => (100 * row.robust.matched) / dense[row.network].robust)
    expect(mean(accuracy)).toBeCloseTo(kept.first.accuracy, 0)
    expect(mean(robust(['vgg16', 'wideResNet']))).toBeCloseTo(kept.first.era, 0)
    expect(mean(robust(['cifarLarge', 'allCnn']))).toBeCloseTo(kept.first.vra, 0)
  })

  it('are as its text quotes them', () => {
    const row = (table: typeof table2, network: string, sparsity: number) =>
      table.rows.find((each) => each.network === network && each.sparsity === sparsity)
    // Section 6.1: ERA falls by at most 3.5, 1.7 … points, benign accuracy by 3.2.
    expect(dense.vgg16.robust - (row(table2, 'vgg16', 0.9)?.robust.matched ?? 0)).toBeCloseTo(3.5)
    expect(dense.vgg16.robust - (row(table3, 'vgg16', 0.9)?.robust.matched ?? 0)).toBeCloseTo(1.7)
    expect(dense.vgg16.accuracy - (row(table2, 'vgg16', 0.9)?.accuracy.matched ?? 0)).toBeCloseTo(3.2)
    // Section 6.2: VRA and accuracy fall to 35.5 and 59.5 from 51 and 73.4.
    expect(row(table5, 'cifarLarge', 0.9)).toMatchObject({
      robust: { matched: 35.5 },
      accuracy: { matched: 59.5 },
    })
    // Section 7: 3.8 points of ERA, about 10 and 4.2 of accuracy at ten times.
    const [last, natural] = [table6.rows.at(-1), table7.rows.at(-1)]
    expect((last?.era?.tuned ?? 0) - (last?.era?.scratch ?? 0)).toBeCloseTo(3.8)
    expect((last?.accuracy.tuned ?? 0) - (last?.accuracy.scratch ?? 0)).toBeCloseTo(9.8)
    expect((natural?.accuracy.tuned ?? 0) - (natural?.accuracy.scratch ?? 0)).toBeCloseTo(4.2)
    // Table 1 and table 4 share the network at 50 and 90 %.
    expect([table1.vra[10][0], table1.vra[10][3]]).toEqual([51, 45.5])
  })
})
