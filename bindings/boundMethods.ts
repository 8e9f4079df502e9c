/**
 * The methods of bounds that the native side has (native/bounds), a row of facts each, from cheap to dear: whoever asks
 * for bounds, verifies by them or trains on them reads here what there is and what it costs.
 */

export interface BoundMethodFacts {
  /** What it is, in a few words for help texts. */
  readonly about: string
  /** Verifying one image, in forward passes: an estimate, as it depends on how many neurons are unstable. */
  readonly work: number
  /** Images that are verified at once on the CPU: enough to keep the cores busy, few enough that results come. */
  readonly batchSize: number
  /** Of methods with a gradient, which objectives can train on: bounding one image with it, in forward passes. */
  readonly training?: number
  /** Of methods that optimise their bounds for each image: the default number of gradient steps, and a step's work. */
  readonly iterations?: { readonly default: number; readonly work: number }
}

/**
 * - `interval`: interval bound propagation, for networks trained for it (Gowal et al., 2018)
 * - `crownIbp`: interval bounds inside the network, one backward pass of linear bounds for the margins (Zhang et al., 2020)
 * - `symbolic`: linear bounds with both slopes u/(u−l) at every layer, the paper's verifier (Wang et al., 2018; equal to
 *   Fast-Lin, DeepZ and the dual of Wong and Kolter)
 * - `crown`: the same with the lower slope 0 or 1, whichever is tighter (Zhang et al., 2018)
 * - `alphaCrown`: `crown` whose lower slopes, in the margins' pass, are optimised for each image (Xu et al., 2021)
 *
 * The costs of training are those on cifarLarge early in training; less as neurons settle.
 */
export const boundMethods = {
  interval: { about: 'interval bounds', work: 2, batchSize: 256, training: 6 },
  crownIbp: { about: 'interval bounds, one backward pass', work: 11, batchSize: 128, training: 33 },
  symbolic: { about: 'linear bounds at every layer', work: 470, batchSize: 16, training: 1400 },
  crown: { about: 'tighter linear bounds', work: 930, batchSize: 16, training: 2800 },
  alphaCrown: {
    about: 'linear bounds optimised for each image',
    work: 930,
    batchSize: 8,
    iterations: { default: 20, work: 30 },
  },
} as const satisfies Readonly<Record<string, BoundMethodFacts>>

/** Bounds of the network on the box around an image, by one of these methods. */
export type BoundMethod = keyof typeof boundMethods

/** Those that objectives can train on. */
export type TrainableMethod = {
  [Name in BoundMethod]: (typeof boundMethods)[Name] extends { training: number } ? Name : never
}[BoundMethod]

export const boundMethodNames = Object.keys(boundMethods) as readonly BoundMethod[]

/** The facts of a method. */
export const factsOfMethod = (name: BoundMethod): BoundMethodFacts => boundMethods[name]

export const trainableMethods = boundMethodNames.filter(
  (name): name is TrainableMethod => factsOfMethod(name).training !== undefined,
)
