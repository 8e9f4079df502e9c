// Seeded damage: to bytes, to text, to plain data, and to what a path leads to.
import { execFileSync } from 'node:child_process'
import { closeSync, mkdirSync, openSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { randomStream } from '../../dist/lib/base/hash.js'

/** Draws from one stream of random numbers. */
export const dice = (seed) => {
  const next = randomStream(seed)
  const below = (bound) => next() % bound
  return { below, pick: (list) => list[below(list.length)] }
}

/** Bytes with one kind of damage. */
export const damagedBytes = (bytes, { below, pick }) => {
  const out = Buffer.from(bytes)
  const at = below(Math.max(1, out.length))
  const size = Math.min(out.length - at, 1 + below(64))
  switch (below(9)) {
    case 0:
      if (out.length > 0) out[at] ^= 1 << below(8)
      return out
    case 1:
      return out.subarray(0, at)
    case 2:
      return Buffer.concat([out.subarray(0, at), out.subarray(at + size)])
    case 3:
      return Buffer.concat([out.subarray(0, at), out.subarray(at, at + size), out.subarray(at)])
    case 4:
      for (let i = at; i < at + size; i++) out[i] = below(256)
      return out
    case 5:
      // Numbers that lengths and counts are made of.
      if (out.length >= 8)
        out.writeUInt32LE(pick([0, 1, 0x7fffffff, 0xffffffff, 0x80000000]), Math.min(at, out.length - 4))
      return out
    case 6:
      return out.fill(0, at, at + size)
    case 7:
      return pick([
        Buffer.alloc(0),
        Buffer.alloc(100_000),
        Buffer.from('null'),
        Buffer.from('{}'),
        Buffer.from('\n'),
      ])
    default:
      // Headers lie at the beginning.
      if (out.length > 0) out[below(Math.min(out.length, 200))] ^= 1 << below(8)
      return out
  }
}

const deep = (levels) => {
  let value = []
  for (let level = 0; level < levels; level++) value = [value]
  return value
}

/** Values that have no place anywhere. */
const hostile = (random) =>
  random.pick([
    () => null,
    () => [],
    () => ({}),
    () => '',
    () => 'x'.repeat(100_000),
    () => -1,
    () => 0,
    () => 0.5,
    () => 1e8,
    () => 1e15,
    () => 1e300,
    () => -1e300,
    () => 2 ** 53,
    () => true,
    () => '8/255',
    () => '1/0',
    () => 'pgd1000000000x100000',
    () => 'adversarial',
    () => [[[[1]]]],
    () => deep(50),
    () => deep(1500),
    () => Array.from({ length: 100_000 }, (_, index) => index),
    () => ({ __proto__: null, kind: 'trades', beta: 1e9 }),
    () => ({ kind: 'adam', epsilon: 0 }),
    () => '\u0000\u001b[31m\n\u2028',
    () => '/dev/zero',
    () => '../../etc',
  ])()

const placesIn = (value, path = []) =>
  typeof value === 'object' && value !== null
    ? [path, ...Object.entries(value).flatMap(([key, inner]) => placesIn(inner, [...path, key]))]
    : [path]

/** Plain data with one value replaced, removed, renamed or added. */
export const damagedData = (data, random) => {
  const places = placesIn(data).filter((path) => path.length > 0)
  if (places.length === 0 || random.below(12) === 0) return hostile(random)
  const copy = structuredClone(data)
  const path = random.pick(places)
  const owner = path.slice(0, -1).reduce((inner, key) => inner[key], copy)
  const key = path.at(-1)
  switch (random.below(6)) {
    case 0:
      delete owner[key]
      break
    case 1:
      owner[`${key}x`] = owner[key]
      break
    default:
      owner[key] = hostile(random)
  }
  return copy
}

/** Text of YAML with something in it that YAML can do and a recipe cannot. */
export const damagedYaml = (text, random) => {
  const lines = text.split('\n')
  const line = random.below(lines.length)
  const bomb = Array.from(
    { length: 12 },
    (_, i) =>
      `a${i}: &a${i} [${Array.from({ length: 10 }, () => (i === 0 ? 'x' : `*a${i - 1}`)).join(', ')}]`,
  )
  switch (random.below(10)) {
    case 0:
      return `${bomb.join('\n')}\n${text}`
    case 1:
      return `loop: &loop [*loop]\n${text}`
    case 2:
      return text.replace(/: /, ': !!js/function ')
    case 3:
      return `${'['.repeat(20_000)}\n${text}`
    case 4:
      return `${text}\n---\n${text}`
    case 5:
      lines[line] = `${lines[line]}: &x *y`
      return lines.join('\n')
    case 6:
      lines.splice(
        line,
        0,
        `${' '.repeat(random.below(9))}${random.pick(['-', '? x', '<<: *no', '!!set {a}', '%TAG ! x', '\t', '"', '{', 'seed: 1'])}`,
      )
      return lines.join('\n')
    case 7:
      return text.replace(
        /\d+/,
        random.pick(['.inf', '.nan', '1e999', '-0', '0x7fffffffffffffff', '1_000', '9'.repeat(400)]),
      )
    case 8:
      return `self: &self { inner: *self }\n${text}`
    default:
      return damagedBytes(Buffer.from(text), random).toString('latin1')
  }
}

/** What stands in the place of a file: no file at all. */
export const replaceByOther = (path, random) => {
  rmSync(path, { recursive: true, force: true })
  const kind = random.pick(['pipe', 'folder', 'endless', 'loop', 'sparse', 'gone', 'dangling'])
  if (kind === 'pipe') execFileSync('mkfifo', [path])
  if (kind === 'folder') mkdirSync(path)
  if (kind === 'endless') symlinkSync('/dev/zero', path)
  if (kind === 'loop') symlinkSync(path, path)
  if (kind === 'dangling') symlinkSync('/nowhere/at/all', path)
  if (kind === 'sparse') {
    closeSync(openSync(path, 'w'))
    truncateSync(path, 2 ** 40)
  }
  return kind
}

export const damagedFile = (path, bytes, random, structured) => {
  if (random.below(6) === 0) return replaceByOther(path, random)
  if (structured !== undefined && random.below(3) > 0) {
    writeFileSync(path, structured(random))
    return 'data'
  }
  writeFileSync(path, damagedBytes(bytes, random))
  return 'bytes'
}
