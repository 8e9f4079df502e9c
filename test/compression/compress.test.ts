import { beforeAll, describe, expect, it } from 'vitest'
import { settle } from '../../bindings/jobs.js'
import {
  type CompressCursor,
  type CompressOptions,
  type CompressStep,
  compress,
} from '../../lib/compression/compress.js'
import type { Dataset } from '../../lib/data/dataset.js'
import { Network } from '../../lib/models/network.js'
import type { NetworkState } from '../../lib/models/state.js'
import { adversarial, natural } from '../../lib/objectives/index.js'
import { train } from '../../lib/training/train.js'
import { tinyImages, tinySpec } from '../helpers.js'

const robust = adversarial({ epsilon: 4 / 255, steps: 2 })
const options = {
  sparsity: 0.8,
  steps: 3,
  epochsPerStep: 2,
  batchSize: 16,
  learningRate: 0.01,
  augment: 'none',
  seed: 2,
} as const satisfies CompressOptions

let data: Dataset
let dense: NetworkState
beforeAll(async () => {
  data = await tinyImages(200)
  const network = await Network.create(tinySpec(), { seed: 1 })
  await train(network, data, { ...{ objective: robust, epochs: 4, batchSize: 16, learningRate: 0.01 } })
  dense = await network.read()
})

const compressed = async (changes: Partial<CompressOptions> = {}) => {
  const network = await Network.from(dense)
  const steps: CompressStep[] = []
  for await (const step of compress(network, data, { ...options, ...changes })) steps.push(step)
  return { network, steps, state: await network.read() }
}

const zeros = ({ layout, parameters }: NetworkState) => {
  const prunable = layout.filter((tensor) => tensor.prunable)
  const values = prunable.flatMap(({ offset, size }) => [...parameters.subarray(offset, offset + size)])
  return { total: values.length, zero: values.filter((value) => value === 0).length }
}

describe('compress', () => {
  it('reaches the target exactly and keeps pruned weights at zero through momentum and decay', async () => {
    const masks: Uint8Array[] = []
    const network = await Network.from(dense)
    for await (const step of compress(network, data, { ...options, milestones: [0.5] })) {
      const state = await network.read()
      const { total, zero } = zeros(state)
      expect(zero).toBe(Math.round(step.target * total))
      expect(step.sparsity).toBe(zero / total)
      masks.push(state.mask)
    }
    masks.forEach((mask, index) => {
      // What was pruned stays pruned.
      mask.forEach((kept, place) => {
        expect(kept).toBeLessThanOrEqual(masks[index - 1]?.[place] ?? 1)
      })
    })
    expect(masks).toHaveLength(3)
  })

  it('fine-tunes with the objective of training, and tells when it does not', async () => {
    const matched = await compressed()
    expect(matched.steps.map(({ objective, matched: same }) => [objective, same])).toEqual(
      Array.from({ length: 3 }, () => [robust, true]),
    )
    expect(matched.network.history).toEqual({ objective: robust, fineTunedWith: robust })
    const other = await compressed({ objective: natural() })
    expect(other.steps.at(-1)).toMatchObject({ objective: natural(), matched: false })
    expect(other.network.history).toEqual({ objective: robust, fineTunedWith: natural() })
    expect(other.state.parameters).not.toEqual(matched.state.parameters)
  })

  it('only prunes with no epochs of fine-tuning', async () => {
    const { state, steps, network } = await compressed({ epochsPerStep: 0, steps: 1 })
    state.parameters.forEach((value, index) => {
      expect(value).toBe(state.mask[index] === 0 ? 0 : dense.parameters[index])
    })
    expect(steps[0]).not.toHaveProperty('objective')
    expect(network.history).toEqual({ objective: robust })
  })

  it('prunes filters with what belongs to them, and compacts', async () => {
    const { network, steps } = await compressed({ structure: 'filter', sparsity: 0.5 })
    expect(steps.at(-1)?.filters).toEqual({ total: 18, pruned: 9 })
    const smaller = await network.compact()
    expect(smaller.parameterCount).toBeLessThan(network.parameterCount / 2)
  })

  it.each(['v32x2', 'block', '2:4'] as const)(
    'prunes %s in steps, and trains what is left',
    async (structure) => {
      const sparsity = structure === '2:4' ? 0.5 : 0.7
      for (const score of ['magnitude', 'learned'] as const) {
        const { steps, state } = await compressed({
          structure,
          sparsity,
          score,
          scoreEpochs: 1,
          epochsPerStep: 1,
        })
        const { zero, total } = zeros(state)
        expect(steps.at(-1)?.sparsity).toBe(zero / total)
        // The first layer has 3 inputs, of which 2:4 keeps 2; a block is up to 12 × 6 of 1,362 weights.
        expect(Math.abs(zero / total - sparsity)).toBeLessThan(structure === 'block' ? 0.03 : 0.021)
        expect(
          state.parameters.some((value, index) => value !== dense.parameters[index] && value !== 0),
        ).toBe(true)
      }
    },
  )

  it('learns scores while the weights stand still', async () => {
    const { state } = await compressed({ score: 'learned', scoreEpochs: 1, epochsPerStep: 0, steps: 1 })
    const { zero, total } = zeros(state)
    expect(zero).toBe(Math.round(0.8 * total))
    state.parameters.forEach((value, index) => {
      expect(value).toBe(state.mask[index] === 0 ? 0 : dense.parameters[index])
    })
    const byMagnitude = await compressed({ epochsPerStep: 0, steps: 1 })
    expect(state.mask).not.toEqual(byMagnitude.state.mask)
  })

  it.each([
    ['weights', {}],
    ['learned scores', { score: 'learned', scoreEpochs: 1 }],
    ['vectors', { structure: 'v32x2', scope: 'global', epochsPerStep: 1 }],
    ['2:4', { structure: '2:4', sparsity: 0.5, epochsPerStep: 1 }],
  ] as const)('ends in the same bits when it is interrupted at every step (%s)', async (_, changes) => {
    const straight = await compressed(changes)
    let held: { state: NetworkState; moment1: Float32Array; moment2: Float32Array } = {
      state: dense,
      moment1: new Float32Array(),
      moment2: new Float32Array(),
    }
    let start: CompressOptions['start']
    const steps = new Map<number, CompressStep>()
    for (let finished = false, attempts = 0; !finished; attempts++) {
      expect(attempts).toBeLessThan(300)
      const network = await Network.from(held.state)
      const { handle } = network
      if (held.moment1.length > 0) await settle(() => handle.write('moment1', held.moment1))
      if (held.moment2.length > 0) await settle(() => handle.write('moment2', held.moment2))
      const controller = new AbortController()
      const save = async (cursor: CompressCursor, scores: Float32Array | undefined) => {
        start = { cursor: JSON.parse(JSON.stringify(cursor)) as CompressCursor, scores }
        held = {
          state: await network.read(),
          moment1: (await settle(() => handle.read('moment1'))) as Float32Array,
          moment2: (await settle(() => handle.read('moment2'))) as Float32Array,
        }
        controller.abort()
      }
      try {
        const generator = compress(network, data, {
          ...options,
          ...changes,
          start,
          signal: controller.signal,
          checkpoint: {
            dueIn: () => 0,
            save: (cursor, scores) => save(cursor, scores as Float32Array | undefined),
          },
        })
        for await (const step of generator) steps.set(step.step, step)
        held.state = await network.read()
        finished = true
      } catch (error) {
        expect(error).toBe(controller.signal.reason)
      }
      network.dispose()
    }
    expect([...steps.values()]).toEqual(straight.steps)
    expect(held.state.parameters).toEqual(straight.state.parameters)
    expect(held.state.mask).toEqual(straight.state.mask)
    expect(held.state.buffers).toEqual(straight.state.buffers)
  })

  it('refuses what cannot be done, and says why', async () => {
    const refused = (changes: object) => compressed(changes as Partial<CompressOptions>)
    await expect(refused({ sparsity: 1 })).rejects.toThrow('compress.sparsity')
    await expect(refused({ structure: 'filters' })).rejects.toThrow('did you mean "filter"?')
    await expect(refused({ structure: 'filter', sparsity: 0.99 })).rejects.toThrow('at least one')
    await expect(refused({ structure: 'v32x' })).rejects.toThrow('did you mean "v32x2"?')
    // Before anything is trained, not at the step that would go too far.
    const network = await Network.from(dense)
    const beyond = compress(network, data, { ...options, structure: '2:4', sparsity: 0.6 })
    await expect(beyond.next()).rejects.toThrow('at most 0.5')
    expect((await network.read()).parameters).toEqual(dense.parameters)
    const fresh = await Network.create(tinySpec())
    await expect(compress(fresh, data, options).next()).rejects.toThrow('objective')
  })
})
