/** Writes what torch.save writes: a zip archive of a pickle and the storages that it names. (torch/serialization.py) */
import { zipSync } from 'fflate'
import { CoppiceError } from '../../base/errors.js'
import { LONGEST_FILE } from '../../files/read.js'

/** A tensor of a state dict; whole numbers are int64. */
export interface SavedTensor {
  name: string
  shape: readonly number[]
  data: Float32Array | Float64Array | BigInt64Array | Uint8Array
}

/** All that is written is of that day: the same tensors give the same bytes. */
const DAY = new Date(1980, 0, 1)

/**
 * The bytes of a file from which `torch.load(file, weights_only=True)` gives an OrderedDict of these tensors, on the CPU,
 * each with a storage of its own.
 *
 * @throws CoppiceError `ERR_UNSUPPORTED` for more than 2 GiB.
 */
export const torchArchive = (tensors: readonly SavedTensor[]): Uint8Array => {
  const size = tensors.reduce((sum, { data }) => sum + data.byteLength, 0)
  if (size > LONGEST_FILE - 2 ** 20) {
    throw new CoppiceError('ERR_UNSUPPORTED', 'a .pth file of more than 2 GiB cannot be written')
  }
  const storages = tensors.map(
    ({ data }, key) =>
      [`archive/data/${key}`, new Uint8Array(data.buffer, data.byteOffset, data.byteLength)] as const,
  )
  const files = {
    'archive/data.pkl': program(tensors),
    'archive/byteorder': latin1('little'),
    ...Object.fromEntries(storages),
    'archive/version': latin1('3\n'),
  }
  return zipSync(files, { level: 0, mtime: DAY })
}

const latin1 = (text: string): Buffer => Buffer.from(text, 'latin1')

/** Opcodes of pickle's protocol 2. */
const [PROTOCOL, STOP, MARK, TUPLE, EMPTY_TUPLE] = [
  latin1('\x80\x02'),
  latin1('.'),
  latin1('('),
  latin1('t'),
  latin1(')'),
]
const [CALL, PERSISTENT, SET_ITEMS, FALSE] = [latin1('R'), latin1('Q'), latin1('u'), latin1('\x89')]

const program = (tensors: readonly SavedTensor[]): Buffer =>
  Buffer.concat([
    PROTOCOL,
    dictionary,
    MARK,
    ...tensors.flatMap((tensor, key) => [text(tensor.name), tensorCode(tensor, key)]),
    SET_ITEMS,
    STOP,
  ])

const name = (module: string, attribute: string): Buffer => latin1(`c${module}\n${attribute}\n`)

const text = (value: string): Buffer => {
  const bytes = Buffer.from(value)
  const length = Buffer.alloc(4)
  length.writeUInt32LE(bytes.length)
  return Buffer.concat([latin1('X'), length, bytes])
}

/** Any whole number that is no larger than a file. */
const integer = (value: number): Buffer => {
  const bytes = Buffer.alloc(5)
  bytes.write('J', 'latin1')
  bytes.writeInt32LE(value, 1)
  return bytes
}

const tuple = (...items: Buffer[]): Buffer => Buffer.concat([MARK, ...items, TUPLE])

const call = (callee: Buffer, args: Buffer): Buffer => Buffer.concat([callee, args, CALL])

const dictionary = call(name('collections', 'OrderedDict'), EMPTY_TUPLE)

/** A call of `_rebuild_tensor_v2(storage, offset, shape, strides, takes gradients, hooks)`. */
const tensorCode = ({ shape, data }: SavedTensor, key: number): Buffer => {
  const strides = shape.map((_, axis) => shape.slice(axis + 1).reduce((product, size) => product * size, 1))
  const type = name('torch', `${storageType(data)}Storage`)
  const id = tuple(text('storage'), type, text(`${key}`), text('cpu'), integer(data.length))
  const storage = Buffer.concat([id, PERSISTENT])
  const [sizes, steps] = [tuple(...shape.map(integer)), tuple(...strides.map(integer))]
  return call(
    name('torch._utils', '_rebuild_tensor_v2'),
    tuple(storage, integer(0), sizes, steps, FALSE, dictionary),
  )
}

const storageType = (data: SavedTensor['data']): string => {
  if (data instanceof Float32Array) return 'Float'
  if (data instanceof Float64Array) return 'Double'
  return data instanceof BigInt64Array ? 'Long' : 'Byte'
}
