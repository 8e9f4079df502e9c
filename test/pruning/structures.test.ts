import { describe, expect, it } from 'vitest'
import type { TensorLayout } from '../../bindings/native.js'
import { nodeShapes } from '../../lib/networks/shapes.js'
import type { NetworkSpec } from '../../lib/networks/spec.js'
import { type PruneRequest, pruneMask } from '../../lib/pruning/mask.js'
import { pruneScheduleNames, sparsityAt } from '../../lib/pruning/schedules.js'
import type { Scope } from '../../lib/pruning/scopes.js'
import type { Structure } from '../../lib/pruning/structures.js'
import {
  conv,
  flatten,
  linear,
  network,
  pool,
  postActivation,
  random,
  randomState,
  relu,
  residual,
  type State,
  tensorOf,
  vggLike,
} from './networks.js'

const TILES = { v32x2: [32, 2], block: [32, 32] } as const
const tiles = ['v32x2', 'block'] as const
const patterns = [...tiles, '2:4'] as const

const prune = (state: State, options: Partial<PruneRequest> & { structure: Structure }) =>
  pruneMask({ ...state, previous: state.mask, sparsity: 0.5, ...options })

const prunable = (state: State) => state.layout.filter((tensor) => tensor.prunable)
const count = (state: State) => prunable(state).reduce((sum, tensor) => sum + tensor.size, 0)
const zeros = (mask: Uint8Array) => mask.reduce((sum, entry) => sum + (entry === 0 ? 1 : 0), 0)

/** Pixels of the map that a node's output is, flattened: 1 for what is no flattened map. */
const pixels = (spec: NetworkSpec, name: string): number => {
  const node = spec.nodes.find((entry) => entry.name === name)
  if (node === undefined || node.op === 'linear' || node.op === 'conv2d') return 1
  const [before = 'image'] = node.inputs
  if (node.op !== 'flatten') return pixels(spec, before)
  const [, height = 1, width = 1] = before === 'image' ? spec.input : (nodeShapes(spec).get(before) ?? [])
  return height * width
}

/** Where each weight of a tensor lies: index in the arena by output, input (a channel) and position. */
const places = (state: State, tensor: TensorLayout) => {
  const [outputs = 0, entries = 1, height = 1, width = 1] = tensor.shape
  const node = state.spec.nodes.find(({ name }) => name === tensor.node)
  const map = node?.op === 'linear' ? pixels(state.spec, node.inputs[0] ?? 'image') : 1
  const positions = height * width * map
  const inputs = (entries * height * width) / positions
  const at = (output: number, input: number, position: number) =>
    tensor.offset + (output * inputs + input) * positions + position
  return { outputs, inputs, positions, at }
}

/** Every group of a pattern as the list of its weights; of 2:4, every set of 4 inputs. */
const groupsOf = (state: State, tensor: TensorLayout, structure: (typeof patterns)[number]): number[][] => {
  const { outputs, inputs, positions, at } = places(state, tensor)
  const [tall, wide] = structure === '2:4' ? [1, 4] : TILES[structure]
  const groups: number[][] = []
  for (let output = 0; output < outputs; output += tall) {
    for (let input = 0; input < inputs; input += wide) {
      for (let position = 0; position < positions; position++) {
        const group: number[] = []
        for (let row = output; row < Math.min(outputs, output + tall); row++) {
          for (let column = input; column < Math.min(inputs, input + wide); column++) {
            group.push(at(row, column, position))
          }
        }
        groups.push(group)
      }
    }
  }
  return groups
}

const kept = (group: readonly number[], mask: Uint8Array) => group.filter((index) => mask[index] !== 0).length

/** Networks of all shapes: odd and tiny widths, flattened maps and vectors, strides and residual blocks. */
const networks = (seed: number): NetworkSpec => {
  const draw = random(seed)
  const width = (most: number) => 1 + Math.floor(draw() * most)
  const specs = [
    () => vggLike([width(70), width(70), width(70)], width(70)),
    () => residual(width(70), width(70), width(70)),
    () => postActivation(width(70)),
    () => network([conv('a', width(70)), relu('r'), flatten(), linear('fc1', width(70)), linear('fc2', 3)]),
    () => network([flatten(), linear('fc1', width(70)), relu('r'), linear('fc2', width(9))], [5, 3, 2]),
    () => network([conv('a', width(9)), pool('maxPool2d', 'p'), flatten('f'), relu('r'), linear('fc', 34)]),
  ]
  return (specs[seed % specs.length] ?? specs[0])?.() ?? vggLike([1, 1, 1], 1)
}

describe.each(tiles)('pruneMask, %s', (structure) => {
  const groups = (state: State) => prunable(state).map((tensor) => groupsOf(state, tensor, structure))

  it('removes every group whole or not at all, and only weights', async () => {
    for (let seed = 0; seed < 36; seed++) {
      const state = randomState(networks(seed), seed)
      const draw = random(seed + 1000)
      const scope: Scope = draw() < 0.5 ? 'layer' : 'global'
      const score = (['magnitude', 'random', 'learned'] as const)[seed % 3] ?? 'magnitude'
      const learnedScores = randomState(state.spec, seed + 1).parameters
      const { mask, report } = await prune(state, {
        structure,
        scope,
        score,
        learnedScores,
        seed,
        sparsity: 0.6 * draw(),
        // The smallest networks cannot lose that much.
      }).catch(() => ({ mask: state.mask, report: { sparsity: 0 } }))
      const all = groups(state).flat()
      const partial = all.filter((group) => ![0, group.length].includes(kept(group, mask)))
      expect(partial).toEqual([])
      const removed = all.reduce((sum, group) => sum + group.length - kept(group, mask), 0)
      expect(zeros(mask)).toBe(removed)
      expect(report.sparsity).toBeCloseTo(removed / count(state), 12)
    }
  })

  it('comes as near to the fraction of weights as whole groups allow: in sum, and in each layer', async () => {
    for (let seed = 0; seed < 24; seed += 3) {
      const spec = seed % 2 === 0 ? vggLike([33 + seed, 64, 47], 100) : residual(32, 64 + seed, 40)
      const state = randomState(spec, seed)
      const sparsity = 0.1 + 0.03 * seed
      for (const scope of ['layer', 'global'] as const) {
        const { mask } = await prune(state, { structure, scope, sparsity })
        const layers = groups(state)
        const largest = layers.map((layer) => Math.max(...layer.map(({ length }) => length)))
        if (scope === 'global') {
          expect(Math.abs(zeros(mask) - sparsity * count(state))).toBeLessThanOrEqual(
            Math.max(...largest) / 2 + 1,
          )
          continue
        }
        layers.forEach((layer, index) => {
          const size = layer.flat().length
          const lost = size - kept(layer.flat(), mask)
          // A layer keeps at least one group; what it keeps the others lose.
          expect(size - lost).toBeGreaterThan(0)
          if (layer.length < 8) return
          expect(Math.abs(lost - sparsity * size)).toBeLessThanOrEqual(
            1.5 * (largest[index] ?? 0) + 0.02 * size,
          )
        })
        expect(Math.abs(zeros(mask) - sparsity * count(state))).toBeLessThanOrEqual(
          largest.reduce((sum, size) => sum + size / 2, 0),
        )
      }
    }
  })

  it('meets it within half a group where all groups are equal', async () => {
    const state = randomState(
      network([conv('a', 64), conv('b', 64), conv('c', 96), flatten(), linear('fc', 32)], [32, 4, 4]),
      3,
    )
    const size = structure === 'block' ? 1024 : 64
    for (const scope of ['layer', 'global'] as const) {
      for (const sparsity of [0.1, 0.5, 0.77, 0.9, 0.95]) {
        const { mask } = await prune(state, { structure, scope, sparsity })
        expect(Math.abs(zeros(mask) - sparsity * count(state))).toBeLessThanOrEqual(size / 2 + 1)
      }
    }
  })

  it('removes what sorting the groups by their mean |w| would', async () => {
    for (let seed = 0; seed < 12; seed++) {
      const state = randomState(networks(seed), seed)
      const { mask } = await prune(state, { structure, scope: 'global', sparsity: 0.4 }).catch(() => ({
        mask: state.mask,
      }))
      const mean = (group: number[]) =>
        group.reduce((sum, index) => sum + Math.abs(state.parameters[index] ?? Number.NaN), 0) / group.length
      const candidates = groups(state).flatMap((layer) => {
        const scored = layer.map((group) => ({ group, score: mean(group) }))
        const best = Math.max(...scored.map(({ score }) => score))
        return scored.filter(({ score }) => score !== best)
      })
      const expected = new Set<number>()
      const lost = zeros(mask)
      for (const { group } of candidates.sort((a, b) => a.score - b.score)) {
        if (expected.size >= lost) break
        for (const index of group) expected.add(index)
      }
      expect([...mask.keys()].filter((index) => mask[index] === 0)).toEqual(
        [...expected].sort((a, b) => a - b),
      )
    }
  })

  it('leaves at least one group in every layer, and says where a target cannot be met', async () => {
    const state = randomState(vggLike([64, 64, 64], 64), 4)
    for (const name of ['conv1.weight', 'fc2.weight']) {
      tensorOf(state.parameters, state.layout, name).forEach((w, i, all) => {
        all[i] = w / 1000
      })
    }
    const { mask } = await prune(state, { structure, scope: 'global', sparsity: 0.9 })
    for (const tensor of prunable(state)) expect(tensorOf(mask, state.layout, tensor.name)).toContain(1)
    const small = randomState(vggLike([4, 6, 8], 10), 4)
    const error = await prune(small, { structure, sparsity: 0.999 }).catch((reason: unknown) => reason)
    expect(String(error)).toMatch(
      /every layer keeps at least one tile of 32 outputs × (2|32) inputs: at most/,
    )
  })
})

describe('v32x2', () => {
  it('pairs the channels of a pixel, not neighbouring pixels, behind a flattened map', async () => {
    const state = randomState(network([conv('a', 4), flatten(), linear('fc', 40)], [3, 2, 3]), 5)
    state.parameters.fill(1)
    const fc = tensorOf(state.parameters, state.layout, 'fc.weight')
    // Inputs are [channel, pixel] with 6 pixels: channels 2 and 3 at pixel 4, the last 8 outputs.
    for (let row = 32; row < 40; row++) fc[row * 24 + 2 * 6 + 4] = fc[row * 24 + 3 * 6 + 4] = 0
    const { mask } = await prune(state, { structure: 'v32x2', scope: 'global', sparsity: 16 / count(state) })
    const removed = [...tensorOf(mask, state.layout, 'fc.weight').keys()].filter(
      (index) => tensorOf(mask, state.layout, 'fc.weight')[index] === 0,
    )
    expect(removed).toEqual([...fc.keys()].filter((index) => fc[index] === 0))
    expect(zeros(mask)).toBe(16)
  })

  it('pairs neighbouring entries of a vector, also behind a map of one pixel', async () => {
    for (const nodes of [
      [conv('a', 5, { kernel: 8, padding: 0 }), flatten(), linear('fc', 33)],
      [flatten(), linear('v', 5), relu('r'), linear('fc', 33)],
    ]) {
      const state = randomState(network(nodes), 6)
      state.parameters.fill(1)
      const fc = tensorOf(state.parameters, state.layout, 'fc.weight')
      for (let row = 0; row < 32; row++) fc[row * 5 + 2] = fc[row * 5 + 3] = 0
      const { mask } = await prune(state, {
        structure: 'v32x2',
        scope: 'global',
        sparsity: 64 / count(state),
      })
      expect(tensorOf(mask, state.layout, 'fc.weight')).toEqual(Uint8Array.from(fc))
    }
  })
})

describe('pruneMask, 2:4', () => {
  const most = (size: number) => Math.ceil(size / 2)
  const sets = (state: State) => prunable(state).flatMap((tensor) => groupsOf(state, tensor, '2:4'))

  it('at 0.5 leaves 2 of every 4 inputs in every layer, half rounded up of incomplete sets: the best ones', async () => {
    for (let seed = 0; seed < 36; seed++) {
      const state = randomState(networks(seed), seed)
      const score = (['magnitude', 'random', 'learned'] as const)[seed % 3] ?? 'magnitude'
      const learnedScores = randomState(state.spec, seed + 1).parameters
      for (const scope of ['layer', 'global'] as const) {
        const { mask } = await prune(state, { structure: '2:4', scope, score, learnedScores })
        const all = sets(state)
        expect(all.filter((set) => kept(set, mask) !== most(set.length))).toEqual([])
        expect(zeros(mask)).toBe(all.reduce((sum, set) => sum + set.length - most(set.length), 0))
        if (score === 'random') continue
        const ranks = score === 'learned' ? learnedScores : state.parameters
        const worse = all.filter((set) => {
          const of = (flag: number) =>
            set.filter((index) => mask[index] === flag).map((index) => Math.abs(ranks[index] ?? Number.NaN))
          return !(Math.max(0, ...of(0)) < Math.min(...of(1)))
        })
        expect(worse).toEqual([])
      }
    }
  })

  it('below that removes exactly the fraction, never more than half of a set, and the lowest of what may go', async () => {
    for (let seed = 0; seed < 18; seed++) {
      const state = randomState(networks(seed), seed)
      const sparsity = 0.01 + 0.02 * seed
      const { mask } = await prune(state, { structure: '2:4', scope: 'global', sparsity })
      const magnitude = (index: number) => Math.abs(state.parameters[index] ?? Number.NaN)
      const candidates = sets(state).flatMap((set) =>
        set.toSorted((a, b) => magnitude(a) - magnitude(b)).slice(0, set.length - most(set.length)),
      )
      const expected = candidates
        .sort((a, b) => magnitude(a) - magnitude(b))
        .slice(0, Math.round(sparsity * count(state)))
      expect([...mask.keys()].filter((index) => mask[index] === 0)).toEqual(expected.sort((a, b) => a - b))
    }
    const state = randomState(vggLike([16, 24, 32], 20), 1)
    for (const sparsity of [0.2, 0.4]) {
      const { report } = await prune(state, { structure: '2:4', sparsity })
      expect(report.sparsity).toBeCloseTo(sparsity, 3)
      for (const { size, remaining } of report.perLayer.slice(1)) {
        expect(remaining / size).toBeGreaterThan(1 - sparsity - 0.02)
      }
    }
  })

  it('ends in the pattern whatever another structure removed before', async () => {
    for (const before of [0.3, 0.9]) {
      const state = randomState(vggLike([10, 13, 17], 20), 8)
      const { mask: previous } = await prune(state, { structure: 'unstructured', sparsity: before })
      for (const scope of ['layer', 'global'] as const) {
        const { mask } = await prune(state, { structure: '2:4', previous, scope })
        for (const set of sets(state)) {
          expect(kept(set, mask)).toBe(Math.min(kept(set, previous), most(set.length)))
        }
      }
    }
  })

  it('keeps equal weights by index: the last', async () => {
    const state = randomState(network([conv('a', 2), flatten(), linear('fc', 2)], [5, 1, 1]), 9)
    const { mask } = await prune({ ...state, parameters: state.parameters.fill(0.5) }, { structure: '2:4' })
    for (const set of sets(state)) {
      const late = Array.from(set, (_, place) => (place >= set.length - most(set.length) ? 1 : 0))
      expect(set.map((index) => mask[index])).toEqual(late)
    }
  })

  it('refuses a target above one half, and says why', async () => {
    const state = randomState(vggLike([4, 6, 8], 10), 10)
    for (const sparsity of [0.51, 0.9]) {
      await expect(prune(state, { structure: '2:4', sparsity })).rejects.toThrow(
        /keeps the best 2 of every 4 consecutive inputs, so the target is at most 0\.5/,
      )
    }
  })
})

describe.each(patterns)('%s over the steps of a schedule', (structure) => {
  const target = structure === '2:4' ? 0.5 : 0.9
  const spec = vggLike([34, 64, 45], 67)

  it.each(pruneScheduleNames)(
    '%s: masks only shrink, whatever the weights become, and end in the pattern',
    async (schedule) => {
      for (const scope of ['layer', 'global'] as const) {
        const state = randomState(spec, 0)
        const sets = prunable(state).flatMap((tensor) => groupsOf(state, tensor, structure))
        let mask = state.mask
        for (let step = 1; step <= 6; step++) {
          const changed = randomState(spec, 300 + step)
          const sparsity = sparsityAt(schedule, target, step, 6)
          const next = await prune(changed, { structure, scope, previous: mask, sparsity })
          expect(mask.every((entry, index) => entry !== 0 || next.mask[index] === 0)).toBe(true)
          expect(Math.abs(next.report.sparsity - sparsity)).toBeLessThan(structure === 'block' ? 0.03 : 0.005)
          const wrong = sets.filter((set) => {
            const left = kept(set, next.mask)
            return structure === '2:4' ? left < Math.ceil(set.length / 2) : left !== 0 && left !== set.length
          })
          expect(wrong).toEqual([])
          mask = next.mask
        }
        const again = await prune(state, { structure, scope, previous: mask, sparsity: target / 2 })
        expect(again.mask).toEqual(mask)
      }
    },
  )
})
