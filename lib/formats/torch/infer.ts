/**
 * A spec for a state dict of a plain stack of layers. Shapes say most of it; the numbers that `nn.Sequential` counts its
 * modules by say where modules without weights are. Strides, paddings and max pools are tried, the usual ones first,
 * until the maps, or their global average, fit the linear layers.
 */
import { show, showShape } from '../../base/numbers.js'
import { type NetworkSpecInput, type NodeInput, parseSpec } from '../../networks/parse.js'
import type { ImageShape, NetworkSpec } from '../../networks/spec.js'
import { TorchFileError } from './error.js'
import type { NamedTensor } from './file.js'
import { printable } from './match.js'
import { isFloating } from './values.js'

/** A layer as its tensors tell it. */
interface Layer {
  name: string
  kind: 'conv2d' | 'batchNorm2d' | 'linear'
  /** [outputs, inputs, …] of its weight. */
  shape: readonly number[]
  bias: boolean
  /** Modules without weights between it and the one before; undefined where the names do not tell. */
  gap: number | undefined
}

/** What is not in a file, the same for all layers. */
interface Habit {
  /** Odd kernels keep the size, or have no padding. */
  odd: 'same' | 'valid'
  /** Even kernels halve it: stride 2 with padding, or without; or have neither. */
  even: 'half' | 'halfValid' | 'valid'
  /** A max pool by 2 where there is place for one. */
  pools: boolean
}

const HABITS: readonly Habit[] = [true, false].flatMap((pools) =>
  (['same', 'valid'] as const).flatMap((odd) =>
    (['half', 'halfValid', 'valid'] as const).map((even) => ({ odd, even, pools })),
  ),
)

/** Of images, where nobody says it: those of CIFAR; of networks that begin with a linear layer, by its inputs. */
const SIDE = 32
const FLAT: Readonly<Record<number, ImageShape>> = { 3072: [3, 32, 32], 784: [1, 28, 28] }

/**
 * The spec that a state dict suggests: convolutions, batch norms and linear layers one after another, with ReLUs between
 * them. Normalisation is not in it.
 *
 * @param input shape of the images; default [channels, 32, 32]
 * @throws TorchFileError where the tensors are no such stack, or nothing that is usual fits.
 */
export const inferSpec = (tensors: readonly NamedTensor[], name: string, input?: ImageShape): NetworkSpec => {
  const layers = layersOf(tensors)
  const shape = input ?? imageOf(layers)
  for (const habit of HABITS) {
    const nodes = stack(layers, shape, habit)
    if (nodes !== undefined) return checked({ name, input: shape, nodes })
  }
  throw new TorchFileError(
    `its layers fit no plain network for images of ${showShape(shape)}; say which it is with --spec or --network`,
  )
}

const checked = (spec: NetworkSpecInput): NetworkSpec => {
  try {
    return parseSpec(spec)
  } catch (error) {
    throw new TorchFileError(`its layers make no network: ${(error as Error).message}`, { cause: error })
  }
}

const imageOf = ([first]: readonly Layer[]): ImageShape => {
  const read = first?.shape[1] ?? 0
  if (first?.kind === 'conv2d') return [read, SIDE, SIDE]
  const known = FLAT[read]
  if (known !== undefined) return known
  throw new TorchFileError(
    `its first layer reads ${read} numbers, which are no images of a known size; say which network it is with --spec`,
  )
}

const layersOf = (tensors: readonly NamedTensor[]): Layer[] => {
  const groups = new Map<string, Map<string, readonly number[]>>()
  for (const { name, tensor } of tensors.filter((each) => isFloating(each.tensor.type))) {
    const dot = name.lastIndexOf('.')
    const prefix = name.slice(0, Math.max(0, dot))
    const group = groups.get(prefix) ?? new Map()
    groups.set(prefix, group.set(name.slice(dot + 1), tensor.shape))
  }
  const block = [...groups.keys()].find((name) => /\..*\.\D[^.]*$/.test(name))
  if (block !== undefined) {
    throw new TorchFileError(
      `its layer ${show(block)} is inside a block, where layers need not follow each other; ` +
        'say which network it is with --spec or --network',
    )
  }
  const names = [...groups.keys()]
  return [...groups].map(([prefix, group], place) => ({
    ...layerOf(prefix, group),
    name: prefix.replace(/[^A-Za-z0-9_.-]+/g, '_').replace(/^[.-]+/, '') || 'layer',
    gap: gapBetween(names[place - 1], prefix),
  }))
}

const layerOf = (
  name: string,
  group: ReadonlyMap<string, readonly number[]>,
): Omit<Layer, 'name' | 'gap'> => {
  const shape = group.get('weight') ?? []
  const bias = group.has('bias')
  const plain = group.size === (bias ? 2 : 1)
  if (shape.length === 4 && plain && shape[2] === shape[3]) return { kind: 'conv2d', shape, bias }
  if (shape.length === 2 && plain) return { kind: 'linear', shape, bias }
  const statistics = ['bias', 'running_mean', 'running_var'].every((key) => group.has(key))
  if (shape.length === 1 && statistics && group.size === 4) return { kind: 'batchNorm2d', shape, bias }
  throw new TorchFileError(
    `its layer ${show(name)} (${[...group.keys()].map(printable).join(', ')}) is none that can be guessed; ` +
      'say which network it is with --spec or --network',
  )
}

/** `features.3` after `features.0`: two modules lie between them. */
const gapBetween = (before: string | undefined, after: string): number | undefined => {
  const split = (name: string) => /^(|.*\.)(\d+)$/.exec(name)
  const [left, right] = [before === undefined ? null : split(before), split(after)]
  if (left === null || right === null || left[1] !== right[1]) return undefined
  return Number(right[2]) - Number(left[2]) - 1
}

/** The nodes of the layers under a habit; undefined where the maps do not fit. */
const stack = (
  layers: readonly Layer[],
  [channels, height, width]: ImageShape,
  habit: Habit,
): NodeInput[] | undefined => {
  if (height !== width) return undefined
  const nodes: NodeInput[] = []
  let [depth, side, flat, relus, pools] = [channels, height, false, 0, 0]
  const activate = ({ kind, gap }: Layer): void => {
    const room = (gap ?? 1) - (kind === 'linear' && !flat && gap !== undefined ? 1 : 0)
    if (room > 0) nodes.push({ op: 'relu', name: `relu${++relus}` })
    if (room > 1 && habit.pools && !flat) {
      nodes.push({ op: 'maxPool2d', name: `pool${++pools}`, kernel: 2 })
      side = Math.floor(side / 2)
    }
  }
  const flatten = (features: number): boolean => {
    const left = Math.sqrt(features / depth)
    if (left !== side && left !== 1) return false
    if (left !== side) nodes.push({ op: 'averagePool2d', name: `pool${++pools}`, kernel: side })
    nodes.push({ op: 'flatten', name: 'flatten' })
    flat = true
    return true
  }
  for (const [place, layer] of layers.entries()) {
    const { name, kind, shape, bias } = layer
    const [outputs = 0, inputs = 0, kernel = 1] = shape
    if (place > 0 && kind !== 'batchNorm2d') activate(layer)
    if (kind === 'linear') {
      if (flat ? inputs !== depth : !flatten(inputs)) return undefined
      nodes.push({ op: 'linear', name, features: outputs, bias })
    } else if (flat || depth !== (kind === 'conv2d' ? inputs : outputs)) {
      return undefined
    } else if (kind === 'batchNorm2d') {
      nodes.push({ op: 'batchNorm2d', name })
    } else {
      const window = windowOf(kernel, habit)
      side = Math.floor((side + 2 * window.padding - kernel) / window.stride) + 1
      nodes.push({ op: 'conv2d', name, channels: outputs, kernel, ...window, bias })
    }
    depth = outputs
    if (side < 1) return undefined
  }
  return flat || flatten(depth) ? nodes : undefined
}

const windowOf = (kernel: number, { odd, even }: Habit): { stride: number; padding: number } => {
  if (kernel % 2 === 1) return { stride: 1, padding: odd === 'same' ? (kernel - 1) / 2 : 0 }
  if (even === 'valid') return { stride: 1, padding: 0 }
  return { stride: 2, padding: even === 'half' ? (kernel - 2) / 2 : 0 }
}
