/** Attacks: searches for images near the given ones that the network gets wrong. They measure empirical robust accuracy. */
import { z } from 'zod'
import type { NativeAttack } from '../../bindings/native.js'
import { optionsOf } from '../base/arguments.js'
import { invalid } from '../base/errors.js'
import { formatPixels, fractionBetween, show } from '../base/numbers.js'
import { printedAs } from '../base/printed.js'
import { parse, table } from '../base/schemas.js'
import { apgdKind } from './apgd.js'
import { autoAttackKind, autoAttackParts } from './autoAttack.js'
import { fabKind } from './fab.js'
import type { AttackBase, AttackKind } from './kind.js'
import { pgdKind } from './pgd.js'
import { squareKind } from './square.js'

export { type Apgd, type ApgdLoss, apgd } from './apgd.js'
export { type AutoAttack, autoAttack } from './autoAttack.js'
export { type Fab, fab } from './fab.js'
export type { AttackBase } from './kind.js'
export { type AttackOptions, type Pgd, pgd } from './pgd.js'
export { type Square, square } from './square.js'

/** A new attack is a file of its own and a line here. */
const kinds = { pgd: pgdKind, apgd: apgdKind, fab: fabKind, square: squareKind, autoattack: autoAttackKind }

/** An L∞ attack in [0,1] pixels; `kind` says which, and without one it is `pgd`. */
export type Attack = {
  [Name in keyof typeof kinds]: Parameters<(typeof kinds)[Name]['native']>[0]
}[keyof typeof kinds]

const DEFAULT = 'pgd'

/** What an attack's short name may be, for help texts: a hint of every kind. */
export const attackArgument: string = Object.values(kinds)
  .map(({ hint }) => hint)
  .join('; ')

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** Schema of an attack, defaults filled in: `{ steps: 20 }`, `{ kind: pgd, epsilon: 8/255 }`. */
export const attackSchema = z
  .preprocess((value) => (isObject(value) ? { kind: DEFAULT, ...value } : value), table(kinds))
  .transform((attack) => printedAs(attack, describeAttack))

/**
 * An attack from its name: `pgd` (ten steps), `pgd10`, `pgd-50`, `pgd50x10` (50 steps, 10 restarts).
 *
 * @param options ε, step size and start; what the name says goes before them.
 * @throws CoppiceError if the name is none of these.
 */
export const parseAttack = (text: string, options: Partial<Attack> = {}): Attack => {
  const { kind, said } = read(text)
  return made({ ...optionsOf(options, 'attack'), kind, ...said }, kind)
}

/** An attack by name within another ε than the default, and what goes with it: steps of ε/4. */
export const attackWithin = (epsilon: number, name = 'pgd10'): Attack => {
  const { kind, said } = read(name)
  const within = parse(fractionBetween(0, 1), epsilon, 'attackWithin')
  return made({ kind, ...kinds[kind].within(within), ...said }, kind)
}

/** The attack with other options. @throws CoppiceError for options that it doesn't have, or outside their limits */
export const changedAttack = (attack: Attack, changes: Partial<Attack>): Attack =>
  made({ ...attack, ...changes }, attack.kind ?? DEFAULT)

/** `pgd10`, `pgd50x10`: what `parseAttack` reads. */
export const attackName = (attack: Attack): string => kindOf(attack).name(attack)

/** The short name of an attack, such as `PGD-50x10, eps 8/255`. */
export const describeAttack = (attack: Attack): string =>
  `${kindOf(attack).title(attack)}, eps ${formatPixels(attack.epsilon)}`

/** The attack as the native side reads it. */
export const nativeAttack = (attack: Attack): NativeAttack => kindOf(attack).native(attack)

/** The attacks that it makes, each on what those before left standing; of all but `autoattack` the attack itself. */
export const attackParts = (attack: Attack): readonly Attack[] =>
  attack.kind === 'autoattack' ? autoAttackParts(attack) : [attack]

/** Cost of attacking one image that is never broken, in forward passes. */
export const attackWork = (attack: Attack): number => kindOf(attack).work(attack)

const made = (options: object, name: string): Attack => Object.freeze(parse(attackSchema, options, name))

/** The kind that a short name begins with, the longest such, and what the rest of it says. */
const read = (text: string): { kind: keyof typeof kinds; said: Partial<Attack> } => {
  const name = typeof text === 'string' ? text.trim().toLowerCase() : ''
  const names = Object.keys(kinds) as (keyof typeof kinds)[]
  const [kind] = names
    .filter((known) => name.startsWith(known.toLowerCase()))
    .sort((a, b) => b.length - a.length)
  const said = kind && kinds[kind].parse(name.slice(kind.length))
  if (kind !== undefined && said !== undefined) return { kind, said }
  const hints = names.map((known) => kinds[known].hint)
  throw invalid(`unknown attack ${show(text)}; write ${hints.join(', ')}`)
}

/** The entry of a kind only ever meets attacks of its kind, which the type of the table cannot say. */
const kindOf = (attack: Attack): AttackKind<AttackBase, z.ZodType> =>
  kinds[optionsOf(attack, 'attack').kind ?? DEFAULT] as unknown as AttackKind<AttackBase, z.ZodType>
