/** Writes pickles as cPickle of Python 2 does at protocol 2, in the layout of CIFAR-10's Python version. */

type Value = string | number | Value[] | { [key: string]: Value } | ByteMatrix

export interface ByteMatrix {
  rows: number
  columns: number
  data: Uint8Array
  /** Columns one after another instead of rows. */
  fortran?: boolean
}

const isMatrix = (value: Value): value is ByteMatrix => typeof value === 'object' && 'rows' in value

/** The bytes of a pickle of `value`. */
export const pickle = (value: Value): Uint8Array => {
  const parts: Uint8Array[] = [Uint8Array.of(0x80, 2)]
  let memo = 0
  const raw = (...bytes: number[]) => parts.push(Uint8Array.from(bytes))
  const text = (characters: string) => parts.push(Buffer.from(characters, 'latin1'))
  const uint32 = (number: number) => [0, 8, 16, 24].map((shift) => (number >>> shift) & 255)
  const put = () => {
    if (memo < 256) raw(0x71, memo)
    else raw(0x72, ...uint32(memo))
    memo += 1
  }
  const integer = (number: number) => {
    if (0 <= number && number < 256) raw(0x4b, number)
    else if (0 <= number && number < 65536) raw(0x4d, number & 255, number >> 8)
    else raw(0x4a, ...uint32(number))
  }
  const bytes = (content: Uint8Array) => {
    if (content.length < 256) raw(0x55, content.length)
    else raw(0x54, ...uint32(content.length))
    parts.push(content)
    put()
  }
  const named = (module: string, name: string) => {
    text(`c${module}\n${name}\n`)
    put()
  }
  const matrix = ({ rows, columns, data, fortran = false }: ByteMatrix) => {
    named('numpy.core.multiarray', '_reconstruct')
    named('numpy', 'ndarray')
    integer(0)
    raw(0x85)
    put()
    bytes(Buffer.from('b'))
    raw(0x87)
    put()
    text('R')
    put()
    text('(')
    integer(1)
    integer(rows)
    integer(columns)
    raw(0x86)
    put()
    named('numpy', 'dtype')
    bytes(Buffer.from('u1'))
    integer(0)
    integer(1)
    raw(0x87)
    put()
    text('R')
    put()
    text('(')
    integer(3)
    bytes(Buffer.from('|'))
    text('NNN')
    integer(-1)
    integer(-1)
    integer(0)
    text('t')
    put()
    text('b')
    raw(fortran ? 0x88 : 0x89)
    bytes(data)
    text('t')
    put()
    text('b')
  }
  const write = (each: Value): void => {
    if (typeof each === 'string') bytes(Buffer.from(each, 'latin1'))
    else if (typeof each === 'number') integer(each)
    else if (isMatrix(each)) matrix(each)
    else if (Array.isArray(each)) {
      text(']')
      put()
      for (let start = 0; start < each.length; start += 1000) {
        text('(')
        for (const item of each.slice(start, start + 1000)) write(item)
        text('e')
      }
    } else {
      text('}')
      put()
      text('(')
      for (const [key, item] of Object.entries(each)) {
        write(key)
        write(item)
      }
      text('u')
    }
  }
  write(value)
  text('.')
  return Buffer.concat(parts)
}
