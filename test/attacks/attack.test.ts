import { describe, expect, it } from 'vitest'
import {
  attackSchema,
  attackWithin,
  changedAttack,
  describeAttack,
  nativeAttack,
  parseAttack,
  pgd,
} from '../../lib/attacks/attack.js'
import { parse } from '../../lib/base/schemas.js'

describe('attacks', () => {
  it("default to the paper's PGD-10", () => {
    expect(pgd()).toEqual({ epsilon: 8 / 255, stepSize: 2 / 255, steps: 10, restarts: 1, start: 'uniform' })
    expect(parseAttack('pgd')).toEqual(pgd())
  })

  it('are read by name: steps, then restarts', () => {
    expect(parseAttack('pgd10')).toEqual(pgd())
    expect(parseAttack('PGD-20')).toEqual(pgd({ steps: 20 }))
    expect(parseAttack('pgd50x10', { epsilon: 2 / 255, stepSize: 0.5 / 255 })).toEqual(
      pgd({ steps: 50, restarts: 10, epsilon: 2 / 255, stepSize: 0.5 / 255 }),
    )
  })

  it('are PGD where they say no kind, and stored without it, as they were before there were kinds', () => {
    const read = (value: unknown) => parse(attackSchema, value, 'attack')
    expect(read({ steps: 20 })).toEqual(pgd({ steps: 20 }))
    expect(read({ kind: 'pgd', steps: 20 })).toEqual(pgd({ steps: 20 }))
    expect(pgd()).not.toHaveProperty('kind')
    expect(nativeAttack(pgd())).toEqual({ kind: 'pgd', ...pgd() })
    expect(() => read({ kind: 'pdg' })).toThrow(/^attack.*expected one of pgd\b.*; received "pdg"/)
  })

  it('change in what is asked for alone', () => {
    const attack = pgd({ steps: 7, restarts: 3 })
    expect(changedAttack(attack, { epsilon: 1 / 255 })).toEqual({ ...attack, epsilon: 1 / 255 })
    expect(() => changedAttack(attack, { epsilon: 2 })).toThrow(/pgd\.epsilon/)
  })

  it('within another ε take steps of a quarter of it, and stand nowhere at 0', () => {
    expect(attackWithin(4 / 255, 'pgd5x2')).toEqual(
      pgd({ epsilon: 4 / 255, stepSize: 1 / 255, steps: 5, restarts: 2 }),
    )
    expect(attackWithin(0)).toEqual(pgd({ epsilon: 0 }))
  })

  it.each(['pgd0', 'pgd10x0', 'pgdx10', 'fgsm', '', 'pgd10x'])('"%s" is refused', (name) => {
    expect(() => parseAttack(name)).toThrow(/attack|pgd/)
  })

  it('refuse ε outside [0,1]', () => {
    expect(() => pgd({ epsilon: 2 })).toThrow(/pgd\.epsilon: must lie between 0 and 1, received 2/)
    expect(() => parseAttack('pgd10', { epsilon: -1 })).toThrow(/pgd\.epsilon/)
  })

  it('have a short name', () => {
    expect(describeAttack(parseAttack('pgd50x10'))).toBe('PGD-50x10, eps 8/255')
    expect(describeAttack(pgd())).toBe('PGD-10, eps 8/255')
  })
})
