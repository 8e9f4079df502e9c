/** A network that lives on a device: its spec, its weights and mask, and the objective it was trained with. */

import { inspect } from 'node:util'
import { settle } from '../../bindings/jobs.js'
import { addon } from '../../bindings/load.js'
import type {
  Device,
  Floats,
  NativeNetwork,
  ParameterType,
  Precision,
  TensorLayout,
} from '../../bindings/native.js'
import { instanceOf, optionsOf, pathOf } from '../base/arguments.js'
import { CoppiceError, invalid } from '../base/errors.js'
import { sameData } from '../base/json.js'
import { requireMemory } from '../base/memory.js'
import { parse, seedSchema } from '../base/schemas.js'
import { describeNetwork } from '../networks/describe.js'
import { networkSpec } from '../networks/index.js'
import { parseSpec } from '../networks/parse.js'
import { classCount } from '../networks/shapes.js'
import type { NetworkSpec } from '../networks/spec.js'
import { describeObjective } from '../objectives/index.js'
import { compact } from '../pruning/compact.js'
import { sparsity } from '../pruning/sparsity.js'
import { readModel, writeModel } from './modelFile.js'
import type { NetworkState, TrainingHistory } from './state.js'

export interface CreateOptions {
  /** Where its tensors live; default `cpu`. A device that isn't there is an error. */
  device?: Device
  /** Key of the initial weights; default 0. */
  seed?: number
  /** Type of the stored parameters; default `float32`. */
  type?: ParameterType
}

/** A handle; `dispose()` (or `using`) frees its memory at once. */
export class Network {
  private constructor(
    readonly spec: NetworkSpec,
    /** The native handle, for the jobs of bindings/native.ts. */
    readonly handle: NativeNetwork,
    /** What all claims of a network share. */
    private readonly memory: { history: TrainingHistory } = { history: {} },
  ) {}

  /**
   * A freshly initialised network, from a spec or the name of a known one (`vgg16`).
   * @throws CoppiceError `ERR_INVALID_ARGUMENT` for a spec whose shapes don't fit, `ERR_DEVICE` for a missing device
   */
  static async create(spec: NetworkSpec | string, options: CreateOptions = {}): Promise<Network> {
    optionsOf(options, 'network')
    const parsed = typeof spec === 'string' ? networkSpec(spec) : parseSpec(spec)
    const network = await Network.allocate(parsed, options)
    const seed = parse(seedSchema.default(0), options.seed, 'network.seed')
    await settle(() => network.handle.initialise(seed))
    return network
  }

  /** The network that `state` describes. */
  static async from(
    state: Omit<NetworkState, 'layout'>,
    options: { device?: Device } = {},
  ): Promise<Network> {
    optionsOf(state, 'Network.from')
    optionsOf(options, 'Network.from')
    const network = await Network.allocate(parseSpec(state.spec), { ...options, type: state.type })
    await network.write(state)
    return network
  }

  /** Reads a model file that `save`, a run or `coppice compact` wrote. */
  static async load(path: string, options: { device?: Device } = {}): Promise<Network> {
    optionsOf(options, 'network')
    const model = await readModel(path)
    return Network.from(model, options).catch((error) => {
      throw refused(error)
        ? new CoppiceError('ERR_FILE', `${path}: ${error.message}`, { cause: error })
        : error
    })
  }

  private static async allocate(spec: NetworkSpec, options: CreateOptions): Promise<Network> {
    const { device = 'cpu', type = 'float32' } = options
    // Weights, their gradients, and the mask.
    const bytes = type === 'float64' ? 8 : 4
    const { parameters } = describeNetwork(spec)
    if (device === 'cpu') requireMemory(parameters * (2 * bytes + 1), `network "${spec.name}"`)
    return new Network(spec, await settle(() => addon().createNetwork(spec, { device, type })))
  }

  get name(): string {
    return this.spec.name
  }

  get device(): Device {
    return this.handle.device
  }

  get type(): ParameterType {
    return this.handle.type
  }

  /** Number of logits. */
  get classes(): number {
    return classCount(this.spec)
  }

  /** Number of trained parameters, pruned ones included. */
  get parameterCount(): number {
    return this.handle.parameterCount
  }

  /** What lies where in the parameter and buffer arenas. */
  get layout(): TensorLayout[] {
    return this.handle.layout
  }

  /** The layout of the parameter arena alone. */
  get parameterLayout(): TensorLayout[] {
    return this.layout.filter((tensor) => tensor.arena === 'parameters')
  }

  /** What it was trained for; `train` and `compress` write it. */
  get history(): TrainingHistory {
    return this.memory.history
  }

  set history(history: TrainingHistory) {
    this.claim('history').dispose()
    this.memory.history = Object.freeze({ ...history })
  }

  /**
   * The same network in the hands of one job: until what is returned is disposed, nobody can write the network but
   * through it. Everybody may read: a network that is being trained is as it was after some batch. `train`, `compress`
   * and `write` claim the network they work on.
   *
   * @throws CoppiceError `ERR_BUSY`, as whatever else would write, if another job owns the network
   */
  claim(job: string): Network {
    return new Network(this.spec, this.handle.claim(job), this.memory)
  }

  /** A copy of weights, statistics and mask. */
  async read(): Promise<NetworkState> {
    const history = { ...this.history }
    const arenas = await settle(() => this.handle.snapshot())
    return { spec: this.spec, type: this.type, layout: this.layout, ...arenas, history }
  }

  /** Overwrites weights, statistics and mask; the spec must be this network's. */
  async write(state: Omit<NetworkState, 'layout'>): Promise<void> {
    optionsOf(state, 'network.write')
    requireSameNetwork(this.spec, parseSpec(state.spec))
    using own = this.claim('write')
    await settle(() => own.handle.write('mask', state.mask))
    await settle(() => own.handle.write('parameters', state.parameters))
    await settle(() => own.handle.write('buffers', state.buffers))
    own.history = { ...state.history }
  }

  /** Fraction of all prunable weights that the mask removes. */
  async sparsity(): Promise<number> {
    return sparsity(await settle(() => this.handle.read('mask')), this.parameterLayout)
  }

  /** Logits [n, classes] in evaluation mode for pixels in [0,1], [n, channels, height, width] flat. */
  logits(images: Floats, options: { precision?: Precision } = {}): Promise<Floats> {
    const precision = optionsOf(options, 'logits').precision ?? defaultPrecision(this)
    return settle(() => addon().forward(this.handle, images, { precision, training: false }))
  }

  /** Writes weights, mask and spec as safetensors, atomically. */
  async save(path: string): Promise<void> {
    await writeModel(pathOf(path, 'save'), await this.read())
  }

  /**
   * A physically smaller network with the same logits: the channels that a filter mask emptied are gone. Without such
   * channels, a copy.
   */
  async compact(): Promise<Network> {
    const state = await this.read()
    const smaller = compact(state.spec, state.layout, state.parameters, state.buffers, state.mask)
    return Network.from({ ...state, ...smaller }, { device: this.device })
  }

  /**
   * Frees the memory now, or after a running native job that uses it; using the network afterwards is an error, for a
   * job that is training it, too: that ends with `ERR_DISPOSED` instead of its next epoch. Idempotent.
   */
  dispose(): void {
    this.handle.dispose()
  }

  [Symbol.dispose](): void {
    this.dispose()
  }

  [inspect.custom](): string {
    const { objective } = this.history
    const facts = [
      `${this.parameterCount.toLocaleString('en-US')} parameters`,
      this.type,
      this.device,
      objective === undefined ? 'untrained' : describeObjective(objective),
    ]
    return `Network "${this.name}" { ${this.handle.disposed ? 'disposed' : facts.join(', ')} }`
  }
}

/** A network that a caller handed over. @throws CoppiceError that says what came instead */
export const requireNetwork = (value: unknown, what: string): Network =>
  instanceOf(Network, value, what, 'a network, such as `await vgg16()` gives')

/** Reads a model file (safetensors with the spec in its header) onto a device. */
export const loadNetwork = (path: string, options: { device?: Device } = {}): Promise<Network> =>
  Network.load(path, options)

/** The arithmetic that fits a network's parameters: `fp64` for float64, else `fp32`. */
export const defaultPrecision = (network: Network): Precision =>
  network.type === 'float64' ? 'fp64' : 'fp32'

const refused = (error: unknown): error is CoppiceError =>
  error instanceof CoppiceError && error.code === 'ERR_INVALID_ARGUMENT'

/** Throws where two specs differ in anything but their name. */
export const requireSameNetwork = (expected: NetworkSpec, received: NetworkSpec): void => {
  const body = ({ input, nodes }: NetworkSpec) => ({ input, nodes })
  if (expected === received || sameData(body(expected), body(received))) return
  const place = expected.nodes.findIndex((node, index) => !sameData(node, received.nodes[index] ?? null))
  const node = expected.nodes[place]?.name ?? received.nodes[expected.nodes.length]?.name ?? 'input'
  throw invalid(
    `these are weights of another network: "${received.name}" where "${expected.name}" is expected; ` +
      `they first differ at "${node}"`,
  )
}
