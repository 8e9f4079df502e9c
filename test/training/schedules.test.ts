import { describe, expect, it } from 'vitest'
import { parse } from '../../lib/base/schemas.js'
import { adam, optimiserSchema, sgd } from '../../lib/training/optimiser.js'
import {
  afterRampFactor,
  learningRateFactor,
  rampFactor,
  scheduleSchema,
  stepSchedule,
} from '../../lib/training/schedules.js'

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

  it('is read from recipes', () => {
    expect(parse(scheduleSchema, 'cosine', 'schedule')).toEqual({ kind: 'cosine' })
    expect(parse(scheduleSchema, 'steps', 'schedule')).toEqual(stepSchedule)
    expect(() => parse(scheduleSchema, 'cosin', 'schedule')).toThrow(/did you mean "cosine"/)
    expect(() => parse(scheduleSchema, { kind: 'steps', at: [1.5] }, 'schedule')).toThrow(/schedule\.at\[0\]/)
  })
})

describe('the ramp of epsilon', () => {
  it('starts at 0, is linear per step, and ends at 1', () => {
    const factors = Array.from({ length: 4 }, (_, epoch) =>
      [0, 1, 2, 3].map((step) => rampFactor(2, epoch, step, 4)),
    )
    expect(factors.flat()).toEqual([0, 0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875, ...new Array(8).fill(1)])
  })

  it('is full from the first step without a ramp', () => {
    expect(rampFactor(0, 0, 0, 10)).toBe(1)
  })
})

describe('the part of a phase after the ramp', () => {
  it('is 0 until the ramp ends, then grows evenly towards 1', () => {
    const done = [0, 1, 2, 3].flatMap((epoch) => [0, 1].map((step) => afterRampFactor(2, epoch, 4, step, 2)))
    expect(done).toEqual([0, 0, 0, 0, 0, 0.25, 0.5, 0.75])
  })

  it('never comes where the ramp is as long as the phase, or longer', () => {
    expect(afterRampFactor(4, 3, 4, 9, 10)).toBe(0)
    expect(afterRampFactor(9, 3, 4, 9, 10)).toBe(0)
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
