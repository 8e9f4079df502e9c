/**
 * Reads pickles of the protocols 0 to 2, in which CIFAR-10's Python version and PyTorch's files come. A pickle is a
 * program for a stack machine; of its instructions only those that build plain data are known here, and the calls it
 * may make are given by the reader's user, so that reading one runs no foreign code.
 * (Format: Lib/pickletools.py of CPython)
 */
import { show } from '../base/numbers.js'

/** What a pickle holds. Byte strings become strings of one character per byte, or stay bytes when they are long. */
export type PickleValue =
  | null
  | boolean
  | number
  | string
  | Uint8Array
  | PickleValue[]
  | Map<PickleValue, PickleValue>
  | PickledGlobal
  | PickledObject

/** A class or function, named `module name`. */
export class PickledGlobal {
  constructor(readonly name: string) {}
}

/** What a call of a class or function returned. */
export interface PickledObject {
  /** Takes the state that the pickle sets after the call. */
  setState(state: PickleValue): void
}

/** Why a pickle could not be read; the caller knows the file. */
export class PickleError extends Error {}

/** Performs the call `callee(...args)` of a pickle, or throws a `PickleError` for one that is not allowed. */
export type PickleCall = (callee: string, args: PickleValue[]) => PickledObject

/** What a pickle may do besides building plain data. */
export interface PickleRules {
  call: PickleCall
  /** Throws a `PickleError` for a class or function that a pickle may not even name; by default only calls are checked. */
  name?: (name: string) => void
  /** What the id of an object that is kept outside the pickle stands for; by default there are none. */
  persistent?: (id: PickleValue) => PickledObject
}

/** Byte strings from this length on are kept as bytes: they are pixels, not names. */
const LONG = 256

/** More instructions than any honest pickle of plain data has; what they build fits the memory. */
const MOST_INSTRUCTIONS = 4_000_000

/**
 * The value in a pickle.
 *
 * @throws PickleError for a truncated pickle, an unknown instruction, or a call that `call` does not allow.
 */
export const readPickle = (bytes: Uint8Array, call: PickleCall): PickleValue =>
  readPickleWith(bytes, { call }).value

/** The value in the pickle that `bytes` begin with, and how many of them it takes. Throws as `readPickle` does. */
export const readPickleWith = (
  bytes: Uint8Array,
  rules: PickleRules,
): { value: PickleValue; length: number } => {
  const machine = new Machine(bytes, rules)
  for (let count = 0; count < MOST_INSTRUCTIONS; count++) {
    const at = machine.position
    const opcode = String.fromCharCode(machine.uint(1))
    if (opcode === '.') return { value: machine.pop(), length: machine.position }
    const instruction = INSTRUCTIONS[opcode]
    if (instruction === undefined) {
      const code = opcode.charCodeAt(0).toString(16).padStart(2, '0')
      throw new PickleError(`it holds the unknown instruction 0x${code} at byte ${at}`)
    }
    instruction(machine)
  }
  throw new PickleError(`it has more than ${MOST_INSTRUCTIONS} instructions`)
}

class Machine {
  position = 0
  readonly memo = new Map<number, PickleValue>()
  private readonly stack: PickleValue[] = []
  private readonly marks: number[] = []

  constructor(
    private readonly bytes: Uint8Array,
    readonly rules: PickleRules,
  ) {}

  take(count: number): Uint8Array {
    const end = this.position + count
    if (end > this.bytes.length) throw new PickleError('it ends in the middle of a value')
    const part = this.bytes.subarray(this.position, end)
    this.position = end
    return part
  }

  /** An unsigned number of `size` bytes, lowest first. */
  uint(size: 1 | 2 | 4): number {
    return this.take(size).reduceRight((number, byte) => number * 256 + byte, 0)
  }

  line(): string {
    const end = this.bytes.indexOf(10, this.position)
    if (end < 0) throw new PickleError('it ends in the middle of a line')
    const text = latin1(this.take(end - this.position))
    this.position += 1
    return text
  }

  push(value: PickleValue): void {
    this.stack.push(value)
  }

  pop(): PickleValue {
    const value = this.stack.pop()
    if (value === undefined) throw new PickleError('it takes a value where there is none')
    return value
  }

  top(): PickleValue {
    const value = this.pop()
    this.stack.push(value)
    return value
  }

  mark(): void {
    this.marks.push(this.stack.length)
  }

  sinceMark(): PickleValue[] {
    const mark = this.marks.pop()
    if (mark === undefined || mark > this.stack.length) throw new PickleError('a list in it has no start')
    return this.stack.splice(mark)
  }

  recall(key: number): PickleValue {
    const value = this.memo.get(key)
    if (value === undefined) throw new PickleError(`it recalls value ${key}, which it never stored`)
    return value
  }
}

const INSTRUCTIONS: Readonly<Record<string, (machine: Machine) => void>> = {
  '\x80': (m) => {
    const protocol = m.uint(1)
    if (protocol > 2) throw new PickleError(`it has the pickle protocol ${protocol}; up to 2 can be read`)
  },
  '(': (m) => m.mark(),
  N: (m) => m.push(null),
  '\x88': (m) => m.push(true),
  '\x89': (m) => m.push(false),
  I: (m) => m.push(textNumber(m.line())),
  J: (m) => m.push(m.uint(4) | 0),
  K: (m) => m.push(m.uint(1)),
  M: (m) => m.push(m.uint(2)),
  '\x8a': (m) => m.push(longNumber(m.take(m.uint(1)))),
  G: (m) => m.push(Buffer.from(m.take(8)).readDoubleBE()),
  U: (m) => m.push(string(m.take(m.uint(1)))),
  T: (m) => m.push(string(m.take(m.uint(4)))),
  X: (m) => m.push(Buffer.from(m.take(m.uint(4))).toString('utf8')),
  ')': (m) => m.push([]),
  ']': (m) => m.push([]),
  '}': (m) => m.push(new Map()),
  t: (m) => m.push(m.sinceMark()),
  '\x85': (m) => m.push(tuple(m, 1)),
  '\x86': (m) => m.push(tuple(m, 2)),
  '\x87': (m) => m.push(tuple(m, 3)),
  a: (m) => append(m, [m.pop()]),
  e: (m) => append(m, m.sinceMark()),
  s: (m) => setItems(m, tuple(m, 2)),
  u: (m) => setItems(m, m.sinceMark()),
  q: (m) => m.memo.set(m.uint(1), m.top()),
  r: (m) => m.memo.set(m.uint(4), m.top()),
  h: (m) => m.push(m.recall(m.uint(1))),
  j: (m) => m.push(m.recall(m.uint(4))),
  c: (m) => {
    const name = `${m.line()} ${m.line()}`
    m.rules.name?.(name)
    m.push(new PickledGlobal(name))
  },
  Q: (m) => {
    if (m.rules.persistent === undefined) throw new PickleError('it refers to objects outside of it')
    m.push(m.rules.persistent(m.pop()))
  },
  R: (m) => {
    const args = m.pop()
    const callee = m.pop()
    if (!(callee instanceof PickledGlobal) || !Array.isArray(args)) {
      throw new PickleError('it calls what is no function')
    }
    m.push(m.rules.call(callee.name, args))
  },
  b: (m) => {
    const state = m.pop()
    const target = m.top()
    if (!isPickledObject(target)) throw new PickleError('it sets the state of what has none')
    target.setState(state)
  },
}

const tuple = (machine: Machine, size: number): PickleValue[] =>
  Array.from({ length: size }, () => machine.pop()).reverse()

const append = (machine: Machine, items: PickleValue[]): void => {
  const list = machine.top()
  if (!Array.isArray(list)) throw new PickleError('it appends to what is no list')
  for (const item of items) list.push(item)
}

const setItems = (machine: Machine, items: PickleValue[]): void => {
  const map = machine.top()
  if (!(map instanceof Map) || items.length % 2 !== 0) throw new PickleError('a dictionary in it is broken')
  for (let i = 0; i < items.length; i += 2) map.set(items[i] ?? null, items[i + 1] ?? null)
}

/** `00` and `01` are the booleans of protocol 0. */
const textNumber = (text: string): number | boolean => {
  if (text === '00' || text === '01') return text === '01'
  const number = Number(text)
  if (text === '' || !Number.isInteger(number))
    throw new PickleError(`${show(text)} in it is no whole number`)
  return number
}

/** A number of any length in two's complement, lowest byte first; as near as a JavaScript number comes. */
const longNumber = (bytes: Uint8Array): number => {
  if (bytes.length === 0) return 0
  const magnitude = bytes.reduceRight((number, byte) => number * 256n + BigInt(byte), 0n)
  return Number(BigInt.asIntN(8 * bytes.length, magnitude))
}

export const isPickledObject = (value: PickleValue): value is PickledObject =>
  typeof value === 'object' && value !== null && 'setState' in value

const string = (bytes: Uint8Array): string | Uint8Array => (bytes.length < LONG ? latin1(bytes) : bytes)
const latin1 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1')
