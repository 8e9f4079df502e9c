import { describe, expect, it } from 'vitest'
import { CoppiceError } from '../../lib/base/errors.js'
import type { NetworkSpec } from '../../lib/networks/spec.js'
import { compact } from '../../lib/pruning/compact.js'
import { type PruneRequest, pruneMask } from '../../lib/pruning/mask.js'
import {
  add,
  bn,
  conv,
  flatten,
  forward,
  layoutOf,
  linear,
  network,
  normalize,
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

/** Compacts, and checks that the logits of some images are those of the masked network. */
const compacted = (state: State): State => {
  const { spec, layout, parameters, buffers, mask } = state
  const smaller = compact(spec, layout, parameters, buffers, mask)
  const result: State = {
    ...smaller,
    layout: layoutOf(smaller.spec),
    parameters: Float64Array.from(smaller.parameters),
    buffers: Float64Array.from(smaller.buffers),
  }
  const masked = parameters.map((value, index) => (mask[index] === 0 ? 0 : value))
  const draw = random(parameters.length)
  for (let n = 0; n < 4; n++) {
    const image = Float64Array.from({ length: spec.input[0] * spec.input[1] * spec.input[2] }, draw)
    const expected = forward({ spec, layout, parameters: masked, buffers }, image)
    const received = forward(result, image)
    expect(received.length).toBe(expected.length)
    for (const [index, value] of expected.entries()) {
      expect(Number.isFinite(value)).toBe(true)
      expect(Math.abs((received[index] ?? Number.NaN) - value)).toBeLessThanOrEqual(
        1e-12 * Math.max(1, Math.abs(value)),
      )
    }
  }
  return result
}

const pruned = async (spec: NetworkSpec, seed: number, options: Partial<PruneRequest>): Promise<State> => {
  const state = randomState(spec, seed)
  const { parameters, layout } = state
  const { mask } = await pruneMask({
    spec,
    layout,
    parameters,
    structure: 'filter',
    sparsity: 0.5,
    seed,
    ...options,
  })
  return { ...state, mask }
}

const sizes = (spec: NetworkSpec): Record<string, number> =>
  Object.fromEntries(
    spec.nodes.flatMap((node) => {
      if (node.op === 'conv2d') return [[node.name, node.channels]]
      return node.op === 'linear' ? [[node.name, node.features]] : []
    }),
  )

const zero = (state: State, ...names: string[]) => {
  for (const name of names) tensorOf(state.parameters, state.layout, name).fill(0)
}
/** Sets a channel's part of tensors to 0 in the weights, not in the mask. */
const zeroChannel = (state: State, channel: number, ...names: string[]) => {
  for (const name of names) {
    const values = tensorOf(state.parameters, state.layout, name)
    const size = values.length / (state.layout.find((tensor) => tensor.name === name)?.shape[0] ?? 1)
    values.fill(0, channel * size, (channel + 1) * size)
  }
}

describe('compact', () => {
  it('halves every hidden layer of a filter-pruned network, and keeps the logits', async () => {
    const state = compacted(await pruned(vggLike([4, 6, 8], 10), 1, {}))
    expect(sizes(state.spec)).toEqual({ conv1: 2, conv2: 3, conv3: 4, fc1: 5, fc2: 5 })
    expect(state.parameters.length).toBe(
      state.layout.reduce((sum, t) => sum + (t.arena === 'parameters' ? t.size : 0), 0),
    )
    expect(state.mask.length).toBe(state.parameters.length)
    expect(state.mask).not.toContain(0)
  })

  it('keeps the logits of random networks, whatever the structure, score and sparsity', async () => {
    for (let seed = 0; seed < 40; seed++) {
      const draw = random(seed)
      const width = () => 1 + Math.floor(draw() * 7)
      const specs = [
        () => vggLike([width(), width(), width()], width()),
        () => residual(width(), width(), width()),
        () => postActivation(width()),
      ]
      const spec = (specs[seed % 3] ?? specs[0])?.() ?? vggLike([1, 1, 1], 1)
      const structure = (['filter', 'v32x2', 'filter', 'unstructured'] as const)[seed % 4] ?? 'filter'
      for (const residualRule of ['inner', 'grouped'] as const) {
        const state = randomState(spec, seed)
        const mask = await pruneMask({
          spec,
          layout: state.layout,
          parameters: state.parameters,
          structure,
          scope: seed % 2 === 0 ? 'layer' : 'global',
          score: seed % 5 === 0 ? 'random' : 'magnitude',
          residual: residualRule,
          sparsity: 0.2 + 0.7 * draw(),
          // Tiny networks cannot meet every target.
        }).catch(() => ({ mask: state.mask }))
        const once = compacted({ ...state, mask: mask.mask })
        // Nothing is left to remove the second time.
        expect(compacted(once).spec).toEqual(once.spec)
      }
    }
  })

  it('shrinks a residual network inside its blocks, or its tied channels too', async () => {
    const inner = compacted(await pruned(residual(6, 8, 10), 3, { sparsity: 0.7 }))
    expect(sizes(inner.spec)).toEqual({
      stem: 6,
      'a.conv1': 3,
      'a.conv2': 6,
      'b.conv1': 3,
      'b.conv2': 8,
      'b.shortcut': 8,
      fc: 5,
    })
    const grouped = compacted(await pruned(residual(6, 8, 10), 3, { residual: 'grouped' }))
    expect(sizes(grouped.spec)).toEqual({
      stem: 3,
      'a.conv1': 5,
      'a.conv2': 3,
      'b.conv1': 5,
      'b.conv2': 4,
      'b.shortcut': 4,
      fc: 5,
    })
  })

  it('adds two batch-normed branches with a flattened linear layer after them', async () => {
    const state = compacted(await pruned(postActivation(6), 4, { residual: 'grouped' }))
    expect(sizes(state.spec)).toEqual({ conv1: 3, left: 3, right: 3, fc1: 3, fc2: 4 })
  })

  it('carries the mask of what survives', async () => {
    const state = await pruned(vggLike([4, 6, 8], 10), 5, {})
    const more = await pruneMask({
      ...state,
      previous: state.mask,
      structure: 'unstructured',
      sparsity: 0.85,
    })
    const smaller = compacted({ ...state, mask: more.mask })
    const weights = (of: State) => of.parameters.reduce((sum, w) => sum + (w === 0 ? 0 : 1), 0)
    expect(smaller.mask.reduce((sum, entry) => sum + entry, 0)).toBe(weights(smaller))
    expect(smaller.mask).toContain(0)
  })

  it('does not remove a zeroed filter whose batch norm still shifts it', () => {
    const state = randomState(vggLike([4, 6, 8], 10), 6)
    zeroChannel(state, 1, 'conv1.weight')
    expect(sizes(compacted(state).spec)).toMatchObject({ conv1: 4 })
    zeroChannel(state, 1, 'bn1.bias')
    // The running mean of that channel is not 0, so batch norm still emits a constant.
    expect(sizes(compacted(state).spec)).toMatchObject({ conv1: 4 })
    tensorOf(state.buffers, state.layout, 'bn1.running_mean')[1] = 0
    expect(sizes(compacted(state).spec)).toMatchObject({ conv1: 3 })
  })

  it('does not remove a filter with a bias, nor a channel that only one branch of a sum leaves empty', () => {
    const state = randomState(postActivation(5), 7)
    zeroChannel(state, 2, 'left.weight', 'leftBn.weight', 'leftBn.bias')
    expect(sizes(compacted(state).spec)).toMatchObject({ left: 5, right: 5 })
    zeroChannel(state, 2, 'right.weight', 'rightBn.weight', 'rightBn.bias')
    expect(sizes(compacted(state).spec)).toMatchObject({ left: 4, right: 4 })
    const neuron = randomState(vggLike([4, 6, 8], 10), 7)
    zeroChannel(neuron, 3, 'fc1.weight')
    expect(sizes(compacted(neuron).spec)).toMatchObject({ fc1: 10 })
    zeroChannel(neuron, 3, 'fc1.bias')
    expect(sizes(compacted(neuron).spec)).toMatchObject({ fc1: 9 })
  })

  it('removes a channel that every batch norm after it silences, though its filters are not empty', () => {
    const state = randomState(residual(6, 8, 10), 8)
    zeroChannel(state, 0, 'a.bn1.weight', 'a.bn1.bias', 'b.bn1.weight', 'b.bn1.bias')
    expect(sizes(compacted(state).spec)).toMatchObject({ stem: 5, 'a.conv2': 5 })
    const one = randomState(residual(6, 8, 10), 8)
    zeroChannel(one, 0, 'a.bn1.weight', 'a.bn1.bias')
    expect(sizes(compacted(one).spec)).toMatchObject({ stem: 6 })
  })

  it('follows emptiness through the network: what only dead channels feed is dead', () => {
    const state = randomState(
      network([conv('a', 3), relu('r'), conv('b', 4), relu('s'), flatten(), linear('fc', 2)]),
      9,
    )
    // Filter 1 of b reads channel 2 of a alone.
    const b = tensorOf(state.parameters, state.layout, 'b.weight')
    b.fill(0, 3 * 9, 5 * 9)
    zeroChannel(state, 2, 'a.weight')
    expect(sizes(compacted(state).spec)).toEqual({ a: 2, b: 3, fc: 2 })
  })

  it('removes channels that nothing reads, back through the layers before', () => {
    const state = randomState(
      network([conv('a', 3), relu('r'), conv('b', 4), relu('s'), flatten(), linear('fc', 2)]),
      10,
    )
    const fc = tensorOf(state.parameters, state.layout, 'fc.weight')
    for (const row of [0, 1]) fc.fill(0, (row * 4 + 1) * 64, (row * 4 + 2) * 64)
    expect(sizes(compacted(state).spec)).toEqual({ a: 3, b: 3, fc: 2 })
    // Channel 0 of a is only read by filter 1 of b, which is gone.
    const b = tensorOf(state.parameters, state.layout, 'b.weight')
    for (const row of [0, 2, 3]) b.fill(0, row * 27, row * 27 + 9)
    expect(sizes(compacted(state).spec)).toEqual({ a: 2, b: 3, fc: 2 })
  })

  it('leaves one channel of a layer that is empty altogether', () => {
    const state = randomState(vggLike([4, 6, 8], 10), 11)
    zero(state, 'conv2.weight', 'conv2.bias', 'bn2.weight', 'bn2.bias')
    expect(sizes(compacted(state).spec)).toMatchObject({ conv1: 1, conv2: 1, conv3: 8 })
    const residualState = randomState(residual(4, 4, 5), 11)
    zero(residualState, 'a.conv1.weight', 'a.bn2.weight', 'a.bn2.bias')
    expect(sizes(compacted(residualState).spec)).toMatchObject({ stem: 4, 'a.conv1': 1, 'b.conv1': 5 })
  })

  it('narrows a normalisation inside the network, and keeps channels that it moves away from 0', () => {
    const spec = (mean: number) =>
      network([
        conv('a', 3),
        relu('r'),
        normalize('n', [0.1, mean, 0.3], [1, 2, 3]),
        flatten(),
        linear('fc', 2),
      ])
    const moved = randomState(spec(0.2), 12)
    zeroChannel(moved, 1, 'a.weight')
    expect(sizes(compacted(moved).spec)).toMatchObject({ a: 3 })
    const still = randomState(spec(0), 12)
    zeroChannel(still, 1, 'a.weight')
    const { spec: smaller } = compacted(still)
    expect(smaller.nodes.find((node) => node.name === 'n')).toMatchObject({ mean: [0.1, 0.3], std: [1, 3] })
  })

  it('never touches the image or the logits, nor channels added to the image', () => {
    const spec = network([
      conv('a', 3, { inputs: ['image'] }),
      add('sum', ['image', 'a']),
      bn('bn'),
      conv('b', 4, { kernel: 8, padding: 0 }),
      flatten(),
    ])
    const state = randomState(spec, 13)
    zeroChannel(state, 0, 'a.weight', 'bn.weight', 'bn.bias', 'b.weight')
    zeroChannel(state, 2, 'a.weight')
    expect(compacted(state).spec).toEqual(spec)
  })

  it('removes runs of entries where a vector is added to a flattened map', () => {
    const spec = network(
      [
        conv('a', 6, { inputs: ['image'] }),
        flatten('fa'),
        linear('b', 24, { inputs: ['fa'] }),
        add('sum', ['fa', 'b']),
        relu('relu'),
        linear('fc', 3),
      ],
      [2, 2, 2],
    )
    const state = randomState(spec, 14)
    zeroChannel(state, 1, 'a.weight')
    for (const entry of [4, 5, 6]) zeroChannel(state, entry, 'b.weight', 'b.bias')
    expect(sizes(compacted(state).spec)).toMatchObject({ a: 6, b: 24 })
    zeroChannel(state, 7, 'b.weight', 'b.bias')
    expect(sizes(compacted(state).spec)).toMatchObject({ a: 5, b: 20 })
  })

  it('keeps the type of the numbers, and refuses arrays of another network', () => {
    const { spec, layout, parameters, buffers, mask } = randomState(
      network([conv('a', 3), pool('maxPool2d', 'p'), flatten(), linear('fc', 2)]),
      15,
    )
    const smaller = compact(spec, layout, Float32Array.from(parameters), new Float32Array(0), mask)
    expect(smaller.parameters).toEqual(Float32Array.from(parameters))
    expect(smaller.buffers).toBeInstanceOf(Float32Array)
    expect(() => compact(spec, layout, parameters.subarray(1), buffers, mask)).toThrow(CoppiceError)
    expect(() => compact(spec, layout, parameters, buffers, mask.subarray(1))).toThrow('mask')
    expect(() => compact(spec, layout, parameters, new Float64Array(2), mask)).toThrow('buffers')
  })
})
