import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { chartSvg } from '../../lib/report/chart.js'
import { keptChart } from '../../lib/report/figures/kept.js'
import { readMaterial } from '../../lib/report/material/find.js'

const result = (name: string) => readMaterial([join(__dirname, '../../results', name)])
const drawn = async (name: string): Promise<string> => {
  const chart = keptChart(await result(name))
  return chart === undefined ? '' : chartSvg(chart)
}

describe('the chart of what a run keeps', () => {
  it('names every network and prints every value', async () => {
    const svg = await drawn('cifar10-cpu')
    for (const text of ['n = 1,000', 'dense', 'natural fine-tuning', 'matched fine-tuning', 'keeps 96 %'])
      expect(svg).toContain(text)
    for (const { accuracy, era } of (await result('cifar10-cpu')).runs[0]?.rows ?? []) {
      expect(svg).toContain(`benign ${accuracy.value.toFixed(1)}`)
      expect(svg).toContain(`ERA ${era.value.toFixed(1)}`)
    }
  })

  it('shows VRA where it was proved', async () => {
    const svg = await drawn('builtin-mixtrain')
    expect(svg).toContain('VRA 50.8')
    expect(svg).toContain('not fine-tuned')
    expect(svg).not.toMatch(/ERA \d/)
  })

  it('has the light colours where no style sheet can say others', async () => {
    expect(await drawn('cifar10-cpu')).not.toContain('var(')
  })
})
