/**
 * Which channels of a network belong together. Batch norm, ReLU, pooling and flatten keep channels apart, so their
 * output lies in the channel space of their input; an addition ties the spaces of both inputs; convolutions and linear
 * layers read one space and open another. What happens to a channel happens to it in its whole space.
 */
import { invalid } from '../base/errors.js'
import { factsOf } from '../networks/operations.js'
import { nodeShapes } from '../networks/shapes.js'
import { IMAGE, type NetworkSpec } from '../networks/spec.js'

export interface ChannelSpace {
  /** Number of channels. */
  readonly channels: number
  /** Nodes whose outputs lie in this space, `image` included. */
  readonly members: readonly string[]
  /** Convolutions and linear layers whose filters (neurons) make the channels. */
  readonly producers: readonly string[]
  /** Batch norms that scale and shift the channels. */
  readonly batchNorms: readonly string[]
  /** Convolutions and linear layers that read a member, and which one. */
  readonly readers: readonly { readonly node: string; readonly input: string }[]
  /** Whether an addition lies in this space, so that several producers share its channels. */
  readonly tied: boolean
  /** Whether its channels are given from outside: it holds the image or the logits. */
  readonly fixed: boolean
}

export interface ChannelSpaces {
  /** In the order of their first members. */
  readonly spaces: readonly ChannelSpace[]
  /** The space of a node's output, or of `image`. */
  of(node: string): ChannelSpace
  /**
   * How many consecutive entries of a node's output (channels of a map, entries of a vector) are one channel of its
   * space: 1, but height · width after `flatten`, and for a linear layer whose output is added to a flattened map.
   */
  run(node: string): number
}

/** The channel spaces of a network. */
export const channelSpaces = (spec: NetworkSpec): ChannelSpaces => {
  const widths = leadingSizes(spec)
  const ties = new Ties()
  ties.open(IMAGE, width(widths, IMAGE))
  for (const node of spec.nodes) {
    const [first = IMAGE, ...others] = node.inputs
    switch (factsOf(node).channels) {
      case 'mixed':
        ties.open(node.name, width(widths, node.name))
        break
      case 'kept':
        ties.join(node.name, first)
        break
      case 'tied':
        ties.join(node.name, first)
        for (const other of others) ties.merge(first, other)
    }
  }

  const spaces = new Map<string, Draft>()
  const draft = (name: string): Draft => {
    const root = ties.find(name)
    const found = spaces.get(root) ?? emptyDraft(ties.channels(root))
    spaces.set(root, found)
    return found
  }
  draft(IMAGE).members.push(IMAGE)
  draft(IMAGE).fixed = true
  for (const node of spec.nodes) {
    const own = draft(node.name)
    own.members.push(node.name)
    const { channels, holds } = factsOf(node)
    own.tied ||= channels === 'tied'
    if (holds === 'statistics') own.batchNorms.push(node.name)
    if (channels !== 'mixed') continue
    own.producers.push(node.name)
    const [input = IMAGE] = node.inputs
    draft(input).readers.push({ node: node.name, input })
  }
  const last = spec.nodes.at(-1)
  if (last !== undefined) draft(last.name).fixed = true

  return {
    spaces: [...spaces.values()],
    of: draft,
    run: (node) => width(widths, node) / draft(node).channels,
  }
}

type Draft = { -readonly [Key in keyof ChannelSpace]: Mutable<ChannelSpace[Key]> }
type Mutable<Value> = Value extends readonly (infer Entry)[] ? Entry[] : Value

const emptyDraft = (channels: number): Draft => ({
  channels,
  members: [],
  producers: [],
  batchNorms: [],
  readers: [],
  tied: false,
  fixed: false,
})

/** Channels of each node's output, or entries where it is a vector. */
const leadingSizes = (spec: NetworkSpec): Map<string, number> => {
  const sizes = new Map<string, number>([[IMAGE, spec.input[0]]])
  for (const [name, [size = 0]] of nodeShapes(spec)) sizes.set(name, size)
  return sizes
}

const width = (widths: ReadonlyMap<string, number>, name: string): number => {
  const size = widths.get(name)
  if (size === undefined) throw invalid(`the network has no node "${name}"`)
  return size
}

/** Union-find over node names, with the number of channels of each set. */
class Ties {
  readonly #parents = new Map<string, string>()
  readonly #channels = new Map<string, number>()

  open(name: string, channels: number): void {
    this.#parents.set(name, name)
    this.#channels.set(name, channels)
  }

  join(name: string, to: string): void {
    this.#parents.set(name, this.find(to))
  }

  /**
   * Channels are equal runs of consecutive entries on both sides. Where the runs differ in length, whatever overlaps
   * is tied, which leaves the greatest common divisor of the two numbers of channels.
   */
  merge(a: string, b: string): void {
    const [first, second] = [this.find(a), this.find(b)]
    if (first === second) return
    this.#channels.set(first, greatestCommonDivisor(this.channels(first), this.channels(second)))
    this.#parents.set(second, first)
  }

  find(name: string): string {
    let root = name
    for (let parent = this.#parents.get(root); parent !== root; parent = this.#parents.get(root)) {
      if (parent === undefined) throw invalid(`the network has no node "${root}"`)
      root = parent
    }
    return root
  }

  channels(root: string): number {
    return this.#channels.get(root) ?? 0
  }
}

const greatestCommonDivisor = (a: number, b: number): number =>
  b === 0 ? a : greatestCommonDivisor(b, a % b)
