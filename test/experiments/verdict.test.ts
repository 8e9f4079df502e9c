import { describe, expect, it } from 'vitest'
import { judged, type Unjudged } from '../../lib/experiments/verdict.js'

const figure = (value: number, half = 2) => ({ value, low: value - half, high: value + half, n: 1000 })
const cell = (
  ours: number | undefined,
  paper: number | undefined,
  more: Partial<Unjudged> = {},
): Unjudged => ({
  row: ['VGG16', '90 %'],
  column: 'ERA',
  seeds: [0],
  runs: [],
  good: true,
  ...(ours !== undefined && { ours: figure(ours) }),
  ...(paper !== undefined && { paper }),
  ...more,
})
const verdicts = (cells: Unjudged[], full = true) => judged(cells, full).map(({ verdict }) => verdict)

describe('how a figure stands to the paper', () => {
  it('agrees where the paper lies in its interval, else is better or worse', () => {
    expect(
      verdicts([cell(40, 41.9), cell(40, 37), cell(40, 43), cell(40, undefined), cell(undefined, 40)]),
    ).toEqual(['agrees', 'better', 'worse', 'no figure in the paper', 'not run yet'])
    expect(verdicts([cell(60, 52, { good: false }), cell(40, 52, { good: false })])).toEqual([
      'higher',
      'lower',
    ])
  })

  it('compares what is kept of the dense network where networks are smaller', () => {
    const dense = { ours: figure(30), paper: 43.3 }
    // 27 of 30 are 90 %; the paper keeps 39.8 of 43.3, 92 %.
    const [kept] = judged([cell(27, 39.8, { dense })], false)
    expect(kept).toMatchObject({ compared: 'kept', verdict: 'agrees' })
    expect(kept?.kept?.ours).toBeCloseTo(90)
    expect(kept?.kept?.paper).toBeCloseTo(91.9, 1)
    expect(kept?.difference).toBeCloseTo(-1.9, 1)
    expect(verdicts([cell(10, 39.8, { dense }), cell(30, 43.3)], false)).toEqual(['worse', 'not comparable'])
  })

  it('sees another order only where intervals are apart', () => {
    const rivals = 'ERA'
    const pair = (none: number, matched: number) => [
      cell(none, 28.4, { rivals }),
      cell(matched, 40.8, { rivals }),
    ]
    expect(verdicts(pair(45, 40.8))).toEqual(['another order', 'another order'].map((word) => word))
    expect(verdicts(pair(43, 40.8))).toEqual(['better', 'agrees'])
  })
})
