/** Objectives: what loss a batch has. One immutable value serves pre-training, pruning and fine-tuning alike. */
import type { NativeObjective } from '../../bindings/native.js'
import { shorthand, variants } from '../base/schemas.js'
import { type Adversarial, adversarialKind } from './adversarial.js'
import { type CrownIbp, crownIbpKind } from './crownIbp.js'
import { type Ibp, ibpKind } from './ibp.js'
import { type MixTrain, mixTrainKind } from './mixTrain.js'
import { type Natural, naturalKind } from './natural.js'
import type { GentleStart, LossWeights, ObjectiveKind, PhaseStep } from './objective.js'
import { type Trades, tradesKind } from './trades.js'

export { type Adversarial, adversarial } from './adversarial.js'
export { type CrownIbp, crownIbp } from './crownIbp.js'
export { type Ibp, ibp } from './ibp.js'
export { type MixTrain, type MixTrainOptions, mixTrain } from './mixTrain.js'
export { type Natural, natural } from './natural.js'
export type { GentleStart, LossWeights, PhaseStep, Stretch } from './objective.js'
export type { KappaOptions } from './onBounds.js'
export { type Trades, type TradesOptions, trades } from './trades.js'

export type Objective = Natural | Adversarial | Trades | MixTrain | Ibp | CrownIbp

/** A new objective is a file of its own, a member of `Objective` and a line here and in the schema. */
const kinds = {
  natural: naturalKind,
  adversarial: adversarialKind,
  trades: tradesKind,
  mixTrain: mixTrainKind,
  ibp: ibpKind,
  crownIbp: crownIbpKind,
}

/** The kinds by name. */
export const objectiveNames = Object.keys(kinds) as readonly Objective['kind'][]

/** Schema of an objective: `adversarial`, or `{ kind: adversarial, epsilon: 8/255 }`. */
export const objectiveSchema = shorthand(
  variants('kind', [
    naturalKind.schema,
    adversarialKind.schema,
    tradesKind.schema,
    mixTrainKind.schema,
    ibpKind.schema,
    crownIbpKind.schema,
  ]),
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

/** Weights of the clean and the robust loss in one step; objectives that are not on bounds have one loss. */
export const lossWeights = (objective: Objective, step: PhaseStep): LossWeights =>
  kindOf(objective).weights?.(objective, step) ?? { clean: 1, robust: 0 }

/** How pre-training comes to the full ε unless it is told otherwise; nothing where that is in force at once. */
export const gentleStart = (objective: Objective): GentleStart | undefined => kindOf(objective).gentleStart

/** Cost of training on one image, in forward passes. */
export const objectiveWork = (objective: Objective): number => kindOf(objective).work(objective)

/** The entry of a kind only ever meets objectives of its kind, which the type of the table cannot say. */
const kindOf = (objective: Objective): ObjectiveKind<Objective, typeof objectiveSchema> =>
  kinds[objective.kind] as unknown as ObjectiveKind<Objective, typeof objectiveSchema>
