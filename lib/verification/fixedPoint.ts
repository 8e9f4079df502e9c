/**
 * Fixed-point numbers on big integers, and every operation of a network on them. Sums and products are exact; what is
 * cut off after the point is counted.
 */
import type { NodeSpec } from '../networks/spec.js'

/** Each value is within `error` of values[i], both in units of 2^−bits. */
export interface Fixed {
  values: bigint[]
  error: bigint
  bits: number
}

/** A node and its numbers. */
export interface Numbered {
  node: NodeSpec
  /** A tensor of the node: `weight`, `running_var`. */
  tensor: (part: string) => ArrayLike<number>
}

/** Numbers with so many bits after the point. */
export const fixed = (numbers: ArrayLike<number>, bits: number): Fixed => {
  const parts = Array.from(numbers, (x) => dyadic(x))
  const values = parts.map(([m, e]) => shifted(m, e + bits))
  return {
    values,
    bits,
    error: parts.some(([m, e], i) => shifted(values[i] ?? 0n, -e - bits) !== m) ? 1n : 0n,
  }
}

/** The outputs of a node. `shape`: of its first input. */
export const apply = ({ node, tensor }: Numbered, shape: readonly number[], inputs: Fixed[]): Fixed => {
  const [input = NOTHING, other = NOTHING] = inputs
  const { bits } = input
  const channel = (i: number) => Math.floor(i / (shape.slice(1).reduce((a, b) => a * b, 1) || 1))
  switch (node.op) {
    case 'normalize':
      return divided(minus(input, fixed(node.mean, bits), channel), node.std, channel)
    case 'batchNorm2d': {
      const centred = minus(input, fixed(tensor('running_mean'), bits), channel)
      const scales = Array.from(tensor('weight'), (weight, c) =>
        overRoot(weight, tensor('running_var')[c] ?? 0, node.epsilon, bits),
      )
      const shift = fixed(tensor('bias'), bits)
      const negative = { ...shift, values: shift.values.map((x) => -x) }
      return minus(scaled(centred, scales, channel), negative, channel)
    }
    case 'conv2d': {
      const places = windows(shape, node, node.padding)
      return weighted(input, tensor('weight'), node.bias ? tensor('bias') : undefined, node.channels, places)
    }
    case 'linear': {
      const all = [Array.from(input.values.keys())]
      return weighted(input, tensor('weight'), node.bias ? tensor('bias') : undefined, node.features, all)
    }
    case 'relu':
      return { ...input, values: input.values.map((x) => (x > 0n ? x : 0n)) }
    case 'maxPool2d': {
      const most = (places: number[]) => greatest(places.map((place) => at(input, place)))
      return { ...input, values: pooled(shape, node).map(most) }
    }
    case 'averagePool2d': {
      const count = BigInt(node.kernel ** 2)
      const sums = pooled(shape, node).map((places) =>
        places.reduce((sum, place) => sum + at(input, place), 0n),
      )
      const cut = sums.some((sum) => sum % count !== 0n)
      return { bits, values: sums.map((sum) => sum / count), error: input.error + (cut ? 1n : 0n) }
    }
    case 'flatten':
      return input
    case 'add':
      return { bits, values: input.values.map((x, i) => x + at(other, i)), error: input.error + other.error }
  }
}

const NOTHING: Fixed = { values: [], error: 0n, bits: 0 }

const at = ({ values }: Fixed, place: number): bigint => values[place] ?? 0n

/** A double as m·2^e with whole m. */
const dyadic = (x: number): [m: bigint, e: number] => {
  const view = new DataView(new ArrayBuffer(8))
  view.setFloat64(0, x)
  const raw = view.getBigUint64(0)
  const exponent = Number((raw >> 52n) & 0x7ffn)
  const fraction = raw & 0xfffffffffffffn
  const size = exponent === 0 ? fraction : fraction | 0x10000000000000n
  // Without trailing zeros, so that few bits hold what needs few.
  const zeros = size === 0n ? 0 : trailingZeros(size)
  const whole = size >> BigInt(zeros)
  return [raw >> 63n ? -whole : whole, size === 0n ? 0 : Math.max(exponent, 1) - 1075 + zeros]
}

const trailingZeros = (x: bigint): number => {
  const low = Number(x & 0xffffffffn)
  return low === 0 ? 32 + trailingZeros(x >> 32n) : 31 - Math.clz32(low & -low)
}

/** x·2^by, rounded down. */
const shifted = (x: bigint, by: number): bigint => (by >= 0 ? x << BigInt(by) : x >> BigInt(-by))

/** Values with `more` bits too many, cut to `bits`. */
const cut = (values: bigint[], error: bigint, more: number, bits: number): Fixed => {
  const mask = (1n << BigInt(more)) - 1n
  const rest = values.some((x) => (x & mask) !== 0n) ? 1n : 0n
  return { values: values.map((x) => x >> BigInt(more)), error: ceiling(error, more) + rest, bits }
}

const ceiling = (x: bigint, bits: number): bigint => -(-x >> BigInt(bits))

const size = (x: bigint): bigint => (x < 0n ? -x : x)
/** Math.max takes no big integers. */
const greatest = ([first = 0n, ...others]: readonly bigint[]): bigint => {
  let most = first
  for (const x of others) if (x > most) most = x
  return most
}
const largest = (values: readonly bigint[]): bigint => greatest(values.map(size))

const minus = (x: Fixed, less: Fixed, channel: (i: number) => number): Fixed => ({
  bits: x.bits,
  values: x.values.map((value, i) => value - at(less, channel(i))),
  error: x.error + less.error,
})

const divided = (x: Fixed, by: readonly number[], channel: (i: number) => number): Fixed => {
  const divisors = by.map(dyadic)
  let [error, rest] = [0n, 0n]
  const values = x.values.map((value, i) => {
    const [m, e] = divisors[channel(i)] ?? [1n, 0]
    const [above, below] = e >= 0 ? [value, m << BigInt(e)] : [value << BigInt(-e), m]
    const spread = (e >= 0 ? x.error : x.error << BigInt(-e)) / size(below) + 1n
    if (x.error > 0n && spread > error) error = spread
    if (above % below !== 0n) rest = 1n
    return above / below
  })
  return { bits: x.bits, values, error: error + rest }
}

/** weight / √(variance + epsilon): within one unit, or exactly if it is zero. */
const overRoot = (weight: number, variance: number, epsilon: number, bits: number): bigint => {
  const [[v, ev], [p, ep], [w, ew]] = [dyadic(variance), dyadic(epsilon), dyadic(weight)]
  const least = Math.min(ev, ep)
  const sum = (v << BigInt(ev - least)) + (p << BigInt(ep - least))
  // w²·2^(2·ew + 2·bits) / (sum·2^least)
  const by = 2 * ew + 2 * bits - least
  const square = by >= 0 ? ((w * w) << BigInt(by)) / sum : (w * w) / (sum << BigInt(-by))
  return w < 0n ? -root(square) : root(square)
}

/** ⌊√x⌋ by Newton's method. */
const root = (x: bigint): bigint => {
  if (x < 2n) return x
  let guess = 1n << BigInt(Math.ceil(x.toString(16).length * 2))
  for (;;) {
    const next = (guess + x / guess) >> 1n
    if (next >= guess) return guess
    guess = next
  }
}

const scaled = (x: Fixed, scales: readonly bigint[], channel: (i: number) => number): Fixed => {
  const values = x.values.map((value, i) => value * (scales[channel(i)] ?? 0n))
  // (x ± a)·(s ± 1) differs from x·s by at most |x| + a·(|s| + 1).
  const error = largest(x.values) + x.error * (largest(scales) + 1n)
  return cut(values, error, x.bits, x.bits)
}

/** Rows of the weight times each window of inputs, by output channel; `places` −1 stands for padding. */
const weighted = (
  x: Fixed,
  weight: ArrayLike<number>,
  bias: ArrayLike<number> | undefined,
  outputs: number,
  places: readonly number[][],
): Fixed => {
  const parts = Array.from(weight, (each) => dyadic(each))
  const more = Math.max(0, ...parts.map(([, e]) => -e))
  const whole = parts.map(([m, e]) => m << BigInt(e + more))
  const start = bias === undefined ? undefined : fixed(bias, x.bits + more)
  const length = weight.length / outputs
  const values: bigint[] = []
  let gain = 0n
  for (let output = 0; output < outputs; ++output) {
    const row = whole.slice(output * length, (output + 1) * length)
    const used = Array.from(row.keys()).filter((i) => row[i] !== 0n)
    const total = used.reduce((sum, i) => sum + size(row[i] ?? 0n), 0n)
    if (total > gain) gain = total
    for (const window of places) {
      let sum = start === undefined ? 0n : at(start, output)
      for (const i of used) {
        const place = window[i] ?? -1
        if (place >= 0) sum += (row[i] ?? 0n) * at(x, place)
      }
      values.push(sum)
    }
  }
  return cut(values, gain * x.error + (start?.error ?? 0n), more, x.bits)
}

/** For each output pixel the places of its inputs, in the order of a filter's weights; −1 outside. */
const windows = (
  shape: readonly number[],
  { kernel, stride }: { kernel: number; stride: number },
  padding: number,
): number[][] => {
  const [channels = 1, height = 1, width = 1] = shape
  const steps = (length: number) => Math.floor((length + 2 * padding - kernel) / stride) + 1
  return Array.from({ length: steps(height) * steps(width) }, (_, place) => {
    const top = Math.floor(place / steps(width)) * stride - padding
    const left = (place % steps(width)) * stride - padding
    return Array.from({ length: channels * kernel ** 2 }, (_, i) => {
      const [y, x] = [top + (Math.floor(i / kernel) % kernel), left + (i % kernel)]
      const inside = y >= 0 && x >= 0 && y < height && x < width
      return inside ? (Math.floor(i / kernel ** 2) * height + y) * width + x : -1
    })
  })
}

/** Places of the inputs of every pooling window, in the order of the outputs. */
const pooled = (shape: readonly number[], node: { kernel: number; stride: number }): number[][] => {
  const [channels = 1, height = 1, width = 1] = shape
  const one = windows([1, height, width], node, 0)
  return Array.from({ length: channels }, (_, c) =>
    one.map((window) => window.map((place) => c * height * width + place)),
  ).flat()
}
