import { describe, expect, it } from 'vitest'
import type { Device } from '../../bindings/native.js'
import { CoppiceError } from '../../lib/base/errors.js'
import { Network } from '../../lib/models/network.js'
import { adversarial, natural } from '../../lib/objectives/index.js'
import { adam, sgd } from '../../lib/training/optimiser.js'
import type { TrainCursor } from '../../lib/training/plan.js'
import { type TrainOptions, train } from '../../lib/training/train.js'
import { tinyImages, tinySpec } from '../helpers.js'
import { trainInterrupted } from './interrupted.js'

const options = {
  objective: adversarial({ epsilon: 4 / 255, steps: 2 }),
  epochs: 3,
  batchSize: 16,
  optimiser: adam(),
  learningRate: 0.01,
  schedule: { kind: 'cosine' },
  rampEpochs: 1,
  augment: { pad: 1, flip: false },
  seed: 5,
} as const satisfies TrainOptions

const parameters = async (network: Network) => (await network.read()).parameters

describe('train', () => {
  it('gives the same bits for the same seed, and others for another', async () => {
    const data = await tinyImages(100)
    const trained = async (seed: number) => {
      const network = await Network.create(tinySpec(), { seed: 1 })
      await train(network, data, { ...options, seed })
      return parameters(network)
    }
    const first = await trained(5)
    expect(await trained(5)).toEqual(first)
    expect(await trained(6)).not.toEqual(first)
  })

  it('learns what can be learned, and remembers the objective', async () => {
    const network = await Network.create(tinySpec(), { seed: 1 })
    const epochs: number[] = []
    const summary = await train(network, await tinyImages(400), {
      ...options,
      objective: natural(),
      epochs: 6,
      onEpoch: ({ accuracy }) => epochs.push(accuracy),
    })
    expect(epochs).toHaveLength(6)
    expect(summary.accuracy).toBeGreaterThan(80)
    expect(summary.accuracy).toBe(epochs.at(-1))
    expect(network.history).toEqual({ objective: natural() })
  })

  it.each([
    ['adam', adam()],
    ['sgd', sgd({ nesterov: true })],
  ])(
    'ends in the same bits when it is interrupted at every step and taken up elsewhere (%s)',
    async (_, optimiser) => {
      const data = await tinyImages(50)
      const straight = await Network.create(tinySpec(), { seed: 1 })
      const whole = await train(straight, data, { ...options, optimiser })

      const fresh = await (await Network.create(tinySpec(), { seed: 1 })).read()
      const { state, summary } = await trainInterrupted(fresh, data, { ...options, optimiser })
      expect(summary).toEqual(whole)
      expect(state.parameters).toEqual(await parameters(straight))
      expect(state.buffers).toEqual((await straight.read()).buffers)
    },
  )

  it('ends in the same bits when it is interrupted and averages its weights', async () => {
    const averaged = { ...options, averaging: 0.8, labelSmoothing: 0.1, epochs: 2 }
    const data = await tinyImages(50)
    const straight = await Network.create(tinySpec(), { seed: 1 })
    await train(straight, data, averaged)
    const fresh = await (await Network.create(tinySpec(), { seed: 1 })).read()
    const { state } = await trainInterrupted(fresh, data, averaged)
    expect(state.parameters).toEqual(await parameters(straight))
    expect(state.buffers).toEqual((await straight.read()).buffers)
  })

  it('stops at an abort with the work of the last batch kept, and says why', async () => {
    const network = await Network.create(tinySpec(), { seed: 1 })
    const controller = new AbortController()
    let saved: TrainCursor | undefined
    const save = async (cursor: TrainCursor) => {
      saved = cursor
    }
    const running = train(network, await tinyImages(2000), {
      ...options,
      epochs: 1000,
      signal: controller.signal,
      onProgress: () => controller.abort(new Error('enough')),
      checkpoint: { dueIn: () => 1e9, save },
    })
    await expect(running).rejects.toThrow('enough')
    expect(saved?.epoch).toBeLessThan(999)
    await expect(
      train(network, await tinyImages(10), { ...options, signal: controller.signal }),
    ).rejects.toThrow('enough')
  })

  it('reports a diverged loss with advice', async () => {
    const network = await Network.create(tinySpec(), { seed: 1 })
    const running = train(network, await tinyImages(200), {
      ...options,
      optimiser: sgd(),
      learningRate: 1e6,
      epochs: 5,
    })
    await expect(running).rejects.toMatchObject({ code: 'ERR_DIVERGED' })
    await expect(running).rejects.toThrow(/learningRate|learning rate/)
  })

  it('says when training stays at chance', async () => {
    const warnings: string[] = []
    await train(await Network.create(tinySpec(), { seed: 1 }), await tinyImages(400), {
      ...options,
      learningRate: 1e-9,
      onWarning: (message) => warnings.push(message),
    })
    expect(warnings).toHaveLength(1)
    expect(warnings[0]).toContain('still at chance')
  })

  it('says once that a ramp was too fast: that what was learned at a small ε collapsed to chance', async () => {
    const warnings: string[] = []
    const accuracies: number[] = []
    await train(await Network.create(tinySpec(), { seed: 1 }), await tinyImages(400), {
      ...options,
      ...{
        objective: adversarial({ epsilon: 0.3, stepSize: 0.2, steps: 5 }),
        learningRate: 0.001,
        augment: 'none',
      },
      ...{ epochs: 24, batchSize: 8, rampEpochs: 16, schedule: { kind: 'constant' } },
      onEpoch: ({ accuracy }) => accuracies.push(accuracy),
      onWarning: (message) => warnings.push(message),
    })
    expect(Math.max(...accuracies)).toBeGreaterThan(50)
    expect(warnings).toHaveLength(1)
    expect(warnings[0]).toMatch(
      /^training collapsed to chance in epoch \d+ of 24 \(.*ε .*\): try a slower ramp \(rampEpochs: 32, epochs: 48\)/,
    )
  })

  it('says when the ramp is longer than the training', async () => {
    const warnings: string[] = []
    await train(await Network.create(tinySpec(), { seed: 1 }), await tinyImages(100), {
      ...options,
      objective: adversarial({ steps: 1 }),
      epochs: 1,
      rampEpochs: 2,
      onWarning: (message) => warnings.push(message),
    })
    expect(warnings).toContainEqual(expect.stringContaining('ε never reaches its full size'))
  })

  it('trains in float64 and in bf16', async () => {
    const data = await tinyImages(200)
    for (const settings of [{ type: 'float64' }, { type: 'float32' }] as const) {
      const network = await Network.create(tinySpec(), { ...settings, seed: 1 })
      const precision = settings.type === 'float32' ? 'bf16' : undefined
      const { accuracy } = await train(network, data, {
        ...options,
        objective: natural(),
        epochs: 6,
        precision,
      })
      expect(accuracy).toBeGreaterThan(60)
    }
  })

  it('shares batches among threads of the CPU, and refuses devices that are none', async () => {
    const data = await tinyImages(64)
    const trained = async (moreDevices: Device[]) => {
      const network = await Network.create(tinySpec(), { seed: 1 })
      const options = { epochs: 1, batchSize: 16, learningRate: 0.01, moreDevices }
      await train(network, data, options)
      return (await network.read()).parameters
    }
    const [one, three] = [await trained([]), await trained(['cpu', 'cpu'])]
    one.forEach((value, index) => void expect(three[index]).toBeCloseTo(value, 4))
    await expect(trained(['gpu' as Device])).rejects.toThrow(/moreDevices.*expected cpu, cuda or cuda:N/)
    await expect(trained(['cuda:7'])).rejects.toMatchObject({ code: expect.stringMatching(/^ERR_/) })
  })

  it('refuses wrong options by name', async () => {
    const network = await Network.create(tinySpec(), { seed: 1 })
    const data = await tinyImages(10)
    const wrong = (change: object) => train(network, data, { ...options, ...change } as TrainOptions)
    await expect(wrong({ epochs: 0 })).rejects.toThrow('train.epochs')
    await expect(wrong({ batchsize: 3 })).rejects.toThrow('did you mean "batchSize"?')
    await expect(wrong({ learningRate: -1 })).rejects.toThrow('train.learningRate')
    await expect(wrong({ precision: 'fp64' })).rejects.toBeInstanceOf(CoppiceError)
    await expect(train(network, data.take(0), options)).rejects.toThrow('empty')
  })
})
