import { describe, expect, it } from 'vitest'
import {
  apgd,
  attackName,
  attackParts,
  attackSchema,
  attackWithin,
  attackWork,
  autoAttack,
  changedAttack,
  describeAttack,
  fab,
  nativeAttack,
  parseAttack,
  pgd,
  square,
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

  it.each([
    ['apgd', apgd(), 'apgd-ce', 'APGD-CE'],
    ['apgd-ce', apgd(), 'apgd-ce', 'APGD-CE'],
    ['apgd-dlr', apgd({ loss: 'dlr' }), 'apgd-dlr', 'APGD-DLR'],
    ['APGD-T', apgd({ loss: 'targetedDlr' }), 'apgd-t', 'APGD-T'],
    ['apgd-ce50x5', apgd({ steps: 50, restarts: 5 }), 'apgd-ce-50x5', 'APGD-CE-50x5'],
    ['apgd-t-20', apgd({ loss: 'targetedDlr', steps: 20 }), 'apgd-t-20', 'APGD-T-20'],
    ['fab', fab(), 'fab-t', 'FAB-T'],
    ['fab-t', fab(), 'fab-t', 'FAB-T'],
    ['fab-t30', fab({ steps: 30 }), 'fab-t-30', 'FAB-T-30'],
    ['square', square(), 'square', 'Square'],
    ['square-1000x2', square({ queries: 1000, restarts: 2 }), 'square-1000x2', 'Square-1000x2'],
    ['autoattack', autoAttack(), 'autoattack', 'AutoAttack'],
  ])('"%s" is an attack, and has a name that gives it again', (text, attack, name, title) => {
    expect(parseAttack(text)).toEqual(attack)
    expect(attackName(attack)).toBe(name)
    expect(parseAttack(name)).toEqual(attack)
    expect(describeAttack(attack)).toBe(`${title}, eps 8/255`)
    expect(attackWithin(4 / 255, name).epsilon).toBe(4 / 255)
    expect(parse(attackSchema, attack, 'attack')).toEqual(attack)
  })

  it('of AutoAttack are four, within its ε', () => {
    const epsilon = 3 / 255
    const parts = attackParts(autoAttack({ epsilon }))
    expect(parts.map(attackName)).toEqual(['apgd-ce', 'apgd-t', 'fab-t', 'square'])
    expect(parts.every((part) => part.epsilon === epsilon)).toBe(true)
    expect(nativeAttack(autoAttack({ epsilon }))).toEqual({ kind: 'cascade', attacks: parts })
    expect(attackParts(pgd())).toEqual([pgd()])
    // 100 steps of APGD on the cross-entropy, 9·100 on targets, 9·100 of FAB, 5000 queries.
    expect(attackWork(autoAttack())).toBe(10 * 203 + 9 * 301 + 5001)
  })

  it.each([
    ['apgd-x', /unknown attack/],
    ['apgd-t0', /apgd\.steps: must be at least 1/],
    ['fab-x', /unknown attack/],
    ['square0', /square\.queries: must be at least 1/],
    ['autoattack2', /unknown attack/],
    ['autoattac', /unknown attack/],
  ])('"%s" is refused', (name, message) => {
    expect(() => parseAttack(name)).toThrow(message)
  })

  it('refuse options of other kinds', () => {
    expect(() => parseAttack('autoattack', { stepSize: 0.1 })).toThrow(/unknown key "stepSize"/)
    expect(() => parse(attackSchema, { kind: 'square', steps: 3 }, 'attack')).toThrow(/unknown key "steps"/)
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
