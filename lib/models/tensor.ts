/** Numbers of a network that know their name and shape. */
import { type InspectOptions, inspect } from 'node:util'
import type { Floats } from '../../bindings/native.js'
import { isWithin, percent } from '../base/printed.js'

/** A copy: changing `data` changes nothing of the network it came from. */
export class Tensor<Data extends Floats | Uint8Array = Floats> {
  constructor(
    /** PyTorch's name: `conv1.weight`. */
    readonly name: string,
    readonly shape: readonly number[],
    /** Flat, the last dimension fastest. */
    readonly data: Data,
  ) {}

  /** The number at a place, one index for each dimension; undefined outside. */
  at(...place: number[]): number | undefined {
    const inside =
      place.length === this.shape.length && place.every((index, d) => index < (this.shape[d] ?? 0))
    return inside
      ? this.data[place.reduce((offset, index, d) => offset * (this.shape[d] ?? 0) + index, 0)]
      : undefined
  }

  [inspect.custom](depth: number | null, options: InspectOptions): string {
    const { name, shape, data } = this
    const title = `Tensor "${name}" ${shape.join('×')}`
    if (data.length === 0) return `${title} { }`
    let [sum, squares, least, most, zeros] = [0, 0, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0]
    for (const value of data) {
      sum += value
      squares += value * value
      least = Math.min(least, value)
      most = Math.max(most, value)
      if (value === 0) zeros++
    }
    const mean = sum / data.length
    const deviation = Math.sqrt(Math.max(0, squares / data.length - mean * mean))
    const facts = [
      ...(zeros === 0 ? [] : [`${percent(zeros / data.length)} zeros`]),
      `mean ${brief(mean)}, deviation ${brief(deviation)}, from ${brief(least)} to ${brief(most)}`,
    ]
    const first = [...data.subarray(0, FIRST)].map(brief).join(', ')
    const values = `[${first}${data.length > FIRST ? ', …' : ''}]`
    return `${title} { ${[...facts, ...(isWithin(depth, options) ? [] : [values])].join('; ')} }`
  }
}

/** Values that are printed. */
const FIRST = 6

const brief = (value: number): string => `${Number(value.toPrecision(4))}`
