import { writeFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { chartSvg } from '../../lib/report/chart.js'
import { speedChart } from '../../lib/report/figures/speed.js'
import type { BenchRow, ModelResult, SideResult } from '../../lib/sparse/benchmark/sparse.js'

const times = { median: 1, p95: 1, n: 1 }
const side: SideResult = {
  ...{ program: 'p', warm: times, flushed: times, bytes: 1, residentBytes: 1 },
  compileSeconds: { first: 1, cached: 1 },
}
const row = (batch: number, same: number, best: number): BenchRow => ({
  ...{ batch, dtype: 'fp32', engine: side },
  sameType: { side, ratios: { warm: same, flushed: same } },
  best: { side, ratios: { warm: best, flushed: best } },
  equalMacs: null,
})
const model = (structure: string, left: number, gain: number): ModelResult => ({
  ...{
    model: `${structure}${left}`,
    sha256: '',
    network: 'vgg16',
    structure,
    sparsity: 1 - left,
    denseMacs: 1000,
  },
  macs: 1000 * left,
  rows: [1, 16, 64].map((batch) => row(batch, (gain * batch) ** 0.3 / left ** 0.8, gain / left ** 0.8 / 3)),
})

describe('the chart of speed against sparsity', () => {
  it('is an SVG with a panel for each batch and a line for each structure', async () => {
    const models = ['unstructured', 'v32x2', 'filter'].flatMap((structure, index) =>
      [0.2, 0.1, 0.05].map((left) => model(structure, left, 0.5 + index)),
    )
    const svg = await chartSvg(speedChart(models, 'a CPU, 2 threads'))
    if (process.env.COPPICE_CHART) writeFileSync(process.env.COPPICE_CHART, svg)
    expect(svg).toMatch(/^<svg[^>]*xmlns="http:\/\/www.w3.org\/2000\/svg"/)
    for (const text of [
      'batch 1',
      'batch 16',
      'batch 64',
      'unstructured',
      'v32x2',
      'filter',
      'a CPU, 2 threads',
    ]) {
      expect(svg).toContain(text)
    }
    expect(svg).not.toContain('NaN')
    expect(svg).not.toMatch(/https?:\/\/(?!www\.w3\.org)/)
  })

  it('can be drawn of a single model', async () => {
    expect(await chartSvg(speedChart([model('unstructured', 0.1, 1)], 'a CPU'))).toContain('batch 64')
  })
})
