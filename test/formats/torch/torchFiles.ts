/** Writes files as torch.save does, byte by byte, honest ones and others. */
import { zipSync } from 'fflate'

/** A piece of a pickle of protocol 2. */
export type Piece = Buffer

const latin1 = (text: string): Piece => Buffer.from(text, 'latin1')

export const text = (value: string): Piece => {
  const bytes = Buffer.from(value)
  const length = Buffer.alloc(4)
  length.writeUInt32LE(bytes.length)
  return Buffer.concat([latin1('X'), length, bytes])
}

/** A whole number of any size, as LONG1. */
export const integer = (value: number | bigint): Piece => {
  const bytes = Buffer.alloc(9)
  bytes.writeBigInt64LE(BigInt.asIntN(64, BigInt(value)))
  return Buffer.concat([Buffer.from([0x8a, 8]), bytes.subarray(0, 8)])
}

export const none = latin1('N')
export const no = latin1('\x89')
export const tuple = (...items: Piece[]): Piece => Buffer.concat([latin1('('), ...items, latin1('t')])
export const list = (...items: Piece[]): Piece => Buffer.concat([latin1(']('), ...items, latin1('e')])
export const named = (module: string, name: string): Piece => latin1(`c${module}\n${name}\n`)
export const call = (callee: Piece, ...args: Piece[]): Piece =>
  Buffer.concat([callee, tuple(...args), latin1('R')])
export const persistent = (...id: Piece[]): Piece => Buffer.concat([tuple(...id), latin1('Q')])
export const dictionary = (entries: Record<string, Piece>): Piece =>
  Buffer.concat([
    latin1('}('),
    ...Object.entries(entries).flatMap(([key, value]) => [text(key), value]),
    latin1('u'),
  ])
export const program = (...pieces: Piece[]): Buffer =>
  Buffer.concat([latin1('\x80\x02'), ...pieces, latin1('.')])

interface StorageOptions {
  type?: string
  key?: string
  location?: string
  length: number | bigint
  /** Only in the older format: none, or a view of the storage. */
  view?: Piece
}

export const storage = ({
  type = 'Float',
  key = '0',
  location = 'cpu',
  length,
  view,
}: StorageOptions): Piece =>
  persistent(
    text('storage'),
    named('torch', `${type}Storage`),
    text(key),
    text(location),
    integer(length),
    ...(view === undefined ? [] : [view]),
  )

export const tensor = (
  of: Piece,
  shape: readonly (number | bigint)[],
  strides: readonly (number | bigint)[],
  offset: number | bigint = 0,
): Piece =>
  call(
    named('torch._utils', '_rebuild_tensor_v2'),
    of,
    integer(offset),
    tuple(...shape.map(integer)),
    tuple(...strides.map(integer)),
    no,
    call(named('collections', 'OrderedDict')),
  )

/** An archive of PyTorch 1.6 and newer. */
export const zipFile = (
  value: Piece,
  storages: Record<string, Uint8Array> = {},
  byteorder?: string,
): Buffer =>
  Buffer.from(
    zipSync(
      {
        'archive/data.pkl': program(value),
        ...(byteorder !== undefined && { 'archive/byteorder': latin1(byteorder) }),
        ...Object.fromEntries(Object.entries(storages).map(([key, bytes]) => [`archive/data/${key}`, bytes])),
        'archive/version': latin1('3\n'),
      },
      { level: 0 },
    ),
  )

/** The format before that; a storage is its number of elements and its bytes. */
export const legacyFile = (value: Piece, storages: Record<string, [number, Uint8Array]> = {}): Buffer =>
  Buffer.concat([
    Buffer.from('80028a0a6cfc9c46f9206aa850192e', 'hex'),
    program(integer(1001)),
    program(dictionary({ protocol_version: integer(1001), little_endian: latin1('\x88') })),
    program(value),
    program(list(...Object.keys(storages).map(text))),
    ...Object.values(storages).map(([length, bytes]) => {
      const prefix = Buffer.alloc(8)
      prefix.writeBigInt64LE(BigInt(length))
      return Buffer.concat([prefix, bytes])
    }),
  ])

/** The bytes of an array's elements, in either order. */
export const bytesOf = (values: Float32Array | Float64Array | Uint16Array, bigEndian = false): Uint8Array => {
  const bytes = Buffer.from(values.buffer.slice(0))
  if (!bigEndian) return bytes
  return { 2: () => bytes.swap16(), 4: () => bytes.swap32(), 8: () => bytes.swap64() }[
    values.BYTES_PER_ELEMENT as 2 | 4 | 8
  ]()
}
