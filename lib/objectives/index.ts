/** Objectives: what loss a batch has. One immutable value serves pre-training, pruning and fine-tuning alike. */
import type { z } from 'zod'
import type { NativeObjective } from '../../bindings/native.js'
import { optionsOf } from '../base/arguments.js'
import { invalid } from '../base/errors.js'
import { sameData } from '../base/json.js'
import { show } from '../base/numbers.js'
import { printedAs } from '../base/printed.js'
import { parse, shorthand, table } from '../base/schemas.js'
import { adversarialKind } from './adversarial.js'
import { crownIbpKind } from './crownIbp.js'
import { fgsmKind } from './fgsm.js'
import { ibpKind } from './ibp.js'
import { mixTrainKind } from './mixTrain.js'
import { naturalKind } from './natural.js'
import { nFgsmKind } from './nFgsm.js'
import type { GentleStart, LossWeights, ObjectiveKind, PhaseStep } from './objective.js'
import { tradesKind } from './trades.js'

export { type Adversarial, adversarial } from './adversarial.js'
export { type CrownIbp, crownIbp } from './crownIbp.js'
export { type Fgsm, type FgsmOptions, fgsm } from './fgsm.js'
export { type Ibp, ibp } from './ibp.js'
export { type MixTrain, type MixTrainOptions, mixTrain } from './mixTrain.js'
export { type Natural, natural } from './natural.js'
export { type NFgsm, type NFgsmOptions, nFgsm } from './nFgsm.js'
export type { GentleStart, LossWeights, PhaseStep, Stretch } from './objective.js'
export type { KappaOptions } from './onBounds.js'
export { type Trades, type TradesOptions, trades } from './trades.js'

/** A new objective is a file of its own and a line here. */
const kinds = {
  natural: naturalKind,
  adversarial: adversarialKind,
  fgsm: fgsmKind,
  nFgsm: nFgsmKind,
  trades: tradesKind,
  mixTrain: mixTrainKind,
  ibp: ibpKind,
  crownIbp: crownIbpKind,
} as const

/** What loss a batch has: one of the kinds, told apart by `kind`. */
export type Objective = Parameters<(typeof kinds)[keyof typeof kinds]['native']>[0]

/** The kinds by name. */
export const objectiveNames = Object.keys(kinds) as readonly Objective['kind'][]

/** The options of each kind, for completion. */
export const objectiveOptionNames: Readonly<Record<string, readonly string[]>> = Object.fromEntries(
  Object.entries(kinds).map(([name, { schema }]) => [
    name,
    Object.keys(schema.shape).filter((option) => option !== 'kind'),
  ]),
)

/** Schema of an objective: `adversarial`, or `{ kind: adversarial, epsilon: 8/255 }`. */
export const objectiveSchema: z.ZodType<Objective> = shorthand(table(kinds)).transform((value) =>
  printedAs(value, describeObjective),
)

/**
 * An objective of any kind, by name or with options: `objective({ kind: 'trades', beta: 1 })`.
 *
 * @throws CoppiceError for an unknown kind or option, or a value out of its limits.
 */
export const objective = (
  choice: Objective['kind'] | ({ readonly kind: Objective['kind'] } & object),
): Objective => Object.freeze(parse(objectiveSchema, choice, 'objective'))

/** Whether two objectives are the same in every number: whether fine-tuning matches pre-training. */
export const sameObjective = (a: Objective, b: Objective): boolean =>
  sameData(optionsOf(a, 'objective'), optionsOf(b, 'objective'))

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
const kindOf = (objective: Objective): ObjectiveKind<Objective, typeof objectiveSchema> => {
  const name: unknown = optionsOf(objective, 'objective').kind
  if (typeof name !== 'string' || !Object.hasOwn(kinds, name)) {
    throw invalid(`objective: expected one of ${objectiveNames.join(', ')}, received ${show(objective)}`)
  }
  return kinds[objective.kind] as unknown as ObjectiveKind<Objective, typeof objectiveSchema>
}
