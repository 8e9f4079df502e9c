import { beforeAll, describe, expect, it, vi } from 'vitest'
import { addon } from '../../bindings/load.js'
import type { BoundMethod, TrainRequest } from '../../bindings/native.js'
import { compress } from '../../lib/compression/compress.js'
import type { Dataset } from '../../lib/data/dataset.js'
import { Network } from '../../lib/models/network.js'
import { parseSpec } from '../../lib/networks/parse.js'
import type { NetworkSpec } from '../../lib/networks/spec.js'
import {
  crownIbp,
  ibp,
  mixTrain,
  nativeObjective,
  natural,
  type Objective,
} from '../../lib/objectives/index.js'
import { adam, sgd } from '../../lib/training/optimiser.js'
import { type TrainOptions, train } from '../../lib/training/train.js'
import { tinyImages, tinySpec } from '../helpers.js'
import { trainInterrupted } from './interrupted.js'

/** As tinySpec, without batch norm. */
const plainSpec = (): NetworkSpec =>
  parseSpec({
    name: 'plain',
    input: [3, 8, 8],
    nodes: [
      { op: 'conv2d', name: 'conv', channels: 6, kernel: 3, padding: 1, stride: 2 },
      { op: 'relu', name: 'relu' },
      { op: 'flatten', name: 'flatten' },
      { op: 'linear', name: 'fc1', features: 12 },
      { op: 'relu', name: 'relu1' },
      { op: 'linear', name: 'fc2', features: 4 },
    ],
  })

const epsilon = 16 / 255
const objectives: [string, Objective][] = [
  ['mixTrain', mixTrain({ epsilon, k: 4 })],
  ['mixTrain, convex and detached', mixTrain({ epsilon, k: 16, mix: 'convex', gradient: 'detached' })],
  ['mixTrain on CROWN', mixTrain({ epsilon, k: 4, bound: 'crown' })],
  ['mixTrain on intervals', mixTrain({ epsilon, k: 4, bound: 'interval' })],
  ['ibp', ibp({ epsilon })],
  ['crownIbp', crownIbp({ epsilon })],
]

const options = {
  epochs: 3,
  batchSize: 16,
  optimiser: adam(),
  learningRate: 0.01,
  schedule: { kind: 'cosine' },
  augment: { pad: 1, flip: false },
  seed: 5,
} as const satisfies TrainOptions

/** For what should be learned in a hundred steps. */
const linear = { naturalEpochs: 0, rampEpochs: 4, rampPower: 1 }

const verifier = { intersect: false, clip: true, memory: 2 ** 28, iterations: 0, epsilon } as const

const boundOf = (objective: Objective): BoundMethod => {
  const native = nativeObjective(objective)
  if (native.kind !== 'verified') throw new Error(`${objective.kind} is not on bounds`)
  return native.bound as BoundMethod
}

const fresh = (spec = plainSpec()) => Network.create(spec, { seed: 1 })
const trained = async (data: Dataset, objective: Objective, changes: Partial<TrainOptions> = {}) => {
  const network = await fresh()
  const summary = await train(network, data, { ...options, objective, ...changes })
  return { network, summary, parameters: (await network.read()).parameters }
}

/** What the native loop was asked to do while `work` ran. */
const requestsOf = async (work: () => Promise<unknown>): Promise<TrainRequest[]> => {
  const spy = vi.spyOn(addon(), 'train')
  try {
    await work()
    return spy.mock.calls.map(([, , request]) => request)
  } finally {
    spy.mockRestore()
  }
}

/** A naturally trained network, to compare with. */
let naturally: Network
beforeAll(async () => {
  naturally = (await trained(await tinyImages(200), natural(), { epochs: 10 })).network
})

describe.each(objectives)('training with %s', (_, objective) => {
  it('learns, and remembers the objective', async () => {
    const { network, summary } = await trained(await tinyImages(200), objective, { epochs: 6, ...linear })
    expect(summary.loss).toBeGreaterThan(0)
    expect(summary.loss).toBeLessThan(Number.POSITIVE_INFINITY)
    expect(summary.accuracy).toBeGreaterThan(60)
    expect(network.history).toEqual({ objective })
  })

  it.each([
    ['', plainSpec],
    [' with batch norm', tinySpec],
  ])('ends in the same bits when it is interrupted at every step%s', async (_name, spec) => {
    const data = await tinyImages(50)
    const straight = await fresh(spec())
    const whole = await train(straight, data, { ...options, objective })
    const { state, summary } = await trainInterrupted(await (await fresh(spec())).read(), data, {
      ...options,
      objective,
    })
    expect(summary).toEqual(whole)
    expect(state.parameters).toEqual((await straight.read()).parameters)
    expect(state.buffers).toEqual((await straight.read()).buffers)
  })

  it('proves more images than natural training, by the bound it trains on', async () => {
    const data = await tinyImages(200)
    const proved = async ({ handle }: Network) => {
      const request = { ...verifier, method: boundOf(objective), indices: data.indices, batchSize: 100 }
      const { margins } = await addon().verify(handle, data.handle, request, null).promise
      return margins.filter((margin) => margin > 0).length
    }
    const { network } = await trained(data, objective, { epochs: 10, ...linear })
    expect(await proved(network)).toBeGreaterThan(20 + (await proved(naturally)))
  })
})

describe('training on bounds', () => {
  it('is natural training where no batch is bounded', async () => {
    const data = await tinyImages(100)
    const { parameters } = await trained(data, natural())
    for (const objective of [mixTrain({ alpha: 0 }), ibp({ kappa: 1 }), crownIbp({ kappa: 1 })])
      expect((await trained(data, objective)).parameters).toEqual(parameters)
  })

  it('is natural training up to rounding where the box is a point', async () => {
    const data = await tinyImages(100)
    const once = { optimiser: sgd(), epochs: 1 }
    const { parameters } = await trained(data, natural(), once)
    for (const objective of [ibp({ epsilon: 0 }), crownIbp({ epsilon: 0 })]) {
      const point = await trained(data, objective, once)
      const differences = point.parameters.map((value, i) => Math.abs(value - Number(parameters[i])))
      expect(Math.max(...differences)).toBeLessThan(1e-6)
    }
  })

  it.each([mixTrain({ epsilon, k: 2, mix: 'convex' }), ibp({ epsilon }), crownIbp({ epsilon })])(
    'by $kind starts naturally, and lets ε grow by its fourth power',
    async (objective) => {
      const network = await fresh()
      const images = await tinyImages(64)
      const requests = await requestsOf(() => train(network, images, { ...options, objective, epochs: 8 }))
      const every = (key: 'epsilonFactors' | 'cleanWeights' | 'robustWeights') =>
        requests.flatMap((request) => [...request[key]])
      // One natural epoch, and five of the ramp, of four steps each.
      const done = Array.from({ length: 32 }, (_, step) => Math.min(1, Math.max(0, (step - 4) / 20)))
      every('epsilonFactors').forEach((factor, step) => {
        expect(factor).toBeCloseTo(Number(done[step]) ** 4, 12)
      })
      expect(every('cleanWeights').slice(0, 4)).toEqual([1, 1, 1, 1])
      expect(every('robustWeights').slice(0, 4)).toEqual([0, 0, 0, 0])
      expect(
        every('robustWeights')
          .slice(5)
          .every((weight) => weight > 0),
      ).toBe(true)
    },
  )

  it('lets ε and the weight grow while pre-training, and fine-tunes at their end', async () => {
    const data = await tinyImages(64)
    const network = await fresh()
    const objective = mixTrain({ epsilon, k: 2, alpha: 1 })
    const ramp = { naturalEpochs: 0, rampEpochs: 1, rampPower: 1 }
    const pretrain = await requestsOf(() => train(network, data, { ...options, ...ramp, objective }))
    expect(pretrain.map(({ epsilonFactors }) => [...epsilonFactors])).toEqual([
      [0, 0.25, 0.5, 0.75],
      [1, 1, 1, 1],
      [1, 1, 1, 1],
    ])
    const weights = pretrain.flatMap(({ robustWeights }) => [...robustWeights])
    expect(weights.slice(0, 5)).toEqual([0.1, 0.1, 0.1, 0.1, 0.1])
    expect(weights).toEqual(weights.toSorted((a, b) => a - b))
    expect(weights.at(-1)).toBe(50)
    const tune = await requestsOf(async () => {
      for await (const _ of compress(network, data, {
        sparsity: 0.5,
        steps: 2,
        epochsPerStep: 1,
        batchSize: 16,
      })) {
        // Only the requests matter.
      }
    })
    expect(tune).toHaveLength(2)
    for (const { epsilonFactors, cleanWeights, robustWeights } of tune) {
      expect([...epsilonFactors, ...cleanWeights]).toEqual(new Array(8).fill(1))
      expect([...robustWeights]).toEqual(new Array(4).fill(50))
    }
  })

  it('draws the coin anew in every epoch and step of pruning', async () => {
    const data = await tinyImages(128)
    const network = await fresh()
    const objective = mixTrain({ epsilon, k: 1, alpha: 0.5 })
    const requests = await requestsOf(async () => {
      await train(network, data, { ...options, batchSize: 4, objective })
      for await (const _ of compress(network, data, {
        sparsity: 0.5,
        steps: 2,
        epochsPerStep: 1,
        batchSize: 4,
      })) {
        // Only the requests matter.
      }
    })
    const coins = requests.map(({ robustWeights }) =>
      robustWeights.map((weight) => Math.sign(weight)).join(''),
    )
    expect(coins).toHaveLength(5)
    expect(new Set(coins).size).toBe(5)
  })

  it('fine-tunes with another k, and records both', async () => {
    const data = await tinyImages(64)
    const { network } = await trained(data, mixTrain({ epsilon, k: 4 }), { epochs: 1 })
    const objective = mixTrain({ epsilon, k: 1 })
    for await (const step of compress(network, data, {
      sparsity: 0.5,
      steps: 1,
      epochsPerStep: 1,
      objective,
    }))
      expect(step).toMatchObject({ matched: false, objective })
    expect(network.history).toEqual({ objective: mixTrain({ epsilon, k: 4 }), fineTunedWith: objective })
  })
})
