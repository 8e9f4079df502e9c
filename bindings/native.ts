/**
 * The contract of the native addon, in one file. Everything that touches a tensor is behind it.
 *
 * Jobs run one after another on one engine thread per environment and device, never on the libuv pool. Brief ones
 * (reading and writing arenas, creating networks and data sets, `forward`, an engine's `run`, an evaluation of one
 * batch without an attack) do not wait for the end of long ones: they run between two batches, unless they write what
 * the long job uses. So a network that is being trained can be read; it is as it was after some batch. A job's
 * promise rejects with the thrown error, or with the code `ERR_ABORTED` once `cancel()` took effect, which is
 * within one batch. Errors are CoppiceErrors with a message without a backtrace; libtorch's is in `cause`.
 */
import type { ErrorCode } from '../lib/base/errors.js'
import type { NATIVE } from '../lib/base/limits.js'
import type { BoundMethod, TrainableMethod } from './boundMethods.js'
import type { NetworkSpec } from './spec.js'

export type { BoundMethod } from './boundMethods.js'

/** Where tensors live: `cpu`, `cuda` or `cuda:1`. A device that isn't there is an error, never a silent CPU. */
export type Device = 'cpu' | 'cuda' | `cuda:${number}`

/** Type of the stored parameters. `float64` is for checks against other implementations. */
export type ParameterType = 'float32' | 'float64'

/** Arithmetic of activations and gradients: `bf16` keeps fp32 master weights; `fp64` needs float64 parameters. */
export type Precision = 'fp32' | 'bf16' | 'fp64'

export type Floats = Float32Array | Float64Array

/** A running native job. */
export interface NativeJob<T> {
  readonly promise: Promise<T>
  /** Asks the job to stop; it does within one batch, and the promise rejects with the code `ERR_ABORTED`. */
  cancel(): void
}

/** Where one tensor lies in its flat arena; the offsets are the same for parameters, gradients, momentum and mask. */
export interface TensorLayout {
  /** `conv1.weight`, `bn1.running_mean` … PyTorch's names. */
  name: string
  /** Name of the node it belongs to. */
  node: string
  kind: 'weight' | 'bias' | 'scale' | 'shift' | 'runningMean' | 'runningVariance'
  /** `parameters`: trained; `buffers`: batch-norm statistics. */
  arena: 'parameters' | 'buffers'
  shape: number[]
  /** First element in the arena, in elements. */
  offset: number
  size: number
  /** Convolution and linear weights, which pruning may remove. */
  prunable: boolean
}

/**
 * Flat arenas of a network. All but `buffers` have one element per parameter; `buffers` holds the batch-norm
 * statistics. `mask` is Uint8Array of 0 and 1; the others have the network's type. `moment1` is SGD's momentum or
 * Adam's first moment, `moment2` Adam's second moment, `average` the mean of the parameters over the last steps; all three
 * read as zeros before the first step that needs them.
 */
export type Arena = 'parameters' | 'gradients' | 'moment1' | 'moment2' | 'average' | 'buffers' | 'mask'

export interface NativeNetwork {
  readonly device: Device
  readonly type: ParameterType
  readonly layout: TensorLayout[]
  /** Elements in the parameter arena and in the buffer arena. */
  readonly parameterCount: number
  readonly bufferCount: number
  readonly disposed: boolean
  /** Draws all weights anew from the seed by each node's `init`; statistics, moments and mask are reset. */
  initialise(seed: number): NativeJob<void>
  read(arena: 'mask'): NativeJob<Uint8Array>
  read(arena: Exclude<Arena, 'mask'>): NativeJob<Floats>
  /** Lengths must match; NaN or infinite values are refused by tensor name; weights under a zero mask become zero. */
  write(arena: 'mask', data: Uint8Array): NativeJob<void>
  write(arena: Exclude<Arena, 'mask' | 'gradients'>, data: Floats): NativeJob<void>
  /** Parameters, statistics and mask of one moment. */
  snapshot(): NativeJob<{ parameters: Floats; buffers: Floats; mask: Uint8Array }>
  /** Sets both moments to zero. */
  resetMoments(): NativeJob<void>
  /**
   * Another handle of the same network, for the job of that name: until it is disposed (or nobody has it any more)
   * whatever would write the network through this one is refused with `ERR_BUSY`. Once this one is disposed, the other
   * can be used no more either.
   */
  claim(job: string): NativeNetwork
  /** Frees the memory at once (after a running job that uses it). Idempotent. */
  dispose(): void
}

export interface NativeDataset {
  readonly device: Device
  readonly length: number
  readonly shape: [channels: number, height: number, width: number]
  readonly disposed: boolean
  dispose(): void
}

/**
 * One of several kinds, told apart by `kind`. What else it has is stated where the kind is described in TypeScript, and
 * read by that name where it is computed; the native side refuses what is missing or outside its limits.
 */
export interface NativeKind {
  readonly kind: string
  readonly [option: string]: number | string | boolean | NativeKind | readonly NativeKind[] | undefined
}

/**
 * lib/attacks and native/attack: what is searched for adversarial images, and how. While training `pgd` with `restarts`
 * of 1. `{ kind: 'cascade', attacks: [...] }` makes each attack on what those before left standing.
 */
export type NativeAttack = NativeKind

/** lib/objectives and native/train/objectives: `natural`, `adversarial`, `trades`, `verified`. */
export type NativeObjective = NativeKind

/**
 * Training on bounds: cleanWeight · cross-entropy of the batch + robustWeight · cross-entropy of the worst logits that
 * the bounds allow (0 for the label, −margin for every other class), meaned over `images` of the batch. The weights
 * come with every step; where the robust one is 0 no bound is computed.
 */
export type NativeVerified = {
  kind: 'verified'
  /** Half the side of the box, clipped to [0,1], in [0,1] pixels. */
  epsilon: number
  bound: TrainableMethod
  /** How many images of the batch are bounded, drawn with replacement; 0: all of them, each once. */
  images: number
  /** Whether the gradient flows through the denominator of the slope u/(u−l) too. */
  gradient: 'full' | 'detached'
}

export type NativeOptimiser =
  | { kind: 'sgd'; momentum: number; nesterov: boolean; weightDecay: number }
  | { kind: 'adam'; beta1: number; beta2: number; epsilon: number; weightDecay: number }

/** Random crop after zero padding by `pad` pixels, and a horizontal flip with probability ½. */
export interface NativeAugmentation {
  pad: number
  flip: boolean
}

export interface TrainRequest {
  /** Indices of the samples, batch after batch; the last batch may be smaller. */
  order: Uint32Array
  batchSize: number
  objective: NativeObjective
  optimiser: NativeOptimiser
  /** One per step. */
  learningRates: Float64Array
  /** One per step: the fraction of the objective's ε and step size that is in force (an ε ramp). */
  epsilonFactors: Float64Array
  /** One per step each, for objectives on bounds: the weights of the clean and of the robust loss. */
  cleanWeights: Float64Array
  robustWeights: Float64Array
  /** One per step: how much of the new parameters goes into their average. Default: no average is kept. */
  averageShares?: Float64Array | null
  /** The part of the prediction loss's target that all classes share alike, from 0 to 1. Default 0. */
  labelSmoothing?: number
  /** Optimiser steps taken since the moments were zero (Adam's bias correction). */
  stepsTaken: number
  augmentation: NativeAugmentation | null
  precision: Precision
  /** With the epoch and the sample's index, the key of all randomness (augmentation, random starts). */
  seed: number
  epoch: number
  /**
   * Devices that share each batch with the network's own, in contiguous slices: other CUDA devices of this host beside a
   * CUDA network, or `cpu`, any number of times, beside one on the CPU, each a thread. Default none.
   */
  moreDevices?: Device[]
  /**
   * `weights` trains the parameters. `scores` freezes them and learns HYDRA's importance scores instead: each step
   * runs on the weights whose |score| is in the largest `keep` fraction of their tensor; the scores live in and are
   * returned with the result. (Sehwag et al., 2020)
   */
  learn: { kind: 'weights' } | { kind: 'scores'; keep: number; scores: Floats | null }
}

export interface TrainProgress {
  /** Steps and samples done in this job. */
  steps: number
  samples: number
  /** Mean loss of the batches since the last report. */
  loss: number
}

export interface TrainResult {
  /** Steps completed; fewer than asked only if `pause` was called. */
  steps: number
  samples: number
  /** Loss of each completed step. */
  losses: Float64Array
  /** Correct predictions, in the training forward, on what the objective trained on. */
  correct: number
  /** Steps that CUDA replayed from a recording; the others were queued kernel by kernel. */
  replayed: number
  seconds: number
  /** Present when `learn.kind` is `scores`: one per parameter. */
  scores?: Floats
}

export interface NativeTrainJob extends NativeJob<TrainResult> {
  /** Ends the job after the running batch and resolves with what was done: the way to stop without losing work. */
  pause(): void
}

export interface EvaluateRequest {
  /** Indices of the samples to evaluate. */
  indices: Uint32Array
  batchSize: number
  precision: Precision
  /** With an attack, adversarial predictions are made as well. */
  attack: NativeAttack | null
  seed: number
  /** Whether the images, and the strongest adversarial examples, are given back. Default false. */
  keepImages?: boolean
}

export interface EvaluateResult {
  /** Predicted class per sample, benign; −1 where a logit is NaN or infinite. */
  predictions: Int32Array
  /** Cross-entropy per sample, benign. */
  losses: Float32Array
  /** With an attack: the predicted class on the strongest stored adversarial example, and its cross-entropy. */
  adversarialPredictions: Int32Array | null
  adversarialLosses: Float32Array | null
  /** With an attack, of images that are right: which of a cascade's attacks broke them (0 without one); −1: none did. */
  brokenBy: Int32Array | null
  /** Where they are kept: pixels [n, channels, height, width], flat, in the network's type. */
  images: Floats | null
  adversarialImages: Floats | null
  seconds: number
}

export interface EngineEvaluateResult {
  /** The engine's class per sample, benign; −1 where a logit is NaN or infinite. */
  predictions: Int32Array
  /** With an attack: the engine's class of the strongest example found against the network; otherwise empty. */
  adversarialPredictions: Int32Array
  /** The same of the network, where it was given. */
  network: {
    predictions: Int32Array
    adversarialPredictions: Int32Array
    /** Of the benign logits: Σ (engine's − network's)² and Σ network's². */
    difference: number
    norm: number
  } | null
}

export interface GradientRequest {
  /** Indices of the samples. */
  indices: Uint32Array
  batchSize: number
  objective: NativeObjective
  /** Of objectives on bounds: the weights of the clean and of the robust loss. */
  cleanWeight: number
  robustWeight: number
  precision: Precision
  /** With the sample's index, the key of all randomness. */
  seed: number
}

export interface GradientResult {
  /** One per parameter, of pruned ones too. */
  gradients: Floats
  /** Mean over the samples. */
  loss: number
  seconds: number
}

export interface NativeBounds {
  method: BoundMethod
  /** Keep, at every node, the tighter of the method's bounds and interval bounds. */
  intersect: boolean
  /** Half the side of the box, in [0,1] pixels. */
  epsilon: number
  /** Whether the box is clipped to [0,1]. */
  clip: boolean
  /**
   * Bytes that bounds may take at once; fewer than one neuron needs is an error. Default 512 MiB on the CPU, a quarter of
   * a CUDA device's memory.
   */
  memory?: number
  /** Of methods that optimise their bounds: gradient steps for each image. */
  iterations: number
}

export interface VerifyRequest extends NativeBounds {
  /** Indices of the samples. */
  indices: Uint32Array
  batchSize: number
}

export interface VerifyResult {
  /**
   * For each image the least of the sound lower bounds of (logit of the label − other logit), over the other classes.
   * It holds for the real-valued network with the stored weights: rounding errors are subtracted. Where they alone
   * stood in the way of a proof, it was computed again in float64.
   */
  margins: Float64Array
  /** Whether the margin comes from float64. */
  confirmed: Uint8Array
  /** Predicted class on the image itself; −1 where a logit is NaN or infinite. */
  predictions: Int32Array
  /** Fraction of the neurons before a ReLU that are neither always on nor always off, meaned over the images. */
  unstable: number
  /** Multiply-accumulates of all backward passes. */
  macs: number
  seconds: number
}

/** Images as pixels in [0,1], [n, channels, height, width] flat, and their labels: for checks on given numbers. */
export interface NativeBatch {
  images: Floats
  labels: Int32Array
}

/** Arithmetic of an inference engine: the least precise that it may use. */
export type EngineType = 'fp32' | 'bf16' | 'fp16'

export interface CompileRequest {
  /** Images that come together; any other number works too, less fast. */
  batch: number
  type: EngineType
  threads: number
  /** Which programs compete: libtorch's dense ones, and those that skip what was pruned. */
  dense: boolean
  /** Whether dense programs compete only in `type` itself, not in more precise ones. */
  exact?: boolean
  sparse: boolean
  /**
   * `best`: what this CPU has. For checks, and slow: `portable`, what any CPU runs, halves imitated; `imitated`: the
   * same, and what AMX would do with bf16.
   */
  instructions: 'best' | 'portable' | 'imitated'
  /**
   * For checks, only this program: on the CPU `pixels fp32`, `images fp32`, `images bf16` or `images fp16`; on CUDA a
   * version of the kernels (`reference`, `simple o32`, `jobs p4`, `mma o64 p4 i64`).
   */
  kernel?: string
  /** Whether the CPU imitates the kernels for CUDA, thread by thread (very slow; the network is on the CPU then). */
  imitate?: boolean
  /** What earlier engines measured on this machine; unusable entries are measured anew. */
  tuning: Record<string, string> | null
}

/** A program that competed when an engine was compiled. */
export interface EngineCandidate {
  name: string
  /** For one batch, median. */
  seconds: number
  chosen: boolean
}

/** One stage of an engine: a convolution or linear layer with all that follows it element by element. */
export interface EngineStage {
  /** Name of its last node. */
  name: string
  /** The convolution or linear layer; null for a stage without one. */
  node: string | null
  /** What computes it: `jobs …` single weights, `columns …` those that 32 outputs share, `dense`; empty without a layer. */
  kernel: string
  /** For `images` of them: a program of two parts is measured in its first, which takes what fills its vectors. */
  seconds: number
  images: number
  /** Multiply-adds for one image: of the dense layer, of the weights that are left, and those that the kernel does. */
  denseMacs: number
  macs: number
  doneMacs: number
}

export interface NativeSparseEngine {
  readonly candidates: EngineCandidate[]
  /** The request's tuning with what was measured anew. */
  readonly tuning: Record<string, string>
  /** Bytes of packed weights and activations. */
  readonly bytes: number
  /** Packing and measuring took. */
  readonly compileSeconds: number
  readonly disposed: boolean
  /** Logits [n, classes] of pixels in [0,1], [n, channels, height, width] flat. */
  run(images: Floats): NativeJob<Float32Array>
  /**
   * Seconds of each run on all `images`, layout conversion included; `flush` empties the caches before each. On CUDA they
   * are measured by events, from images to logits that are both on the device.
   */
  time(images: Floats, options: { warmup: number; runs: number; flush: boolean }): NativeJob<Float64Array>
  /** Runs once and measures each stage. */
  profile(images: Floats): NativeJob<EngineStage[]>
  dispose(): void
}

export interface DeviceInfo {
  device: string
  name: string
  /** Bytes. */
  memory: number
}

export interface BuildInfo {
  /** Version of libtorch that the addon was compiled against. */
  builtAgainst: string
  /** Whether Coppice's own CUDA kernels were compiled in. */
  cudaKernels: boolean
  /** Whether libtorch sees a CUDA device. */
  cudaAvailable: boolean
  cudaDevices: DeviceInfo[]
  /** SIMD level of libtorch's CPU kernels, chosen at run time. */
  cpuCapability: string
}

export interface MemoryInfo {
  /** Bytes in use and the largest ever in use on this device since `resetPeak`. */
  allocated: number
  peak: number
  /** Bytes held by the caching allocator, in use or not. */
  reserved: number
  /** Bytes that the device has, and those of them that nobody holds. */
  total: number
  free: number
}

export interface NativeAddon {
  /** The least and greatest numbers that requests may have; what is outside is refused with `ERR_INVALID_ARGUMENT`. */
  readonly limits: Readonly<Record<keyof typeof NATIVE, number | readonly [least: number, greatest: number]>>
  /** Makes native errors instances of this class: `new Class(code, message, { cause? })`. Called once, after loading. */
  useErrorClass(
    errorClass: new (code: ErrorCode, message: string, options?: { cause?: unknown }) => Error,
  ): void
  /** Stops all engines within one batch; for the process's `exit` event. Nothing can be started afterwards. */
  close(): void
  info(): BuildInfo
  /** Threads for CPU work; takes effect with the next job. */
  setThreads(threads: number): void
  getThreads(): number
  /**
   * Deterministic algorithms on CUDA, at a cost, for the whole process. The CPU is deterministic for a given number of
   * threads.
   */
  setDeterministic(deterministic: boolean): void
  memory(device: Device): MemoryInfo
  resetPeakMemory(device: Device): void
  /** Gives cached blocks back to the system. */
  emptyCache(): void

  createNetwork(spec: NetworkSpec, options: { device: Device; type: ParameterType }): NativeJob<NativeNetwork>
  /** `images`: uint8 [n, channels, height, width]; `labels`: class per image. Copied. */
  createDataset(
    images: Uint8Array,
    labels: Uint8Array,
    options: { shape: [number, number, number]; classes: number; device: Device },
  ): NativeJob<NativeDataset>

  train(
    network: NativeNetwork,
    dataset: NativeDataset,
    request: TrainRequest,
    onProgress: ((progress: TrainProgress) => void) | null,
  ): NativeTrainJob
  evaluate(
    network: NativeNetwork,
    dataset: NativeDataset,
    request: EvaluateRequest,
    onProgress: ((progress: { samples: number }) => void) | null,
  ): NativeJob<EvaluateResult>

  /**
   * An engine, and beside it the network that it was compiled from, if that is given; an attack needs it, and is on it.
   */
  evaluateEngine(
    engine: NativeSparseEngine,
    network: NativeNetwork | null,
    dataset: NativeDataset,
    request: EvaluateRequest,
    onProgress: ((progress: { samples: number }) => void) | null,
  ): NativeJob<EngineEvaluateResult>

  /**
   * The gradient of an objective's mean loss over samples, with batch statistics as in training but without augmentation.
   * Nothing of the network changes but its gradient arena, which holds the same.
   */
  gradients(
    network: NativeNetwork,
    dataset: NativeDataset,
    request: GradientRequest,
    onProgress: ((progress: { samples: number }) => void) | null,
  ): NativeJob<GradientResult>

  /** Sound margins of images of a data set. */
  verify(
    network: NativeNetwork,
    dataset: NativeDataset,
    request: VerifyRequest,
    onProgress: ((progress: { samples: number }) => void) | null,
  ): NativeJob<VerifyResult>
  /**
   * Bounds of every value of a node, [n, ...shape of the node] flat. `sound` widens them by a bound of the rounding
   * errors; without it they are what the arithmetic gives.
   */
  bounds(
    network: NativeNetwork,
    images: Floats,
    options: NativeBounds & { node: string; sound: boolean },
  ): NativeJob<{ lower: Floats; upper: Floats }>
  /** Lower bounds of (logit of the label − other logit), [n, classes − 1] flat, the other classes in order. */
  margins(
    network: NativeNetwork,
    batch: NativeBatch,
    options: NativeBounds & { sound: boolean },
  ): NativeJob<{ margins: Floats; unstable: number; macs: number }>

  /**
   * An inference engine for the network as it is now (a copy; later training does not change it): the fastest of
   * several programs, found by measuring each on this machine.
   */
  compile(network: NativeNetwork, request: CompileRequest): NativeJob<NativeSparseEngine>
  /** Multiply-adds a second of one thread at best, operands in registers. */
  peak(type: EngineType): NativeJob<number>

  /** Logits [n, classes]; `training` uses batch statistics (and updates the running ones, as a training pass does). */
  forward(
    network: NativeNetwork,
    images: Floats,
    options: { precision: Precision; training: boolean },
  ): NativeJob<Floats>
  /**
   * Zeroes the gradients, adds those of the mean cross-entropy of one training-mode pass, resolves with the loss.
   * No optimiser step; read them with `network.read('gradients')`.
   */
  backward(network: NativeNetwork, batch: NativeBatch, options: { precision: Precision }): NativeJob<number>
  /** One optimiser step with the gradients as they are: decay, momentum, step and mask in one pass. */
  step(
    network: NativeNetwork,
    options: { optimiser: NativeOptimiser; learningRate: number; stepsTaken: number },
  ): NativeJob<void>
  /**
   * In evaluation mode: the cross-entropy of each image, and its gradient with respect to the pixels,
   * [n, channels, height, width] flat. `autograd` computes them by autograd instead of as attacks do, for checks.
   */
  imageGradients(
    network: NativeNetwork,
    batch: NativeBatch,
    options: { folded: boolean; precision: Precision; autograd: boolean },
  ): NativeJob<{ losses: Floats; gradients: Floats }>
  /**
   * Adversarial examples for a batch. `start`, of the images' length, replaces the random start of `pgd`. `folded` folds batch
   * norm into the convolutions while the attack runs (faster, same function up to rounding).
   */
  attack(
    network: NativeNetwork,
    batch: NativeBatch,
    options: {
      attack: NativeAttack
      start: Floats | null
      folded: boolean
      precision: Precision
      seed: number
    },
  ): NativeJob<{ images: Floats; losses: Floats; predictions: Int32Array }>
}
