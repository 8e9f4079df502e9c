/** The settings of pruning with fine-tuning, as options and recipes give them. Defaults are the paper's. */

import { LIMITS } from '../base/limits.js'
import { fraction, fractionBetween, show } from '../base/numbers.js'
import { choice, integer, learningRateSchema, listOf, textUpTo } from '../base/schemas.js'
import { residualNames } from './layers.js'
import { pruneScheduleNames } from './schedules.js'
import { scopeNames } from './scopes.js'
import { scoreNames } from './scores.js'
import { structureNames } from './structures.js'

export const sparsitySchema = fraction.refine((sparsity) => sparsity >= 0 && sparsity < 1, {
  error: (issue) => `must be at least 0 and below 1, received ${show(issue.input)}`,
})

export const pruneShape = {
  sparsity: sparsitySchema,
  structure: choice(structureNames).default('unstructured'),
  score: choice(scoreNames).default('magnitude'),
  scope: choice(scopeNames).default('layer'),
  residual: choice(residualNames).default('inner'),
  exclude: listOf(
    textUpTo(LIMITS.name, 'the name of a layer'),
    'expected a list of layers',
    LIMITS.nodes,
  ).optional(),
  schedule: choice(pruneScheduleNames).default('geometric'),
  steps: integer(1, LIMITS.steps).default(40),
  epochsPerStep: integer(0, LIMITS.epochs).default(5),
  learningRate: learningRateSchema.default(0.001),
  milestones: listOf(fractionBetween(0, 1), 'expected a list of sparsities').default([]),
  scoreEpochs: integer(1, LIMITS.epochs).default(5),
  scoreLearningRate: learningRateSchema.default(0.1),
}
