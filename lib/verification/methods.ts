/** The methods of bounds, from cheap to dear. */
import { alphaCrownKind } from './alphaCrown.js'
import { crownKind } from './crown.js'
import { crownIbpKind } from './crownIbp.js'
import { intervalKind } from './interval.js'
import { symbolicKind } from './symbolic.js'
import type { BoundOptions } from './verifier.js'

/** A verifier on bounds is a file of its own and a line here, and its method a row in native/bounds/methods.h. */
export const methods = {
  interval: intervalKind,
  crownIbp: crownIbpKind,
  symbolic: symbolicKind,
  crown: crownKind,
  alphaCrown: alphaCrownKind,
} as const

/**
 * Bounds of the network on the box around an image. `interval`: interval bound propagation (Gowal et al., 2018).
 * `crownIbp`: interval bounds inside, one backward pass for the margins (Zhang et al., 2020). The others bound every
 * layer by a backward pass: `symbolic` with both slopes u/(u−l) (Wang et al., 2018; equal to Fast-Lin, DeepZ and
 * Wong–Kolter), `crown` with the lower slope 0 or 1, whichever is tighter (Zhang et al., 2018), `alphaCrown` with the
 * lower slopes of the margins' pass optimised for each image (Xu et al., 2021).
 */
export type BoundMethod = keyof typeof methods

export const methodNames = Object.keys(methods) as [BoundMethod, ...BoundMethod[]]

/** A way of proving that no image in a box is misclassified: sound bounds of the margins. */
export interface BoundVerifier extends BoundOptions {
  readonly kind: BoundMethod
  /** Of methods that optimise lines (`alphaCrown`): gradient steps for each image. */
  readonly iterations?: number
}
