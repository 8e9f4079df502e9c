/** Which optimiser takes the steps, as plain data that the native loop executes. */

import { z } from 'zod'
import { optionsOf } from '../base/arguments.js'
import { LIMITS } from '../base/limits.js'
import { fractionBetween } from '../base/numbers.js'
import { parse, shorthand, strict, variants } from '../base/schemas.js'

/** Stochastic gradient descent with momentum. Decay is added to the gradient, as in PyTorch. */
export interface Sgd {
  readonly kind: 'sgd'
  readonly momentum: number
  readonly nesterov: boolean
  readonly weightDecay: number
}

/** Adam (Kingma and Ba, 2015). Decay is added to the gradient, as in PyTorch's `Adam`. */
export interface Adam {
  readonly kind: 'adam'
  readonly beta1: number
  readonly beta2: number
  readonly epsilon: number
  readonly weightDecay: number
}

export type Optimiser = Sgd | Adam

/** An optimiser with the learning rate it starts from. */
export interface OptimiserChoice {
  readonly optimiser: Optimiser
  readonly learningRate: number
}

const weightDecay = fractionBetween(0, LIMITS.weightDecay).default(1e-4)
const momentum = fractionBetween(0, 1)
  .refine((number) => number < 1, { error: 'must be less than 1' })
  .default(0.9)
const beta = (value: number) => fractionBetween(0, LIMITS.beta).default(value)

const sgdSchema = strict({
  kind: z.literal('sgd'),
  momentum,
  nesterov: z.boolean('expected true or false').default(false),
  weightDecay,
}).refine(({ momentum, nesterov }) => !nesterov || momentum > 0, {
  path: ['nesterov'],
  error: 'needs a momentum greater than 0',
})

const adamSchema = strict({
  kind: z.literal('adam'),
  beta1: beta(0.9),
  beta2: beta(0.999),
  epsilon: fractionBetween(...LIMITS.adamEpsilon).default(1e-8),
  weightDecay,
})

/** Schema of an optimiser: `adam`, or `{ kind: sgd, momentum: 0.9 }`. */
export const optimiserSchema = shorthand(variants('kind', [sgdSchema, adamSchema]))

/** SGD; defaults: momentum 0.9, no Nesterov, weight decay 1e-4 (the paper's). */
export const sgd = (options: Partial<Omit<Sgd, 'kind'>> = {}): Sgd =>
  Object.freeze(parse(sgdSchema, { ...optionsOf(options, 'sgd'), kind: 'sgd' }, 'sgd'))

/** Adam; defaults: betas 0.9 and 0.999, epsilon 1e-8, weight decay 1e-4. */
export const adam = (options: Partial<Omit<Adam, 'kind'>> = {}): Adam =>
  Object.freeze(parse(adamSchema, { ...optionsOf(options, 'adam'), kind: 'adam' }, 'adam'))

/** The choice with another optimiser in its place: of another kind, it starts from that kind's usual rate. */
export const withOptimiser = (choice: OptimiserChoice, optimiser: Optimiser | undefined): OptimiserChoice => {
  if (optimiser === undefined) return choice
  if (optimiser.kind === choice.optimiser.kind) return { ...choice, optimiser }
  return { ...choice, optimiser, learningRate: optimiser.kind === 'sgd' ? 0.1 : 0.001 }
}
