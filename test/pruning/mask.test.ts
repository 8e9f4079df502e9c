import { describe, expect, it } from 'vitest'
import { CoppiceError } from '../../lib/base/errors.js'
import { type PruneRequest, pruneMask } from '../../lib/pruning/mask.js'
import {
  conv,
  flatten,
  linear,
  network,
  postActivation,
  randomState,
  residual,
  type State,
  tensorOf,
  vggLike,
} from './networks.js'

const prune = (state: State, options: Partial<PruneRequest> = {}) =>
  pruneMask({
    spec: state.spec,
    layout: state.layout,
    parameters: state.parameters,
    previous: state.mask,
    structure: 'unstructured',
    sparsity: 0.5,
    ...options,
  })

const zeros = (mask: Uint8Array) => mask.reduce((sum, entry) => sum + (entry === 0 ? 1 : 0), 0)
const prunable = (state: State) => state.layout.filter((tensor) => tensor.prunable)
const count = (state: State) => prunable(state).reduce((sum, tensor) => sum + tensor.size, 0)
/** Rows of a tensor's mask that are all 0. */
const deadRows = (mask: Uint8Array, state: State, name: string): number[] => {
  const entries = tensorOf(mask, state.layout, name)
  const rows = state.layout.find((tensor) => tensor.name === name)?.shape[0] ?? 1
  const size = entries.length / rows
  return Array.from({ length: rows }, (_, row) => row).filter(
    (row) => !entries.subarray(row * size, (row + 1) * size).includes(1),
  )
}

describe('pruneMask, unstructured', () => {
  const state = randomState(vggLike([4, 6, 8], 7), 1)

  it.each(['layer', 'global'] as const)(
    'removes exactly the target, scope %s, and only weights',
    async (scope) => {
      for (const sparsity of [0, 0.123, 0.5, 0.9, 0.999]) {
        const { mask, report } = await prune(state, { scope, sparsity })
        expect(zeros(mask)).toBe(Math.round(sparsity * count(state)))
        expect(report.sparsity).toBeCloseTo(zeros(mask) / count(state), 12)
        for (const tensor of state.layout.filter(
          (entry) => entry.arena === 'parameters' && !entry.prunable,
        )) {
          expect(tensorOf(mask, state.layout, tensor.name)).not.toContain(0)
        }
        for (const { name, size, remaining } of report.perLayer) {
          expect(size - remaining).toBe(zeros(tensorOf(mask, state.layout, name)))
          if (scope === 'layer') expect(Math.abs(size - remaining - sparsity * size)).toBeLessThan(1.001)
        }
      }
    },
  )

  it('keeps the largest weights: of each layer, or of all', async () => {
    for (const scope of ['layer', 'global'] as const) {
      const { mask } = await prune(state, { scope, sparsity: 0.7 })
      const groups = scope === 'layer' ? prunable(state).map((tensor) => [tensor]) : [prunable(state)]
      for (const tensors of groups) {
        const of = (kept: number) =>
          tensors.flatMap(({ name }) => {
            const flags = tensorOf(mask, state.layout, name)
            return Array.from(tensorOf(state.parameters, state.layout, name), Math.abs).filter(
              (_, i) => flags[i] === kept,
            )
          })
        expect(Math.max(...of(0))).toBeLessThanOrEqual(Math.min(...of(1)))
      }
    }
  })

  it.each(['layer', 'global'] as const)('leaves excluded layers whole, scope %s', async (scope) => {
    const exclude = [prunable(state)[0]?.node ?? '']
    for (const structure of ['unstructured', 'v32x2', '2:4'] as const) {
      const sparsity = structure === '2:4' ? 0.3 : 0.6
      const { mask, report } = await prune(state, { structure, scope, sparsity, exclude })
      for (const { name, size, remaining } of report.perLayer)
        expect(remaining === size).toBe(name === `${exclude[0]}.weight`)
      if (structure === 'unstructured') expect(zeros(mask)).toBe(Math.round(sparsity * count(state)))
    }
    await expect(prune(state, { exclude: ['fx'] })).rejects.toThrow(/unknown layer to exclude "fx"/)
    const all = [...new Set(prunable(state).map(({ node }) => node))]
    await expect(prune(state, { exclude: all })).rejects.toThrow(/at most 0 can go/)
  })

  it('excludes filters too', async () => {
    const node = prunable(state)[0]?.node ?? ''
    const { mask, report } = await prune(state, { structure: 'filter', exclude: [node] })
    expect(deadRows(mask, state, `${node}.weight`)).toEqual([])
    expect(report.filters?.pruned).toBe(Math.round(0.5 * (report.filters?.total ?? 0)))
  })

  it('never brings back what was pruned, whatever the weights have become', async () => {
    let mask = state.mask
    for (let step = 1; step <= 8; step++) {
      const changed = randomState(state.spec, 100 + step)
      const scope = step % 2 === 0 ? 'global' : 'layer'
      const next = await prune(changed, { previous: mask, sparsity: step / 10, scope })
      expect(mask.every((entry, index) => entry === 1 || next.mask[index] === 0)).toBe(true)
      expect(zeros(next.mask)).toBe(Math.round((step / 10) * count(state)))
      mask = next.mask
    }
    const lower = await prune(state, { previous: mask, sparsity: 0.1 })
    expect(lower.mask).toEqual(mask)
    expect(lower.report.sparsity).toBeCloseTo(0.8, 3)
  })

  it('ranks float32 and float64 parameters alike, and equal weights by index', async () => {
    const single = Float32Array.from(state.parameters)
    const a = await prune(state, { parameters: single })
    const b = await prune(state, { parameters: Float64Array.from(single) })
    expect(a.mask).toEqual(b.mask)
    const flat = await prune(state, { parameters: single.fill(0.25), sparsity: 0.5 })
    const conv1 = tensorOf(flat.mask, state.layout, 'conv1.weight')
    expect(Array.from(conv1)).toEqual(Array.from(conv1).sort())
  })

  it('random depends on the seed and on nothing else', async () => {
    const of = (seed: number, parameters = state.parameters) =>
      prune(state, { score: 'random', seed, parameters })
    expect((await of(1)).mask).toEqual((await of(1, randomState(state.spec, 9).parameters)).mask)
    expect((await of(1)).mask).not.toEqual((await of(2)).mask)
  })

  it('learned ranks by the scores it is given', async () => {
    const learnedScores = Float64Array.from(state.parameters, (_, index) => (index % 2 === 0 ? -3 : 0.5))
    const { mask } = await prune(state, { score: 'learned', learnedScores, scope: 'global', sparsity: 0.4 })
    const removed = Array.from(mask.keys()).filter((index) => mask[index] === 0)
    expect(removed.every((index) => index % 2 === 1)).toBe(true)
  })

  it('refuses weights that are not numbers, by tensor', async () => {
    for (const bad of [Number.NaN, Number.POSITIVE_INFINITY]) {
      const broken = randomState(state.spec, 1)
      tensorOf(broken.parameters, broken.layout, 'conv2.weight')[3] = bad
      for (const score of ['magnitude', 'random'] as const) {
        await expect(prune(broken, { score })).rejects.toThrow('"conv2.weight"')
      }
    }
    const scores = Float64Array.from(state.parameters).fill(Number.NaN)
    await expect(prune(state, { score: 'learned', learnedScores: scores })).rejects.toThrow('learned scores')
  })

  it('refuses what does not fit, in one readable line', async () => {
    const cases: [Partial<PruneRequest>, string][] = [
      [{ sparsity: 1 }, 'below 1'],
      [{ sparsity: Number.NaN }, 'NaN'],
      [{ previous: new Uint8Array(3) }, 'previous mask have 3 elements'],
      [{ parameters: new Float32Array(3) }, 'parameters have 3 elements'],
      [{ score: 'learned' }, 'learnedScores'],
      [{ structure: 'filters' as 'filter' }, 'did you mean "filter"?'],
      [{ scope: 'globl' as 'global' }, 'did you mean "global"?'],
    ]
    for (const [options, message] of cases) {
      const error = await prune(state, options).catch((reason: unknown) => reason)
      expect(error).toBeInstanceOf(CoppiceError)
      expect(String(error)).toContain(message)
      expect(String(error)).not.toContain('\n')
    }
  })
})

describe('pruneMask, filter', () => {
  const state = randomState(vggLike([8, 12, 16], 20), 2)

  it('removes the target fraction of the filters, with bias and batch norm, and leaves the logits', async () => {
    for (const scope of ['layer', 'global'] as const) {
      for (const score of ['magnitude', 'random'] as const) {
        const { mask, report } = await prune(state, { structure: 'filter', sparsity: 0.6, scope, score })
        expect(report.filters).toEqual({ total: 56, pruned: Math.round(0.6 * 56) })
        let removed = 0
        for (const [name, followers] of [
          ['conv1.weight', ['bn1.weight', 'bn1.bias']],
          ['conv2.weight', ['conv2.bias', 'bn2.weight', 'bn2.bias']],
          ['conv3.weight', ['conv3.bias']],
          ['fc1.weight', ['fc1.bias']],
        ] as const) {
          const dead = deadRows(mask, state, name)
          removed += dead.length
          for (const follower of followers) expect(deadRows(mask, state, follower)).toEqual(dead)
        }
        expect(removed).toBe(report.filters?.pruned)
        expect(deadRows(mask, state, 'fc2.weight')).toEqual([])
        expect(tensorOf(mask, state.layout, 'fc2.bias')).not.toContain(0)
      }
    }
  })

  it('masks the weights that read a removed channel, and no other', async () => {
    const { mask } = await prune(state, { structure: 'filter', sparsity: 0.5 })
    const dead = deadRows(mask, state, 'conv1.weight')
    const alive = deadRows(mask, state, 'conv2.weight')
    const reader = tensorOf(mask, state.layout, 'conv2.weight')
    for (let row = 0; row < 12; row++) {
      for (let column = 0; column < 8; column++) {
        const weights = reader.subarray((row * 8 + column) * 9, (row * 8 + column + 1) * 9)
        expect(weights.includes(1)).toBe(!dead.includes(column) && !alive.includes(row))
      }
    }
  })

  it('keeps the filters with the largest mean |w|, per layer and, size-normalised, over all', async () => {
    const mean = (name: string, row: number, rows: number) => {
      const values = tensorOf(state.parameters, state.layout, name)
      const size = values.length / rows
      return values.subarray(row * size, (row + 1) * size).reduce((sum, w) => sum + Math.abs(w), 0) / size
    }
    const layers = [
      ['conv1.weight', 8],
      ['conv2.weight', 12],
      ['conv3.weight', 16],
      ['fc1.weight', 20],
    ] as const
    const split = (mask: Uint8Array, chosen: readonly (readonly [string, number])[]) => {
      const rows = chosen.flatMap(([name, size]) => {
        const dead = deadRows(mask, state, name)
        return Array.from({ length: size }, (_, row) => ({
          score: mean(name, row, size),
          dead: dead.includes(row),
        }))
      })
      const of = (dead: boolean) => rows.filter((row) => row.dead === dead).map((row) => row.score)
      return [Math.max(...of(true)), Math.min(...of(false))] as const
    }
    const perLayer = await prune(state, { structure: 'filter', sparsity: 0.5 })
    for (const layer of layers) {
      const [removed, kept] = split(perLayer.mask, [layer])
      expect(removed).toBeLessThan(kept)
    }
    const global = await prune(state, { structure: 'filter', sparsity: 0.3, scope: 'global' })
    const [removed, kept] = split(global.mask, layers)
    expect(removed).toBeLessThan(kept)
  })

  it('leaves at least one filter in every layer, and says where a target cannot be met', async () => {
    const small = randomState(vggLike([2, 8, 30], 60), 3)
    const tensors = ['conv1.weight', 'conv2.weight', 'conv3.weight', 'fc1.weight']
    tensorOf(small.parameters, small.layout, 'conv1.weight').forEach((w, i, all) => {
      all[i] = w / 1000
    })
    const { mask } = await prune(small, { structure: 'filter', sparsity: 0.95, scope: 'global' })
    expect(deadRows(mask, small, 'conv1.weight')).toHaveLength(1)
    for (const name of tensors)
      expect(deadRows(mask, small, name).length).toBeLessThan([2, 8, 30, 60][tensors.indexOf(name)] ?? 0)
    for (const scope of ['layer', 'global'] as const) {
      const error = await prune(small, { structure: 'filter', sparsity: 0.99, scope }).catch(
        (reason: unknown) => reason,
      )
      expect(error).toBeInstanceOf(CoppiceError)
      // 99 % of 100 filters are 99, but 4 of them must stay.
      expect(String(error)).toContain('99 of 100 filters')
      expect(String(error)).toContain('sparsity 0.96')
      expect(String(error)).toContain('"conv1" can lose 1 of 2')
      const most = await prune(small, { structure: 'filter', sparsity: 0.96, scope })
      expect(most.report.filters).toEqual({ total: 100, pruned: 96 })
    }
  })

  it('stays monotone over steps, exact at each', async () => {
    let mask = state.mask
    for (let step = 1; step <= 9; step++) {
      const changed = randomState(state.spec, 200 + step)
      const next = await prune(changed, { structure: 'filter', previous: mask, sparsity: step / 10 })
      expect(mask.every((entry, index) => entry === 1 || next.mask[index] === 0)).toBe(true)
      expect(next.report.filters?.pruned).toBe(Math.round((step / 10) * 56))
      mask = next.mask
    }
  })

  it('prunes only untied channels of a residual network, or tied ones together', async () => {
    const net = randomState(residual(6, 8, 10), 4)
    const inner = await prune(net, { structure: 'filter', sparsity: 0.5 })
    expect(inner.report.filters).toEqual({ total: 20, pruned: 10 })
    for (const name of [
      'stem.weight',
      'a.conv2.weight',
      'b.conv2.weight',
      'b.shortcut.weight',
      'a.bn1.weight',
      'bn.weight',
    ]) {
      expect(deadRows(inner.mask, net, name)).toEqual([])
    }
    expect(deadRows(inner.mask, net, 'a.conv1.weight')).toEqual(deadRows(inner.mask, net, 'a.bn2.weight'))

    const grouped = await prune(net, { structure: 'filter', sparsity: 0.5, residual: 'grouped' })
    expect(grouped.report.filters).toEqual({ total: 48, pruned: 24 })
    const tied = deadRows(grouped.mask, net, 'stem.weight')
    expect(tied).toHaveLength(3)
    for (const name of ['a.conv2.weight', 'a.bn1.weight', 'a.bn1.bias', 'b.bn1.weight', 'b.bn1.bias']) {
      expect(deadRows(grouped.mask, net, name)).toEqual(tied)
    }
    expect(deadRows(grouped.mask, net, 'b.shortcut.weight')).toEqual(deadRows(grouped.mask, net, 'bn.bias'))
  })

  it('ranks tied channels by the mean over the layers that make them', async () => {
    const net = randomState(postActivation(4), 5)
    const row = (name: string, channel: number, value: number) => {
      const weights = tensorOf(net.parameters, net.layout, name)
      weights.fill(value, (channel * weights.length) / 4, ((channel + 1) * weights.length) / 4)
    }
    // Means over both: 0.5, 0.45, 0.55, 0.6; the lowest is not the lowest of either layer.
    for (const [channel, left, right] of [
      [0, 0.1, 0.9],
      [1, 0.45, -0.45],
      [2, 1, 0.1],
      [3, 0.6, 0.6],
    ] as const) {
      row('left.weight', channel, left)
      row('right.weight', channel, right)
    }
    const { mask } = await prune(net, { structure: 'filter', sparsity: 0.25, residual: 'grouped' })
    expect(deadRows(mask, net, 'left.weight')).toEqual([1])
  })

  it('says so where there is nothing to prune', async () => {
    const lone = randomState(network([flatten(), linear('fc', 3)]), 6)
    await expect(prune(lone, { structure: 'filter' })).rejects.toThrow('no filters that may be pruned')
    expect((await prune(lone, { structure: 'filter', sparsity: 0 })).report.filters).toEqual({
      total: 0,
      pruned: 0,
    })
  })

  it('exempts a convolution that makes the logits through pooling and flatten', async () => {
    const net = randomState(
      network([
        conv('a', 6),
        conv('b', 4),
        { op: 'averagePool2d', name: 'p', inputs: [], kernel: 8, stride: 8 },
        flatten(),
      ]),
      7,
    )
    const { mask, report } = await prune(net, { structure: 'filter', sparsity: 0.8 })
    expect(report.filters).toEqual({ total: 6, pruned: 5 })
    expect(deadRows(mask, net, 'b.weight')).toEqual([])
  })
})
