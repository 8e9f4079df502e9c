import { beforeAll, describe, expect, it } from 'vitest'
import { attackWithin } from '../../lib/attacks/attack.js'
import type { Dataset } from '../../lib/data/dataset.js'
import { evaluate } from '../../lib/evaluation/evaluate.js'
import { Network } from '../../lib/models/network.js'
import { adversarial } from '../../lib/objectives/index.js'
import { train } from '../../lib/training/train.js'
import { type VerifierOptions, verifierNames } from '../../lib/verification/index.js'
import { consistent, verify } from '../../lib/verification/verify.js'
import { tinyImages, tinySpec } from '../helpers.js'

const epsilon = 3 / 255
let network: Network
let data: Dataset
beforeAll(async () => {
  network = await Network.create(tinySpec(), { seed: 1 })
  const objective = adversarial({ epsilon: 8 / 255, steps: 4 })
  const settings = { epochs: 8, batchSize: 16, learningRate: 0.01, augment: 'none' } as const
  await train(network, await tinyImages(400), { ...settings, objective })
  data = await tinyImages(203, 1)
})

describe('verify', () => {
  it.each(verifierNames)('gives benign accuracy as VRA for ε = 0 (%s)', async (verifier) => {
    const { vra, accuracy, unknown, n } = await verify(network, data, { verifier, epsilon: 0 })
    const benign = (await evaluate(network, data)).accuracy
    expect([vra, accuracy, unknown, n]).toEqual([benign, benign, 0, 203])
  })

  it.each(verifierNames)('proves nothing in the box of all images (%s)', async (verifier) => {
    const { vra } = await verify(network, data, { verifier, epsilon: 1, images: 40 })
    expect(vra.successes).toBe(0)
  })

  it('proves less than no attack can break, image by image, and tighter methods prove no less', async () => {
    const attack = attackWithin(epsilon, 'pgd20x3')
    const evaluation = await evaluate(network, data, { attack })
    const found = []
    for (const verifier of verifierNames) {
      const verification = await verify(network, data, { verifier, epsilon, evaluation, batchSize: 50 })
      expect(verification.accuracy).toEqual(evaluation.accuracy)
      expect(verification.vra.successes).toBeLessThanOrEqual(evaluation.era?.successes ?? 0)
      found.push(verification)
    }
    expect(await consistent(network, data, found)).toEqual(found)
    const proved = Object.fromEntries(found.map(({ verifier, vra }) => [verifier.kind, vra.successes]))
    expect(proved.crownIbp).toBeGreaterThanOrEqual(proved.interval ?? 0)
    expect(proved.alphaCrown).toBeGreaterThanOrEqual(proved.crown ?? 0)
    expect(proved.cascade).toBeGreaterThanOrEqual(Math.max(proved.symbolic ?? 0, proved.alphaCrown ?? 0))
    expect(proved.symbolic).toBeGreaterThan(50)
  })

  it('gives the same verdicts under any batch size and memory, and the same margins but for rounding', async () => {
    const whole = await verify(network, data, { epsilon, images: 60 })
    const small = { verifier: { kind: 'symbolic', memory: '100kB' }, batchSize: 7 } as const
    const parts = await verify(network, data, { ...small, epsilon, images: 60 })
    expect(parts.perSample.verdicts).toEqual(whole.perSample.verdicts)
    parts.perSample.margins.forEach((margin, place) => {
      expect(margin).toBeCloseTo(whole.perSample.margins[place] ?? 0, 3)
    })
  })

  it('proves no more without the clip, and no less with an intersection', async () => {
    const margins = async (verifier: VerifierOptions) =>
      (await verify(network, data, { verifier, epsilon, images: 60 })).perSample.margins
    const compare = (less: Float64Array, more: Float64Array) =>
      more.forEach((margin, place) => {
        if (!Number.isNaN(margin)) expect(less[place]).toBeLessThanOrEqual(margin + 1e-4)
      })
    // Of linear bounds that is no theorem: in a larger box, a lower line with another slope may serve a margin better.
    compare(await margins({ kind: 'interval', clip: false }), await margins({ kind: 'interval' }))
    compare(await margins({ kind: 'crown' }), await margins({ kind: 'crown', intersect: true }))
  })

  it('refuses memory that does not hold one neuron', async () => {
    const refused = verify(network, data, { verifier: { kind: 'symbolic', memory: 1 }, epsilon })
    await expect(refused).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT' })
  })

  it('stops at an abort', async () => {
    const controller = new AbortController()
    const running = verify(network, data, {
      ...{ verifier: { kind: 'alphaCrown', iterations: 5000 }, epsilon, signal: controller.signal },
      onProgress: () => controller.abort(new Error('enough')),
    })
    setTimeout(() => controller.abort(new Error('enough')), 50)
    await expect(running).rejects.toThrow('enough')
  })
})

describe('evaluate with a verifier', () => {
  it('gives VRA, verdicts and margins beside ERA, at the ε of the attack', async () => {
    const robust = adversarial({ epsilon, stepSize: 1 / 255 })
    const progress: number[] = []
    const { vra, era, perSample, ...rest } = await evaluate(network, data, {
      ...{ robust, verifier: 'symbolic', images: 100 },
      onProgress: ({ samples, totalSamples }) => progress.push(samples / totalSamples),
    })
    expect(rest).toMatchObject({ epsilon, verifier: { kind: 'symbolic' }, n: 100 })
    expect(vra?.successes).toBeLessThanOrEqual(era?.successes ?? 0)
    expect(perSample.verified?.filter((one) => one === 1)).toHaveLength(vra?.successes ?? -1)
    perSample.verified?.forEach((verified, place) => {
      if (verified === 1) expect(perSample.margins?.[place]).toBeGreaterThan(0)
    })
    expect(progress).toEqual([...progress].sort((a, b) => a - b))
    expect(progress.at(-1)).toBe(1)
  })

  it('needs an ε', async () => {
    await expect(evaluate(network, data, { verifier: 'crown' })).rejects.toThrow('evaluate.epsilon')
  })
})
