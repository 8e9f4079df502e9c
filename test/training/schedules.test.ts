import { describe, expect, it } from 'vitest'
import { parse } from '../../lib/base/schemas.js'
import { adam, optimiserSchema, sgd } from '../../lib/training/optimiser.js'
import {
  defaultSchedule,
  learningRateFactor,
  NO_RAMP,
  type Ramp,
  rampPlace,
  scheduleSchema,
  stepSchedule,
} from '../../lib/training/schedules.js'

const ones = (count: number): number[] => new Array(count).fill(1)

describe('the learning rate', () => {
  it('falls tenfold after 50, 75 and 90 % of 100 epochs', () => {
    const at = (epoch: number, step = 0) => learningRateFactor(stepSchedule, epoch, 100, step, 391)
    expect([at(0), at(49, 390)]).toEqual([1, 1])
    expect([at(50), at(74, 390)].map((factor) => factor.toFixed(9))).toEqual(['0.100000000', '0.100000000'])
    expect(at(75)).toBeCloseTo(0.01, 12)
    expect(at(89, 390)).toBeCloseTo(0.01, 12)
    expect(at(90)).toBeCloseTo(0.001, 12)
  })

  it('follows half a cosine', () => {
    const at = (epoch: number, step: number) => learningRateFactor({ kind: 'cosine' }, epoch, 4, step, 10)
    expect(at(0, 0)).toBe(1)
    expect(at(2, 0)).toBeCloseTo(0.5, 12)
    expect(at(1, 0) + at(3, 0)).toBeCloseTo(1, 12)
    expect(at(3, 9)).toBeGreaterThan(0)
  })

  it('stays where it is constant', () => {
    expect(learningRateFactor({ kind: 'constant' }, 3, 5, 2, 7)).toBe(1)
  })

  it('falls in trainings of ten epochs and more, where each stage lasts an epoch, and is constant in shorter ones', () => {
    expect(defaultSchedule(100, NO_RAMP)).toEqual(stepSchedule)
    expect(defaultSchedule(10, NO_RAMP)).toEqual(stepSchedule)
    expect(defaultSchedule(9, NO_RAMP)).toEqual({ kind: 'constant' })
  })

  it('does not fall while ε grows', () => {
    const ramp = (naturalEpochs: number, rampEpochs: number) => ({ ...NO_RAMP, naturalEpochs, rampEpochs })
    for (const epochs of [13, 60, 70])
      expect(defaultSchedule(epochs, ramp(0.1 * epochs, 0.4 * epochs))).toEqual(stepSchedule)
    expect(defaultSchedule(20, ramp(3, 8))).toEqual({ kind: 'constant' })
  })

  it('is read from recipes', () => {
    expect(parse(scheduleSchema, 'cosine', 'schedule')).toEqual({ kind: 'cosine' })
    expect(parse(scheduleSchema, 'steps', 'schedule')).toEqual(stepSchedule)
    expect(() => parse(scheduleSchema, 'cosin', 'schedule')).toThrow(/did you mean "cosine"/)
    expect(() => parse(scheduleSchema, { kind: 'steps', at: [1.5] }, 'schedule')).toThrow(/schedule\.at\[0\]/)
  })
})

describe('the ramp of epsilon', () => {
  const linear = (rampEpochs: number) => ({ ...NO_RAMP, rampEpochs })
  /** The places of four epochs of four steps. */
  const places = (ramp: Ramp) =>
    [0, 1, 2, 3].flatMap((epoch) => [0, 1, 2, 3].map((step) => rampPlace(ramp, epoch, 4, step, 4)))
  const epsilons = (ramp: Ramp) => places(ramp).map(({ epsilon }) => epsilon)

  it('starts at 0, is linear per step, and ends at 1', () => {
    expect(epsilons(linear(2))).toEqual([0, 0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875, ...ones(8)])
  })

  it('is full from the first step without a ramp', () => {
    expect(epsilons(NO_RAMP)).toEqual(ones(16))
    expect(places(NO_RAMP).some(({ natural }) => natural)).toBe(false)
  })

  it('waits for the natural epochs, and counts from their end', () => {
    const waiting = places({ ...linear(2), naturalEpochs: 1 })
    expect(waiting.map(({ natural }) => natural)).toEqual([
      ...ones(4).map(() => true),
      ...ones(12).map(() => false),
    ])
    expect(waiting.slice(4)).toEqual(
      places(linear(2))
        .slice(0, 12)
        .map((place, step) => ({ ...place, afterRamp: step <= 8 ? 0 : (step - 8) / 4 })),
    )
  })

  it('starts the gentler the higher its power, and ends at the same time', () => {
    const [first, ...others] = [1, 2, 4].map((rampPower) => epsilons({ ...linear(2), rampPower }))
    expect(others).toEqual([2, 4].map((power) => first?.map((factor) => factor ** power)))
  })
})

describe('the part of a phase after the ramp', () => {
  const partAfter = (rampEpochs: number, epoch: number, epochs: number, step: number, steps: number) =>
    rampPlace({ ...NO_RAMP, rampEpochs }, epoch, epochs, step, steps).afterRamp

  it('is 0 until the ramp ends, then grows evenly towards 1', () => {
    const done = [0, 1, 2, 3].flatMap((epoch) => [0, 1].map((step) => partAfter(2, epoch, 4, step, 2)))
    expect(done).toEqual([0, 0, 0, 0, 0, 0.25, 0.5, 0.75])
  })

  it('never comes where the ramp is as long as the phase, or longer', () => {
    expect(partAfter(4, 3, 4, 9, 10)).toBe(0)
    expect(partAfter(9, 3, 4, 9, 10)).toBe(0)
  })
})

describe('optimisers', () => {
  it("default to the paper's SGD and the usual Adam", () => {
    expect(sgd()).toEqual({ kind: 'sgd', momentum: 0.9, nesterov: false, weightDecay: 1e-4 })
    expect(adam()).toEqual({ kind: 'adam', beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 1e-4 })
    expect(parse(optimiserSchema, 'sgd', 'optimiser')).toEqual(sgd())
    expect(parse(optimiserSchema, { kind: 'adam', weightDecay: 0 }, 'optimiser')).toEqual(
      adam({ weightDecay: 0 }),
    )
  })

  it('name what is wrong', () => {
    expect(() => sgd({ momentum: 1 })).toThrow(/sgd\.momentum: must be less than 1/)
    expect(() => sgd({ momentum: 0, nesterov: true })).toThrow(/sgd\.nesterov: needs a momentum/)
    expect(() => adam({ weightDecay: -1 })).toThrow(/adam\.weightDecay/)
    expect(() => parse(optimiserSchema, { kind: 'sgd', momemtum: 0.5 }, 'optimiser')).toThrow(
      /unknown key "momemtum"; did you mean "momentum"/,
    )
  })
})
