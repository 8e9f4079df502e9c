/**
 * Adversarial training: the mean cross-entropy on adversarial examples only, crafted by projected gradient ascent
 * with batch norm in evaluation mode. (Madry et al., 2018)
 */

import { z } from 'zod'
import { type AttackOptions, attackShape, describeAscent, nativeAscent } from '../attacks/pgd.js'
import { strict } from '../base/schemas.js'
import { made, type ObjectiveKind, underAttack } from './objective.js'

export interface Adversarial extends AttackOptions {
  readonly kind: 'adversarial'
}

const schema = strict({ kind: z.literal('adversarial'), ...attackShape('uniform') })

export const adversarialKind: ObjectiveKind<Adversarial, typeof schema> = {
  schema,
  describe: (objective) => `adversarial ${describeAscent(objective)}`,
  native: (objective) => ({ kind: 'adversarial', attack: nativeAscent(objective) }),
  work: ({ steps }) => 2 * steps + 4,
  gentleStart: underAttack,
}

/**
 * Cross-entropy on adversarial examples. Defaults are the paper's: ε 8/255, steps of 2/255, 10 of them, from a
 * uniform start in the ε-box.
 *
 * @throws CoppiceError for an unknown option, ε or step size outside [0,1], a step size of 0, fewer than one step.
 */
export const adversarial = (options: Partial<AttackOptions> = {}): Adversarial =>
  made(adversarialKind, 'adversarial', options)
