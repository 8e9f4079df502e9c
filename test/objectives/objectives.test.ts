import { describe, expect, it } from 'vitest'
import { parse } from '../../lib/base/schemas.js'
import {
  adversarial,
  describeObjective,
  nativeObjective,
  natural,
  objectiveSchema,
  sameObjective,
  trades,
} from '../../lib/objectives/index.js'

describe('objectives', () => {
  it("default to the paper's attack", () => {
    expect(adversarial()).toEqual({
      kind: 'adversarial',
      epsilon: 8 / 255,
      stepSize: 2 / 255,
      steps: 10,
      start: 'uniform',
    })
    expect(trades()).toMatchObject({ epsilon: 8 / 255, steps: 10, start: 'gaussian', beta: 6 })
  })

  it('are immutable', () => {
    for (const objective of [natural(), adversarial(), trades()])
      expect(Object.isFrozen(objective)).toBe(true)
  })

  it('are read from recipes by name or in full, with fractions', () => {
    const read = (value: unknown) => parse(objectiveSchema, value, 'objective')
    expect(read('natural')).toEqual(natural())
    expect(read('adversarial')).toEqual(adversarial())
    expect(read({ kind: 'trades', epsilon: '4/255', beta: 1 })).toEqual(trades({ epsilon: 4 / 255, beta: 1 }))
  })

  it('name what is wrong', () => {
    const read = (value: unknown) => () => parse(objectiveSchema, value, 'objective')
    expect(read('adverserial')).toThrow(/^objective.*did you mean "adversarial"\?/)
    expect(read({ kind: 'adversarial', stepSize: 0 })).toThrow(/stepSize.*greater than 0/)
    expect(read({ kind: 'adversarial', epsilom: 1 })).toThrow(
      /unknown key "epsilom"; did you mean "epsilon"\?/,
    )
    expect(read({ kind: 'natural', epsilon: 0.1 })).toThrow(/unknown key "epsilon"/)
    expect(read(7)).toThrow(/^objective: expected an object, received 7/)
    expect(() => adversarial({ epsilon: -0.1 })).toThrow(
      /adversarial\.epsilon: must lie between 0 and 1, received -0.1/,
    )
    expect(() => adversarial({ epsilon: 1.5 })).toThrow(/adversarial\.epsilon/)
    expect(() => adversarial({ epsilon: Number.NaN })).toThrow(/adversarial\.epsilon/)
    expect(() => adversarial({ steps: 0 })).toThrow(/adversarial\.steps: must be at least 1/)
    expect(() => adversarial({ steps: 2.5 })).toThrow(/adversarial\.steps: expected a whole number/)
    expect(() => trades({ beta: -1 })).toThrow(/trades\.beta/)
  })

  it('match if and only if every number does', () => {
    expect(sameObjective(adversarial(), adversarial({ epsilon: 8 / 255 }))).toBe(true)
    expect(sameObjective(adversarial(), adversarial({ steps: 7 }))).toBe(false)
    expect(sameObjective(adversarial(), natural())).toBe(false)
    expect(sameObjective(trades(), trades({ beta: 1 }))).toBe(false)
  })

  it('tell people what they are', () => {
    expect(describeObjective(natural())).toBe('natural')
    expect(describeObjective(adversarial())).toBe('adversarial PGD-10, eps 8/255, step 2/255')
    expect(describeObjective(trades())).toBe('trades PGD-10, eps 8/255, step 2/255, beta 6')
  })

  it('reach the native loop with one start per sample', () => {
    expect(nativeObjective(natural())).toEqual({ kind: 'natural' })
    const attack = {
      kind: 'pgd',
      epsilon: 8 / 255,
      stepSize: 2 / 255,
      steps: 10,
      start: 'uniform',
      restarts: 1,
    }
    expect(nativeObjective(adversarial())).toEqual({ kind: 'adversarial', attack })
    expect(nativeObjective(trades())).toEqual({
      kind: 'trades',
      attack: { ...attack, start: 'gaussian' },
      beta: 6,
    })
  })
})
