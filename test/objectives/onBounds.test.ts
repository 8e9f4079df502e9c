import { describe, expect, it } from 'vitest'
import { trainableMethods } from '../../bindings/boundMethods.js'
import { parse } from '../../lib/base/schemas.js'
import {
  crownIbp,
  describeObjective,
  ibp,
  lossWeights,
  type MixTrainOptions,
  mixTrain,
  nativeObjective,
  natural,
  objectiveSchema,
  objectiveWork,
  type PhaseStep,
  sameObjective,
} from '../../lib/objectives/index.js'
import { NO_RAMP, rampPlace } from '../../lib/training/schedules.js'

/** A step of a phase with these epochs and this ramp, ten steps an epoch. */
const at = (epoch: number, epochs: number, rampEpochs: number, step = 0): PhaseStep => ({
  seed: 3,
  epoch,
  step,
  ...rampPlace({ ...NO_RAMP, rampEpochs }, epoch, epochs, step, 10),
})

/** Fine-tuning: all schedules have ended. */
const tuning = (epoch: number, step: number, seed = 3): PhaseStep => ({
  seed,
  epoch,
  step,
  ramp: 1,
  afterRamp: 1,
})

const always = (options: Partial<MixTrainOptions> = {}) => mixTrain({ alpha: 1, ...options })

describe('MixTrain', () => {
  it("defaults to the paper's ε, k and α, on symbolic bounds, mixed as its authors coded it", () => {
    expect(mixTrain()).toEqual({
      kind: 'mixTrain',
      epsilon: 2 / 255,
      k: 10,
      alpha: 0.7,
      bound: 'symbolic',
      mix: 'coin',
      gradient: 'full',
      weight: 0.1,
      weightGrowth: 2.5,
      weightSteps: 10,
      maxWeight: 50,
    })
  })

  it("gives the robust loss the weights of its authors' 60 epochs with a ramp of 10", () => {
    for (let epoch = 0; epoch < 60; epoch++) {
      const theirs = Math.min(50, 0.1 * 2.5 ** Math.floor(Math.max(epoch - 10, 0) / 5))
      expect(lossWeights(always(), at(epoch, 60, 10))).toEqual({ clean: 1, robust: theirs })
      expect(lossWeights(always(), at(epoch, 60, 10, 9)).robust).toBe(theirs)
    }
  })

  it('lets the weight only grow, and never above its maximum', () => {
    for (const [epochs, ramp] of [
      [60, 10],
      [7, 2.5],
      [1, 0],
      [30, 29],
    ] as const) {
      const weights = Array.from({ length: 10 * epochs }, (_, step) =>
        lossWeights(always({ maxWeight: 20 }), at(Math.floor(step / 10), epochs, ramp, step % 10)),
      ).map(({ robust }) => robust)
      expect(weights[0]).toBe(0.1)
      expect(weights).toEqual(weights.toSorted((a, b) => a - b))
      expect(weights.at(-1)).toBe(20)
    }
  })

  it('scales the schedule with the epochs of the phase', () => {
    for (const epoch of [0, 3, 4, 11, 12, 23])
      expect(lossWeights(always(), at(epoch, 24, 4)).robust).toBe(
        lossWeights(always(), at(5 * epoch, 120, 20)).robust,
      )
  })

  it('keeps the weight where it began while ε grows', () => {
    for (const epoch of [0, 5, 9]) expect(lossWeights(always(), at(epoch, 60, 10, 9)).robust).toBe(0.1)
  })

  it('fine-tunes with the weight that pre-training ends with, from the first step', () => {
    for (const options of [
      {},
      { weightSteps: 3 },
      { weightSteps: 1 },
      { maxWeight: 4 },
      { weightGrowth: 1 },
    ]) {
      const last = lossWeights(always(options), at(59, 60, 10, 9))
      expect(lossWeights(always(options), tuning(0, 0))).toEqual(last)
    }
  })

  it('bounds a fraction α of the batches, the same ones whenever it is asked', () => {
    const bounded = (alpha: number, seed: number) =>
      Array.from({ length: 20_000 }, (_, i) =>
        lossWeights(mixTrain({ alpha }), tuning(Math.floor(i / 80), i % 80, seed)),
      ).map(({ robust }) => robust > 0)
    for (const alpha of [0.3, 0.7]) {
      const heads = bounded(alpha, 5)
      const count = heads.filter((one) => one).length
      // Five standard deviations.
      expect(Math.abs(count - 20_000 * alpha)).toBeLessThan(5 * Math.sqrt(20_000 * alpha * (1 - alpha)))
      expect(bounded(alpha, 5)).toEqual(heads)
      expect(bounded(alpha, 6)).not.toEqual(heads)
      // Neighbouring batches are independent: both are bounded in α² of the cases.
      const pairs = heads.filter((one, i) => one && heads[i + 1]).length / 20_000
      expect(Math.abs(pairs - alpha * alpha)).toBeLessThan(0.02)
    }
    expect(bounded(0, 5)).not.toContain(true)
    expect(bounded(1, 5)).not.toContain(false)
  })

  it('mixes convexly on every batch where that is asked for', () => {
    for (const alpha of [0, 0.3, 0.7, 1])
      for (const step of [at(0, 10, 3), at(9, 10, 3), tuning(1, 1)]) {
        const { clean, robust } = lossWeights(mixTrain({ mix: 'convex', alpha }), step)
        expect(robust).toBe(alpha)
        expect(clean + robust).toBe(1)
      }
  })

  it('draws its k images natively', () => {
    expect(nativeObjective(mixTrain({ k: 5, bound: 'crown', gradient: 'detached' }))).toEqual({
      kind: 'verified',
      epsilon: 2 / 255,
      bound: 'crown',
      images: 5,
      gradient: 'detached',
    })
  })

  it('is another objective with another k, as the paper tells them apart', () => {
    expect(sameObjective(mixTrain(), mixTrain({ k: 10 }))).toBe(true)
    expect(sameObjective(mixTrain(), mixTrain({ k: 1 }))).toBe(false)
    expect(describeObjective(mixTrain())).toBe('mixTrain symbolic, eps 2/255, k 10, alpha 0.7')
    expect(describeObjective(mixTrain({ k: 1, mix: 'convex', gradient: 'detached' }))).toBe(
      'mixTrain symbolic, eps 2/255, k 1, alpha 0.7, convex, detached slopes',
    )
  })

  it('names what is wrong', () => {
    expect(() => mixTrain({ k: 0 })).toThrow(/^mixTrain\.k: must be at least 1, received 0/)
    expect(() => mixTrain({ k: 1.5 })).toThrow(/mixTrain\.k: expected a whole number/)
    expect(() => mixTrain({ alpha: 1.1 })).toThrow(/mixTrain\.alpha: must lie between 0 and 1/)
    expect(() => mixTrain({ epsilon: 2 })).toThrow(/mixTrain\.epsilon: must lie between 0 and 1/)
    expect(() => mixTrain({ epsilon: Number.NaN })).toThrow(/mixTrain\.epsilon/)
    expect(() => mixTrain({ bound: 'symbolik' as 'symbolic' })).toThrow(/did you mean "symbolic"\?/)
    expect(trainableMethods).not.toContain('alphaCrown')
    expect(() => mixTrain({ bound: 'alphaCrown' as 'crown' })).toThrow(
      `expected one of ${trainableMethods.join(', ')};`,
    )
    expect(() => mixTrain({ mix: 'convx' as 'convex' })).toThrow(/did you mean "convex"\?/)
    expect(() => mixTrain({ weight: 0 })).toThrow(/mixTrain\.weight: must be greater than 0/)
    expect(() => mixTrain({ weightGrowth: 0.5 })).toThrow(/mixTrain\.weightGrowth: must lie between 1 and/)
    expect(() => mixTrain({ weightSteps: 0 })).toThrow(/mixTrain\.weightSteps/)
  })
})

describe.each([
  ['ibp', ibp, 'interval'],
  ['crownIbp', crownIbp, 'crownIbp'],
] as const)('%s', (kind, objective, bound) => {
  it('bounds every image at ε 2/255', () => {
    expect(objective()).toEqual({ kind, epsilon: 2 / 255, kappa: 0.5 })
    expect(nativeObjective(objective())).toEqual({
      kind: 'verified',
      epsilon: 2 / 255,
      bound,
      images: 0,
      gradient: 'full',
    })
    expect(describeObjective(objective({ epsilon: 8 / 255, kappa: 0 }))).toBe(`${kind} eps 8/255, kappa 0`)
  })

  it('goes from the clean loss to κ over the ramp, with weights that sum to 1', () => {
    const weights = Array.from({ length: 100 }, (_, i) =>
      lossWeights(objective({ kappa: 0.25 }), at(Math.floor(i / 10), 10, 5, i % 10)),
    )
    expect(weights[0]).toEqual({ clean: 1, robust: 0 })
    expect(weights[25]?.robust).toBeCloseTo(0.375, 12)
    for (const { clean, robust } of weights) expect(clean + robust).toBeCloseTo(1, 12)
    const robust = weights.map((weight) => weight.robust)
    expect(robust).toEqual(robust.toSorted((a, b) => a - b))
    expect(weights.slice(50)).toEqual(new Array(50).fill({ clean: 0.25, robust: 0.75 }))
  })

  it('fine-tunes at κ', () => {
    expect(lossWeights(objective({ kappa: 0.25 }), tuning(0, 0))).toEqual({ clean: 0.25, robust: 0.75 })
  })

  it('names what is wrong', () => {
    expect(() => objective({ kappa: -1 })).toThrow(`${kind}.kappa: must lie between 0 and 1, received -1`)
    expect(() => objective({ k: 3 } as object)).toThrow(/unknown key "k"/)
  })
})

describe('objectives on bounds', () => {
  it('are read from recipes by name or in full', () => {
    const read = (value: unknown) => parse(objectiveSchema, value, 'objective')
    expect(read('mixTrain')).toEqual(mixTrain())
    expect(read({ kind: 'mixTrain', epsilon: '1.785/255', k: 5 })).toEqual(
      mixTrain({ epsilon: 1.785 / 255, k: 5 }),
    )
    expect(read('ibp')).toEqual(ibp())
    expect(read({ kind: 'crownIbp', kappa: '1/4' })).toEqual(crownIbp({ kappa: 0.25 }))
    expect(() => read('mixtrian')).toThrow(/did you mean "mixTrain"\?/)
    expect(() => read({ kind: 'mixTrain', epsilom: 0.1 })).toThrow(/did you mean "epsilon"\?/)
    expect(() => read({ kind: 'ibp', kapa: 0.1 })).toThrow(/did you mean "kappa"\?/)
  })

  it('cost more the tighter the bound and the more images it is computed for', () => {
    const costs = [natural(), ibp(), crownIbp()].map(objectiveWork)
    expect(costs).toEqual(costs.toSorted((a, b) => a - b))
    expect(objectiveWork(mixTrain({ k: 20 }))).toBeGreaterThan(objectiveWork(mixTrain({ k: 10 })))
    expect(objectiveWork(mixTrain({ alpha: 0 }))).toBe(objectiveWork(natural()))
  })
})
