/**
 * AutoAttack, the standard version: APGD on the cross-entropy, targeted APGD, targeted FAB and Square, each on what those
 * before left standing. (Croce and Hein, 2020)
 */
import { z } from 'zod'
import { optionsOf } from '../base/arguments.js'
import { parse, strict } from '../base/schemas.js'
import { type Apgd, apgd, apgdKind } from './apgd.js'
import { type Fab, fab, fabKind } from './fab.js'
import { type AttackBase, type AttackKind, epsilonSchema } from './kind.js'
import { type Square, square, squareKind } from './square.js'

export interface AutoAttack extends AttackBase {
  readonly kind: 'autoattack'
}

const schema = strict({ kind: z.literal('autoattack'), epsilon: epsilonSchema })

/** The attacks of the cascade, in order. */
export const autoAttackParts = ({ epsilon }: AutoAttack): [Apgd, Apgd, Fab, Square] => [
  apgd({ epsilon, loss: 'ce' }),
  apgd({ epsilon, loss: 'targetedDlr' }),
  fab({ epsilon }),
  square({ epsilon }),
]

export const autoAttackKind: AttackKind<AutoAttack, typeof schema> = {
  schema,
  parse: (rest) => (rest === '' ? {} : undefined),
  hint: 'autoattack: apgd-ce, apgd-t, fab-t and square, each on what is left',
  within: (epsilon) => ({ epsilon }),
  name: () => 'autoattack',
  title: () => 'AutoAttack',
  native: (attack) => {
    const [ce, targeted, boundary, random] = autoAttackParts(attack)
    const attacks = [
      ...[ce, targeted].map(apgdKind.native),
      fabKind.native(boundary),
      squareKind.native(random),
    ]
    return { kind: 'cascade', attacks }
  },
  work: (attack) => {
    const [ce, targeted, boundary, random] = autoAttackParts(attack)
    return apgdKind.work(ce) + apgdKind.work(targeted) + fabKind.work(boundary) + squareKind.work(random)
  },
}

/** AutoAttack, the standard version. @throws CoppiceError for an unknown option, or ε outside [0,1]. */
export const autoAttack = (options: Partial<AutoAttack> = {}): AutoAttack =>
  Object.freeze(parse(schema, { ...optionsOf(options, 'autoAttack'), kind: 'autoattack' }, 'autoAttack'))
