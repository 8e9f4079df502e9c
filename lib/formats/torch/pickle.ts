/**
 * What a PyTorch file's pickle may hold besides plain data: tensors, the storages they look at, and ordered
 * dictionaries. Every other class or function is refused as soon as it is named. (torch/_utils.py, torch/serialization.py)
 */

import { show } from '../../base/numbers.js'
import {
  PickledGlobal,
  type PickledObject,
  PickleError,
  type PickleRules,
  type PickleValue,
} from '../../files/pickle.js'

/** Type and size in bytes of a storage's elements, by the name of its class. */
const STORAGES = {
  FloatStorage: { type: 'float32', bytes: 4 },
  DoubleStorage: { type: 'float64', bytes: 8 },
  HalfStorage: { type: 'float16', bytes: 2 },
  BFloat16Storage: { type: 'bfloat16', bytes: 2 },
  LongStorage: { type: 'int64', bytes: 8 },
  IntStorage: { type: 'int32', bytes: 4 },
  ShortStorage: { type: 'int16', bytes: 2 },
  CharStorage: { type: 'int8', bytes: 1 },
  ByteStorage: { type: 'uint8', bytes: 1 },
  BoolStorage: { type: 'bool', bytes: 1 },
} as const

export type TorchElement = (typeof STORAGES)[keyof typeof STORAGES]
/** Type of a tensor's elements. */
export type TorchType = TorchElement['type']

/** Numbers in a row, kept outside the pickle under `key`. */
export class TorchStorage implements PickledObject {
  constructor(
    readonly key: string,
    readonly element: TorchElement,
    /** Number of elements. */
    readonly length: number,
    /** Where this one begins in what is kept under the key, in elements; only old files have views of storages. */
    readonly start = 0,
  ) {}

  setState(): void {
    throw new PickleError('it sets the state of a storage')
  }
}

/** A tensor as a look at a storage: element [i, j, …] is at offset + i · strides[0] + j · strides[1] + … */
export class TorchTensor implements PickledObject {
  constructor(
    readonly storage: TorchStorage,
    readonly offset: number,
    readonly shape: number[],
    readonly strides: number[],
  ) {}

  get type(): TorchType {
    return this.storage.element.type
  }

  /** Attributes that somebody gave the tensor; they are no part of its values. */
  setState(): void {}
}

/** Python's OrderedDict. Its state is what PyTorch remembers about versions of modules. */
class OrderedDictionary extends Map<PickleValue, PickleValue> implements PickledObject {
  setState(): void {}
}

/** The rules for one pickle; `storages` collects those that it names, whole ones, by key. */
export const torchRules = (storages: Map<string, TorchStorage>): PickleRules => ({
  name: (name) => {
    if (Object.hasOwn(CALLS, name) || storageElement(name) !== undefined) return
    throw new PickleError(
      `it names ${show(name.replace(' ', '.'))}, which has no place among plain tensors; nothing of it was run. ` +
        'Save the weights alone: torch.save(model.state_dict(), file)',
    )
  },
  call: (callee, args) => {
    const call = Object.hasOwn(CALLS, callee) ? CALLS[callee] : undefined
    if (call === undefined) throw new PickleError(`it calls ${show(callee)}, which is not allowed`)
    return call(args)
  },
  persistent: (id) => readStorage(id, storages),
})

const CALLS: Readonly<Record<string, (args: PickleValue[]) => PickledObject>> = {
  'collections OrderedDict': ([items = []]) => orderedDictionary(items),
  'torch._utils _rebuild_tensor': (args) => rebuildTensor(args),
  'torch._utils _rebuild_tensor_v2': (args) => rebuildTensor(args),
  'torch._utils _rebuild_parameter': ([tensor]) => {
    if (tensor instanceof TorchTensor) return tensor
    throw new PickleError('a parameter in it is no tensor')
  },
}

const storageElement = (name: string): TorchElement | undefined => {
  const [module, type = ''] = name.split(' ')
  if (module !== 'torch' || !Object.hasOwn(STORAGES, type)) return undefined
  return STORAGES[type as keyof typeof STORAGES]
}

/** Python 2 gives a list of [key, value]. */
const orderedDictionary = (items: PickleValue): OrderedDictionary => {
  const dictionary = new OrderedDictionary()
  if (!Array.isArray(items)) throw new PickleError('an ordered dictionary in it is broken')
  for (const item of items) {
    const [key, value] = Array.isArray(item) ? item : []
    if (key === undefined || value === undefined) {
      throw new PickleError('an ordered dictionary in it is broken')
    }
    dictionary.set(key, value)
  }
  return dictionary
}

/** Arguments: storage, offset, shape, strides, whether it takes gradients, hooks, and flags where there are any. */
const rebuildTensor = (args: PickleValue[]): TorchTensor => {
  const [storage, offset, shape, strides, , , flags] = args
  if (!(storage instanceof TorchStorage) || !isCount(offset) || !isCounts(shape) || !isCounts(strides)) {
    throw new PickleError('a tensor in it is broken')
  }
  if (flags instanceof Map && flags.size > 0) {
    throw new PickleError('a tensor in it is a negated or conjugated view; save a clone of it')
  }
  if (shape.length !== strides.length) throw new PickleError('a tensor in it is broken')
  const last = shape.reduce((sum, size, axis) => sum + (size - 1) * (strides[axis] ?? 0), offset)
  if (!shape.includes(0) && !(last < storage.length)) {
    throw new PickleError(`a tensor in it of shape [${list(shape)}] reaches beyond its storage`)
  }
  // Copies: the pickle could change its lists afterwards.
  return new TorchTensor(storage, offset, [...shape], [...strides])
}

/** Id: 'storage', class, key, where it was ('cuda:0', not minded), elements; old files also have views of storages. */
const readStorage = (id: PickleValue, storages: Map<string, TorchStorage>): TorchStorage => {
  if (!Array.isArray(id)) throw new PickleError('it refers to an unknown object outside of it')
  const [kind, type, key, , length, view = null] = id
  if (kind === 'module') throw new PickleError('it holds a whole module with its source, not plain tensors')
  const element = type instanceof PickledGlobal ? storageElement(type.name) : undefined
  if (kind !== 'storage' || element === undefined || typeof key !== 'string' || !isCount(length)) {
    throw new PickleError('it refers to an unknown object outside of it')
  }
  const whole = new TorchStorage(key, element, length)
  const known = storages.get(key) ?? whole
  if (known.element !== element || known.length !== length) {
    throw new PickleError(`it uses the storage ${show(key)} in two ways`)
  }
  storages.set(key, known)
  if (view === null) return known
  const [, start, size] = Array.isArray(view) ? view : []
  if (!isCount(start) || !isCount(size) || start + size > length) {
    throw new PickleError(`a view of the storage ${show(key)} is broken`)
  }
  return new TorchStorage(key, element, size, start)
}

const isCount = (value: PickleValue | undefined): value is number =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 0

/** PyTorch's tensors have at most 64 axes. */
const isCounts = (value: PickleValue | undefined): value is number[] =>
  Array.isArray(value) && value.length <= 64 && value.every(isCount)

const list = (shape: readonly number[]): string => show(shape.join(', ')).replaceAll('"', '')
