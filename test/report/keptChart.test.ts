import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { chartSvg } from '../../lib/report/chart.js'
import { keptChart } from '../../lib/report/keptChart.js'
import type { RunResult } from '../../lib/runs/result.js'

const result = (name: string): RunResult =>
  JSON.parse(readFileSync(join(__dirname, `../../results/${name}/result.json`), 'utf8'))

describe('the chart of what a run keeps', () => {
  it('names every network and prints every value', async () => {
    const run = result('cifar10-cpu')
    const svg = await chartSvg(keptChart(run, 'A title', 'n = 1000'))
    for (const text of ['A title', 'n = 1000', 'dense', 'natural fine-tuning', 'matched fine-tuning'])
      expect(svg).toContain(text)
    for (const { accuracy, era } of run.rows) {
      expect(svg).toContain(`benign ${accuracy.value.toFixed(1)}`)
      expect(svg).toContain(`ERA ${era.value.toFixed(1)}`)
    }
  })

  it('shows VRA where it was proved', async () => {
    const svg = await chartSvg(keptChart(result('builtin-mixtrain'), 'A title', ''))
    expect(svg).toContain('VRA 50.8')
    expect(svg).toContain('not fine-tuned')
    expect(svg).not.toContain('ERA')
  })
})
