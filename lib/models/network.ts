/** A network that lives on a device: its spec, its weights and mask, and the objective it was trained with. */

import { type InspectOptions, inspect } from 'node:util'
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
import { didYouMean, show, showNames } from '../base/numbers.js'
import { count, isWithin, percent, printedAs } from '../base/printed.js'
import { parse, seedSchema } from '../base/schemas.js'
import { describeNetwork } from '../networks/describe.js'
import { networkSpec } from '../networks/index.js'
import { parseSpec } from '../networks/parse.js'
import { classCount } from '../networks/shapes.js'
import type { NetworkSpec } from '../networks/spec.js'
import { elements } from '../networks/tensors.js'
import { describeObjective } from '../objectives/index.js'
import { compact } from '../pruning/compact.js'
import { type PruneReport, type PruneRequest, pruneMask } from '../pruning/mask.js'
import { printedMask } from '../pruning/printedMask.js'
import { remainingWeights, sparsity } from '../pruning/sparsity.js'
import { type Layer, layersOf, layerTable, type Remaining } from './layers.js'
import { readModel, writeModel } from './modelFile.js'
import type { NetworkState, TrainingHistory } from './state.js'
import { Tensor } from './tensor.js'

/** How `Network.prune` chooses what goes, as in `pruneMask`; the structure by default `unstructured`. */
export type NetworkPruneOptions = Omit<
  PruneRequest,
  'spec' | 'layout' | 'parameters' | 'previous' | 'structure'
> &
  Partial<Pick<PruneRequest, 'structure'>>

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
    private readonly memory: { history: TrainingHistory; remaining?: Remaining } = { history: {} },
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

  /** Its convolution and linear layers in order, each with its sparsity; they print as a table. */
  get layers(): readonly Layer[] {
    return layersOf(this.spec, this.parameterLayout, this.memory.remaining)
  }

  /** Parameters, multiply-accumulates and sparsity, layer by layer, as text. */
  summary(): string {
    const { layers } = this
    const total = layers.reduce((sum, { shape }) => sum + elements(shape), 0)
    const pruned = layers.reduce((sum, { shape, sparsity }) => sum + sparsity * elements(shape), 0) / total
    const macs = layers.reduce((sum, layer) => sum + layer.macs, 0)
    const facts = [
      `${count(macs)} MACs an image`,
      ...(pruned > 0 ? [`${percent(pruned)} of the weights pruned`] : []),
    ]
    return `${this.inBrief(facts)}\n${layerTable(layers)}`
  }

  /**
   * A copy of a tensor: the weights of a layer by its name (`conv1`), any tensor by its own (`conv1.bias`,
   * `bn1.running_mean`).
   *
   * @throws CoppiceError for a name that is none of this network's
   */
  async weights(name: string): Promise<Tensor> {
    const { arena, offset, size, shape, name: full } = this.tensor(name, 'weights')
    const all = await settle(() => this.handle.read(arena))
    return new Tensor(full, shape, all.slice(offset, offset + size))
  }

  /**
   * Overwrites a tensor, named as for `weights`, with so many numbers in its order; pruned weights stay zero.
   *
   * @throws CoppiceError for another name or number of values, or values that are not finite; `ERR_BUSY`
   */
  async setWeights(name: string, values: ArrayLike<number>): Promise<void> {
    const { arena, offset } = this.tensor(name, 'setWeights', values)
    using own = this.claim('setWeights')
    const all = await settle(() => own.handle.read(arena))
    all.set(values, offset)
    await settle(() => own.handle.write(arena, all))
  }

  /** A copy of the mask, 0 where a parameter is pruned; it prints as the sparsity of each layer. */
  mask(): Promise<Uint8Array>
  /** That of one tensor, named as for `weights`. */
  mask(name: string): Promise<Tensor<Uint8Array>>
  async mask(name?: string): Promise<Uint8Array | Tensor<Uint8Array>> {
    const chosen = name === undefined ? undefined : this.tensor(name, 'mask')
    const all = await settle(() => this.handle.read('mask'))
    if (chosen === undefined) return printedMask(all, this.parameterLayout)
    const { name: full, shape, offset, size } = chosen
    return new Tensor(full, shape, all.slice(offset, offset + size))
  }

  /**
   * Puts a mask of the whole network, or that of one tensor, in force; what it removes becomes zero.
   *
   * @throws CoppiceError for another length or name; `ERR_BUSY`
   */
  setMask(mask: Uint8Array): Promise<void>
  setMask(name: string, mask: ArrayLike<number>): Promise<void>
  async setMask(of: Uint8Array | string, values?: ArrayLike<number>): Promise<void> {
    using own = this.claim('setMask')
    if (typeof of !== 'string') return await own.writeMask(instanceOf(Uint8Array, of, 'setMask', 'a mask'))
    const { offset } = this.tensor(of, 'setMask', values)
    const all = await settle(() => own.handle.read('mask'))
    all.set(values ?? [], offset)
    await own.writeMask(all)
  }

  /**
   * Removes weights once, without training: the mask grows until `sparsity` of the prunable weights (filters) are gone.
   * `compress` does it in steps with fine-tuning after each.
   *
   * @throws CoppiceError for wrong options, a target that cannot be met; `ERR_BUSY`
   */
  async prune(options: NetworkPruneOptions): Promise<PruneReport> {
    using own = this.claim('prune')
    const { mask, report } = await pruneMask({
      structure: 'unstructured',
      ...optionsOf(options, 'prune'),
      spec: this.spec,
      layout: this.parameterLayout,
      parameters: await settle(() => own.handle.read('parameters')),
      previous: await settle(() => own.handle.read('mask')),
    })
    await own.writeMask(mask)
    return report
  }

  /** Puts a mask in force; the network must be this caller's own (`claim`). */
  async writeMask(mask: Uint8Array): Promise<void> {
    await settle(() => this.handle.write('mask', mask))
    const prunable = this.parameterLayout.filter((tensor) => tensor.prunable)
    this.memory.remaining = new Map(prunable.map((tensor) => [tensor.name, remainingWeights(mask, tensor)]))
  }

  /** A tensor by its name, or the weights of the layer of that name. */
  private tensor(name: string, what: string, values?: ArrayLike<number>): TensorLayout {
    const found =
      this.layout.find((tensor) => tensor.name === name) ??
      this.layout.find((tensor) => tensor.node === name && tensor.prunable)
    if (found === undefined) {
      const names = this.layout.flatMap((tensor) =>
        tensor.prunable ? [tensor.node, tensor.name] : tensor.name,
      )
      throw invalid(
        `${what}: network "${this.name}" has no tensor ${show(name)}${
          (typeof name === 'string' && didYouMean(name, names)) || `; it has ${showNames(names)}`
        }`,
      )
    }
    if (what.startsWith('set') && values?.length !== found.size) {
      throw invalid(`${what}: ${found.name} has ${found.size} values, received ${show(values?.length)}`)
    }
    return found
  }

  /** A copy of weights, statistics and mask. */
  async read(): Promise<NetworkState> {
    const history = { ...this.history }
    const { parameters, buffers, mask } = await settle(() => this.handle.snapshot())
    const { spec, type, layout } = this
    return printedAs(
      { spec, type, layout, parameters, buffers, mask: printedMask(mask, layout), history },
      (state) => `NetworkState "${spec.name}" { ${Object.keys(state).join(', ')} }`,
    )
  }

  /** Overwrites weights, statistics and mask; the spec must be this network's. */
  async write(state: Omit<NetworkState, 'layout'>): Promise<void> {
    optionsOf(state, 'network.write')
    requireSameNetwork(this.spec, parseSpec(state.spec))
    using own = this.claim('write')
    await own.writeMask(state.mask)
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

  [inspect.custom](depth: number | null, options: InspectOptions): string {
    return this.handle.disposed || isWithin(depth, options) ? this.inBrief() : this.summary()
  }

  private inBrief(more: readonly string[] = []): string {
    const { objective } = this.history
    const facts = [
      `${count(this.parameterCount)} parameters`,
      ...more,
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

/** What a job does to which network, for people, whatever a caller handed over: `train "vgg16"`. */
export const jobName = (verb: string, network: unknown): string =>
  network instanceof Network ? `${verb} "${network.name}"` : verb

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
