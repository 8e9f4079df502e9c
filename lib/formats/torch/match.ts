/** Which tensor of a PyTorch file becomes which tensor of a network. */
import type { TensorLayout } from '../../../bindings/native.js'
import { showShape } from '../../base/numbers.js'
import { TorchFileError } from './error.js'
import type { NamedTensor } from './file.js'
import { isFloating } from './values.js'

export interface Matching {
  /** `name`: every tensor of the network has its namesake. `order`: layer by layer, in the order of the file. */
  by: 'name' | 'order'
  /** The file's tensor for each of the network's. */
  pairs: { target: TensorLayout; source: NamedTensor }[]
}

/**
 * Matches by name if every tensor of the network has a namesake in the file. Else the layers are matched in order: each
 * layer of the network gets the first layer of the file, not yet taken, whose tensors have the same last names
 * (`weight`, `bias`, `running_mean`, `running_var`) and shapes. Never a mix of both: the `2` of a PyTorch Sequential
 * and the second layer of a network would be confused.
 *
 * @throws TorchFileError where a tensor of the network finds none, or a floating one of the file is left over.
 */
export const matchTensors = (
  tensors: readonly NamedTensor[],
  layout: readonly TensorLayout[],
  network: string,
): Matching => {
  const floating = tensors.filter(({ tensor }) => isFloating(tensor.type))
  const byName = new Map(floating.map((each) => [each.name, each]))
  const named = layout.every(({ name }) => byName.has(name))
  const sources = named ? byName : inOrder(floating, layout)
  const pairs = layout.flatMap((target) => {
    const source = sources.get(target.name)
    return source !== undefined && sameShape(source.tensor.shape, target.shape) ? [{ target, source }] : []
  })
  const met = new Set(pairs.map(({ target }) => target.name))
  const used = new Set(pairs.map(({ source }) => source.name))
  const unmet = layout.filter(({ name }) => !met.has(name))
  const unused = floating.filter(({ name }) => !used.has(name))
  if (unmet.length === 0 && unused.length === 0) return { by: named ? 'name' : 'order', pairs }
  const complaints = [
    ...(unmet.length === 0 ? [] : [`it has nothing for ${list(unmet)}`]),
    ...(unused.length === 0
      ? []
      : [`left over in it: ${list(unused.map(({ name, tensor }) => ({ name, shape: tensor.shape })))}`]),
  ]
  throw new TorchFileError(`it does not fit the network "${network}": ${complaints.join('; ')}`)
}

interface Layer<Tensor> {
  tensors: { last: string; shape: readonly number[]; tensor: Tensor }[]
}

/** The file's tensor for each tensor of the network that finds one, by the network's names. */
const inOrder = (
  floating: readonly NamedTensor[],
  layout: readonly TensorLayout[],
): Map<string, NamedTensor> => {
  const offered = layers(
    floating,
    ({ name }) => name,
    ({ tensor }) => tensor.shape,
  )
  const wanted = layers(
    layout,
    ({ name }) => name,
    ({ shape }) => shape,
  )
  const sources = new Map<string, NamedTensor>()
  for (const layer of wanted) {
    const place = offered.findIndex((candidate) => alike(candidate, layer))
    const [found] = place < 0 ? [] : offered.splice(place, 1)
    for (const { last, tensor } of layer.tensors) {
      const source = found?.tensors.find((each) => each.last === last)
      if (source !== undefined) sources.set(tensor.name, source.tensor)
    }
  }
  return sources
}

/** Tensors whose names differ only in what follows the last dot belong to one layer. */
const layers = <Tensor>(
  tensors: readonly Tensor[],
  nameOf: (tensor: Tensor) => string,
  shapeOf: (tensor: Tensor) => readonly number[],
): Layer<Tensor>[] => {
  const found = new Map<string, Layer<Tensor>>()
  for (const tensor of tensors) {
    const name = nameOf(tensor)
    const dot = name.lastIndexOf('.')
    const prefix = name.slice(0, Math.max(0, dot))
    const layer = found.get(prefix) ?? { tensors: [] }
    layer.tensors.push({ last: name.slice(dot + 1), shape: shapeOf(tensor), tensor })
    found.set(prefix, layer)
  }
  return [...found.values()]
}

const alike = <A, B>(a: Layer<A>, b: Layer<B>): boolean =>
  a.tensors.length === b.tensors.length &&
  a.tensors.every(({ last, shape }) => {
    const other = b.tensors.find((each) => each.last === last)
    return other !== undefined && sameShape(other.shape, shape)
  })

const sameShape = (a: readonly number[], b: readonly number[]): boolean =>
  a.length === b.length && a.every((size, axis) => size === b[axis])

/** `conv1.weight [8, 3, 4, 4], conv1.bias [8] and 6 more`. */
const list = (tensors: readonly { name: string; shape: readonly number[] }[]): string => {
  const SHOWN = 6
  const first = tensors.slice(0, SHOWN).map(({ name, shape }) => `${printable(name)} ${showShape(shape)}`)
  const more = tensors.length - SHOWN
  return `${first.join(', ')}${more > 0 ? ` and ${more} more` : ''}`
}

/** A name as the file has it, without what would break a line or talk to a terminal. */
export const printable = (name: string): string => JSON.stringify(name.slice(0, 100)).slice(1, -1)
