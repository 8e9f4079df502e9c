import { beforeAll, describe, expect, it } from 'vitest'
import { autoAttack, pgd } from '../../lib/attacks/attack.js'
import type { Dataset } from '../../lib/data/dataset.js'
import { evaluate, type ImageOutcome } from '../../lib/evaluation/evaluate.js'
import { Network } from '../../lib/models/network.js'
import { adversarial, natural } from '../../lib/objectives/index.js'
import { train } from '../../lib/training/train.js'
import { tinyImages, tinySpec } from '../helpers.js'

let network: Network
let data: Dataset
beforeAll(async () => {
  network = await Network.create(tinySpec(), { seed: 1 })
  await train(network, await tinyImages(400), {
    epochs: 6,
    batchSize: 16,
    learningRate: 0.01,
    augment: 'none',
  })
  data = await tinyImages(203, 1)
})

describe('evaluate', () => {
  it('counts what the predictions say', async () => {
    const { n, accuracy, era, perSample } = await evaluate(network, data)
    const right = perSample.predictions.filter((prediction, index) => prediction === data.labels[index])
    expect(n).toBe(203)
    expect(accuracy).toMatchObject({ n: 203, successes: right.length })
    expect(perSample.labels).toEqual(data.labels)
    expect(era).toBeUndefined()
  })

  it('gives benign accuracy as ERA for ε = 0', async () => {
    const { accuracy, era } = await evaluate(network, data, { attack: pgd({ epsilon: 0 }) })
    expect(era).toEqual(accuracy)
  })

  it('never has more ERA than benign accuracy, image by image, and less for a larger ε', async () => {
    let before = Number.POSITIVE_INFINITY
    for (const epsilon of [2 / 255, 8 / 255, 24 / 255]) {
      const { accuracy, era, perSample } = await evaluate(network, data, {
        attack: pgd({ epsilon, stepSize: epsilon / 4 }),
      })
      expect(era?.successes).toBeLessThanOrEqual(Math.min(before, accuracy.successes))
      before = era?.successes ?? 0
      for (const [index, loss] of (perSample.adversarialLosses ?? []).entries()) {
        // The attack keeps its best point, and the start is one of them.
        if (perSample.predictions[index] === perSample.labels[index]) {
          expect(loss).toBeGreaterThanOrEqual((perSample.losses[index] ?? 0) - 0.05)
        }
      }
    }
    expect(before).toBeLessThan(150)
  })

  it('does not lose strength with restarts', async () => {
    const era = async (restarts: number) =>
      (await evaluate(network, data, { attack: pgd({ epsilon: 16 / 255, steps: 3, restarts }) })).era
        ?.successes
    expect(await era(4)).toBeLessThanOrEqual((await era(1)) ?? 0)
  })

  it('takes the attack of a robust objective, and none for a natural one', async () => {
    const robust = adversarial({ epsilon: 3 / 255, stepSize: 1 / 255, steps: 4 })
    const { attack, era } = await evaluate(network, data, { robust })
    expect(attack).toMatchObject({ epsilon: 3 / 255, stepSize: 1 / 255, steps: 4, restarts: 1 })
    expect(era).toBeDefined()
    expect((await evaluate(network, data, { robust: natural() })).attack).toBeUndefined()
  })

  it('evaluates the first images of a view, whatever the batch size', async () => {
    const view = data.subset([5, 3, 200, 7])
    const some = await evaluate(network, view, { images: 3, batchSize: 2 })
    expect([...some.perSample.indices]).toEqual([5, 3, 200])
    const all = await evaluate(network, data, { batchSize: 64 })
    expect([...some.perSample.predictions]).toEqual(
      [5, 3, 200].map((index) => all.perSample.predictions[index]),
    )
  })

  it('goes on from what was done, and comes to the same', async () => {
    const options = { attack: autoAttack({ epsilon: 24 / 255 }), images: 24, batchSize: 10, seed: 2 }
    const whole = await evaluate(network, data, options)
    const kept: ImageOutcome[] = []
    const controller = new AbortController()
    const interrupted = evaluate(network, data, {
      ...options,
      signal: controller.signal,
      onResult: (outcomes) => {
        kept.push(...outcomes)
        controller.abort(new Error('enough'))
      },
    })
    await expect(interrupted).rejects.toThrow('enough')
    expect(kept).toHaveLength(10)
    const progress: number[] = []
    const resumed = await evaluate(network, data, {
      ...options,
      done: kept.toReversed(),
      onResult: (outcomes) => void kept.push(...outcomes),
      onProgress: ({ samples, totalSamples }) => progress.push(samples / totalSamples),
    })
    expect(resumed).toEqual(whole)
    expect(kept.map(({ index }) => index)).toEqual(Array.from({ length: 24 }, (_, index) => index))
    expect(progress.at(-1)).toBe(1)
    expect(progress[0]).toBeGreaterThan(10 / 24)
    const again = await evaluate(network, data, { ...options, done: kept, onResult: () => expect.fail() })
    expect(again).toEqual(whole)
  })

  it('says how many images each attack of a cascade broke', async () => {
    const { broken, accuracy, era, perSample } = await evaluate(network, data, {
      attack: autoAttack({ epsilon: 24 / 255 }),
      images: 24,
    })
    expect(Object.keys(broken ?? {})).toEqual(['apgd-ce', 'apgd-t', 'fab-t', 'square'])
    const sum = Object.values(broken ?? {}).reduce((all, count) => all + count, 0)
    expect(accuracy.successes - (era?.successes ?? 0)).toBe(sum)
    perSample.brokenBy?.forEach((name, image) => {
      const right = perSample.predictions[image] === perSample.labels[image]
      const stands = perSample.adversarialPredictions?.[image] === perSample.labels[image]
      expect(name !== null).toBe(right && !stands)
    })
    expect(await evaluate(network, data, { attack: pgd(), images: 3 })).not.toHaveProperty('broken')
  })

  it('stops at an abort', async () => {
    const controller = new AbortController()
    const running = evaluate(network, data, {
      attack: pgd({ steps: 100_000 }),
      batchSize: 16,
      signal: controller.signal,
    })
    setTimeout(() => controller.abort(new Error('enough')), 20)
    await expect(running).rejects.toThrow('enough')
  })

  it('refuses wrong options by name', async () => {
    await expect(evaluate(network, data, { images: 204 })).rejects.toThrow('204 images are asked for')
    await expect(evaluate(network, data, { image: 3 } as object)).rejects.toThrow('did you mean "images"?')
    await expect(evaluate(network, data, { attack: { ...pgd(), epsilon: 2 } })).rejects.toThrow(
      'evaluate.attack.epsilon',
    )
  })
})
