/** Objectives: what loss a batch has. One immutable value serves pre-training, pruning and fine-tuning alike. */
import type { NativeObjective } from '../../bindings/native.js'
import { shorthand, variants } from '../schemas.js'
import { type Adversarial, adversarialKind } from './adversarial.js'
import { type Natural, naturalKind } from './natural.js'
import type { ObjectiveKind } from './objective.js'
import { type Trades, tradesKind } from './trades.js'

export { type Adversarial, adversarial } from './adversarial.js'
export { type Natural, natural } from './natural.js'
export type { AttackOptions, Start } from './objective.js'
export { type Trades, type TradesOptions, trades } from './trades.js'

export type Objective = Natural | Adversarial | Trades

/** A new objective is a file of its own, a member of `Objective` and a line here. */
const kinds = { natural: naturalKind, adversarial: adversarialKind, trades: tradesKind }

/** Schema of an objective: `adversarial`, or `{ kind: adversarial, epsilon: 8/255 }`. */
export const objectiveSchema = shorthand(
  variants('kind', [naturalKind.schema, adversarialKind.schema, tradesKind.schema]),
)

/** Whether two objectives are the same in every number: whether fine-tuning matches pre-training. */
export const sameObjective = (a: Objective, b: Objective): boolean => {
  const [left, right] = [Object.entries(a), new Map<string, unknown>(Object.entries(b))]
  return left.length === right.size && left.every(([key, value]) => right.get(key) === value)
}

/** One line for people: `adversarial PGD-10, eps 8/255, step 2/255`. */
export const describeObjective = (objective: Objective): string => kindOf(objective).describe(objective)

/** The objective as the native training loop reads it. */
export const nativeObjective = (objective: Objective): NativeObjective => kindOf(objective).native(objective)

/** The entry of a kind only ever meets objectives of its kind, which the type of the table cannot say. */
const kindOf = (objective: Objective): ObjectiveKind<Objective, typeof objectiveSchema> =>
  kinds[objective.kind] as unknown as ObjectiveKind<Objective, typeof objectiveSchema>
