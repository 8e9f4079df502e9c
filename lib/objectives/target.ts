/** What robustness is measured against: the one rule for which attack, and which ε to prove. */
import { type Attack, attackWithin, pgd } from '../attacks/attack.js'
import { nativeObjective, type Objective } from './index.js'

/**
 * The attack that a robust objective trains against, from a uniform start; none for `natural`. Of
 * objectives of a single step and of those on bounds PGD-10 within their ε.
 */
export const attackOf = (objective: Objective | undefined): Attack | undefined => {
  if (objective === undefined || !('epsilon' in objective)) return undefined
  if ('steps' in objective) {
    const { epsilon, stepSize, steps } = objective
    return pgd({ epsilon, stepSize, steps })
  }
  return attackWithin(objective.epsilon)
}

/**
 * The ε to prove: the one that is named, else that of an objective on bounds, else that of the attack that is made, or
 * that the objective trains against. None where nothing says one.
 */
export const epsilonToProve = ({
  epsilon,
  objective,
  attack,
}: {
  epsilon?: number | undefined
  objective?: Objective | undefined
  attack?: Attack | undefined
}): number | undefined => epsilon ?? provenEpsilon(objective) ?? (attack ?? attackOf(objective))?.epsilon

/** The ε that an objective on bounds trains to prove; none for the others. */
export const provenEpsilon = (objective: Objective | undefined): number | undefined => {
  const native = objective && nativeObjective(objective)
  return native?.kind === 'verified' ? Number(native.epsilon) : undefined
}
