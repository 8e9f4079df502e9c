/** The attack that measures empirical robust accuracy: projected gradient ascent in the ε-box, with restarts. */
import { optionsOf } from '../base/arguments.js'
import { invalid } from '../base/errors.js'
import { LIMITS } from '../base/limits.js'
import { formatPixels, fractionBetween, show } from '../base/numbers.js'
import { integer, parse, strict } from '../base/schemas.js'
import { type AttackOptions, attackShape } from './pgd.js'

/** An L∞ attack in [0,1] pixels. */
export interface Attack extends AttackOptions {
  /** Attempts from different random starts; a sample is broken if one of them breaks it. */
  readonly restarts: number
}

/** Schema of an attack, defaults filled in. */
export const attackSchema = strict({
  ...attackShape('uniform'),
  restarts: integer(1, LIMITS.restarts).default(1),
})

/**
 * Projected gradient ascent on the cross-entropy. Defaults are the paper's: ε 8/255, 10 steps of 2/255, one restart,
 * from a uniform start in the ε-box.
 *
 * @throws CoppiceError for an unknown option, ε or step size outside [0,1], a step size of 0, fewer than one step or restart.
 */
export const pgd = (options: Partial<Attack> = {}): Attack =>
  Object.freeze(parse(attackSchema, options, 'pgd'))

const NAME = /^pgd(?:-?(\d+)(?:x(\d+))?)?$/i

/**
 * An attack from its name: `pgd` (ten steps), `pgd10`, `pgd-50`, `pgd50x10` (50 steps, 10 restarts).
 *
 * @param options ε, step size and start; what the name says goes before them.
 * @throws CoppiceError if the name is none of these.
 */
export const parseAttack = (text: string, options: Partial<Attack> = {}): Attack => {
  const match = typeof text === 'string' ? NAME.exec(text.trim()) : null
  if (match === null) {
    throw invalid(
      `unknown attack ${show(text)}; write pgd10 for 10 steps, or pgd50x10 for 50 steps and 10 restarts`,
    )
  }
  const [, steps, restarts] = match
  return pgd({
    ...optionsOf(options, 'attack'),
    ...(steps === undefined ? {} : { steps: Number(steps) }),
    ...(restarts === undefined ? {} : { restarts: Number(restarts) }),
  })
}

/** An attack by name within another ε than the paper's, its steps ε/4 long: ten of them reach every corner of the box. */
export const attackWithin = (epsilon: number, name = 'pgd10'): Attack => {
  const within = parse(fractionBetween(0, 1), epsilon, 'attackWithin')
  return parseAttack(name, { epsilon: within, stepSize: within / 4 || pgd().stepSize })
}

/** `pgd10`, `pgd50x10`: what `parseAttack` reads. */
export const attackName = ({ steps, restarts }: Attack): string =>
  `pgd${steps}${restarts > 1 ? `x${restarts}` : ''}`

/** The short name of an attack, such as `PGD-50x10, eps 8/255`. */
export const describeAttack = (attack: Attack): string => {
  const { steps, restarts, epsilon } = optionsOf(attack, 'attack')
  return `PGD-${steps}${restarts > 1 ? `x${restarts}` : ''}, eps ${formatPixels(epsilon)}`
}
