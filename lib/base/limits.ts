/**
 * The largest and smallest numbers that Coppice takes, in one table: what the addon's readers refuse is refused when an
 * option or a recipe is read, not after hours of training.
 */

/** What the addon takes: the table of native/device/limits.h, as `addon().limits` has it; a test holds them together. */
export const NATIVE = {
  /** Of one batch. */
  batchSize: 2 ** 24,
  threads: 1024,
  /** Pixels of padding before a random crop. */
  pad: 1024,
  attackSteps: 1_000_000,
  restarts: 100_000,
  /** Images of a batch that are bounded. */
  boundedImages: 1_000_000,
  /** Gradient steps of alphaCrown. */
  iterations: 1_000_000,
  learningRate: 1e6,
  /** Weights of the losses, TRADES' β among them. */
  lossWeight: 1e6,
  weightDecay: 1e3,
  /** Adam's β₁ and β₂. */
  beta: 0.9999999,
  /** Adam's ε. */
  adamEpsilon: [1e-30, 1],
  /** Channels, features, kernels, strides and padding of a node. */
  size: 2 ** 24,
  /** Elements of one tensor, and of all parameters. */
  elements: 2 ** 33,
  normalisation: 1e30,
  batchNormEpsilon: [1e-12, 1],
  /** Standard deviation of initial weights. */
  deviation: 1e3,
  /** Channels, height and width of the images of a data set. */
  imageSide: 2 ** 14,
  classes: 256,
  /** Images at once of an inference engine. */
  engineBatch: 2 ** 16,
  /** Devices that share batches with a network's own. */
  moreDevices: 255,
  /** Timed runs of an inference engine. */
  runs: 2 ** 20,
} as const

/** What Coppice itself takes: far more than anybody needs, far less than what would not end or not fit. */
export const LIMITS = {
  ...NATIVE,
  /** Any number that keys randomness. */
  seed: Number.MAX_SAFE_INTEGER,
  epochs: 1_000_000,
  /** Steps of pruning. */
  steps: 1_000_000,
  /** Of a data set. */
  images: 100_000_000,
  /** Of the built-in data set, which is drawn and held in memory. */
  builtinImages: 200_000,
  /** Entries of a list in a recipe: milestones, branches, verifiers. */
  list: 1000,
  /** Factor on the widths of a network. */
  scale: 1000,
  /** Convolutions of a wide residual network along one path. */
  depth: 1000,
  /** Nodes of a network, and characters of a name. */
  nodes: 10_000,
  name: 200,
  path: 4096,
  /** Seconds between checkpoints. */
  seconds: 1e9,
} as const
