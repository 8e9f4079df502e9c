import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { settle } from '../../bindings/jobs.js'
import { addon } from '../../bindings/load.js'
import type { OnWarning, WarningCode } from '../../lib/base/warnings.js'
import { compress } from '../../lib/compression/compress.js'
import { builtin, type Dataset } from '../../lib/data/index.js'
import { Network } from '../../lib/models/network.js'
import { networkSpec } from '../../lib/networks/index.js'
import { parseSpec } from '../../lib/networks/parse.js'
import { adversarial, ibp, mixTrain, natural, type Objective } from '../../lib/objectives/index.js'
import { type TrainOptions, train } from '../../lib/training/train.js'
import { tinyImages, tinySpec } from '../helpers.js'

/** Six hidden layers: from pixels to logits the bounds of fresh weights grow a hundred thousand times wider. */
const deepSpec = () =>
  parseSpec({
    name: 'deep',
    input: [3, 8, 8],
    nodes: [
      { op: 'flatten', name: 'flatten' },
      ...[1, 2, 3, 4, 5, 6].flatMap((layer) => [
        { op: 'linear' as const, name: `fc${layer}`, features: 64, init: 'kaimingFanIn' as const },
        { op: 'relu' as const, name: `relu${layer}` },
      ]),
      { op: 'linear', name: 'logits', features: 4 },
    ],
  })

const epsilon = 4 / 255

/** Trains a fresh deep network, and listens. */
const trained = async (data: Dataset, objective: Objective, changes: Partial<TrainOptions> = {}) => {
  const warnings: { message: string; code: WarningCode; epoch: number }[] = []
  let epoch = 1
  const network = await Network.create(deepSpec(), { seed: 1 })
  const { accuracy } = await train(network, data, {
    ...{ objective, epochs: 12, batchSize: 16 },
    onEpoch: (result) => {
      epoch = result.epoch + 1
    },
    onWarning: (message, code) => warnings.push({ message, code, epoch }),
    ...changes,
  })
  return { network, accuracy, warnings }
}

const provedByIntervals = async ({ handle }: Network, data: Dataset): Promise<number> => {
  const request = { intersect: false, clip: true, memory: 2 ** 28, iterations: 0, epsilon, batchSize: 100 }
  const { margins } = await settle(() =>
    addon().verify(handle, data.handle, { ...request, method: 'interval', indices: data.indices }, null),
  )
  return margins.filter((margin) => margin > 0).length / data.length
}

describe('training on bounds', () => {
  const sudden = { naturalEpochs: 0, rampEpochs: 4, rampPower: 1 }

  it.each([ibp({ epsilon }), mixTrain({ epsilon, k: 4, bound: 'interval', mix: 'convex' })])(
    'by $kind starts by default, where a linear ramp from the first step ends at chance',
    async (objective) => {
      const data = await tinyImages(640)
      const gentle = await trained(data, objective)
      expect(gentle.warnings).toEqual([])
      expect(gentle.accuracy).toBeGreaterThan(60)
      expect(await provedByIntervals(gentle.network, data)).toBeGreaterThan(0.4)
      const { accuracy, warnings } = await trained(data, objective, sudden)
      expect(accuracy).toBeLessThan(50)
      expect(warnings.map(({ code }) => code)).toContain('COPPICE_CHANCE')
    },
  )

  it('says within the first epochs when it is at chance, with a remedy that works', async () => {
    const data = await tinyImages(640)
    const objective = ibp({ epsilon })
    const { warnings } = await trained(data, objective, sudden)
    expect(warnings[0]?.epoch).toBeLessThanOrEqual(3)
    const [, remedy = ''] = /: try the default ([^;]*); else/.exec(warnings[0]?.message ?? '') ?? []
    const options = Object.fromEntries(
      remedy.split(', ').map((option) => {
        const [key, word = ''] = option.split(': ')
        return [key, Number.isNaN(Number(word)) ? word : Number(word)]
      }),
    )
    expect(options).toMatchObject({ rampPower: 4 })
    const mended = await trained(data, objective, options)
    expect(mended.warnings).toEqual([])
    expect(mended.accuracy).toBeGreaterThan(60)
  })
})

describe('adversarial training of a network without batch norm', () => {
  it('starts by default within two epochs', async () => {
    const data = await builtin({ train: 2400, test: 200, validation: 0 })
    const network = await Network.create(networkSpec('cifarLarge', { scale: 0.25 }), { seed: 1 })
    await train(network, data.train, { objective: adversarial({ steps: 3 }), epochs: 2, batchSize: 32 })
    const request = {
      indices: data.test.indices,
      batchSize: 100,
      precision: 'fp32',
      attack: null,
      seed: 0,
    } as const
    const { predictions } = await settle(() =>
      addon().evaluate(network.handle, data.test.handle, request, null),
    )
    const right = data.test.labels.filter((label, index) => label === predictions[index]).length
    expect(right / data.test.length).toBeGreaterThan(0.4)
  })
})

describe('warnings', () => {
  const told = (): [message: string, options: object][] => {
    const spy = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined)
    onTestFinished(() => spy.mockRestore())
    return spy.mock.calls as unknown as [string, object][]
  }
  /** A rate at which nothing is learned. */
  const idle = { objective: natural(), epochs: 1, batchSize: 64, learningRate: 1e-9 } as const

  it('are Node’s own, with a type and a code, unless somebody listens', async () => {
    const warnings = told()
    const data = await tinyImages(640)
    const network = await Network.create(tinySpec(), { seed: 1 })
    await train(network, data, idle)
    expect(warnings).toEqual([
      [expect.stringContaining('at chance'), { type: 'CoppiceWarning', code: 'COPPICE_CHANCE' }],
    ])
    const heard: Parameters<OnWarning>[] = []
    await train(network, data, { ...idle, onWarning: (...warning) => heard.push(warning) })
    expect(heard).toEqual([[warnings[0]?.[0], 'COPPICE_CHANCE']])
    expect(warnings).toHaveLength(1)
  })

  it('tell of fine-tuning under another objective, and of none under the same', async () => {
    const warnings = told()
    const data = await tinyImages(160)
    const objective = adversarial({ steps: 1, epsilon: 2 / 255 })
    const network = await Network.create(tinySpec(), { seed: 1 })
    await train(network, data, { objective, epochs: 3, batchSize: 16, learningRate: 0.02 })
    const settings = { sparsity: 0.2, steps: 2, epochsPerStep: 1, batchSize: 16 }
    for await (const _ of compress(network, data, settings)) {
      // Only the warnings matter.
    }
    expect(warnings).toEqual([])
    for await (const _ of compress(network, data, { ...settings, sparsity: 0.3, objective: natural() })) {
      // Only the warnings matter.
    }
    expect(warnings).toEqual([
      [expect.stringMatching(/natural.*adversarial/), { type: 'CoppiceWarning', code: 'COPPICE_MISMATCH' }],
    ])
  })
})
