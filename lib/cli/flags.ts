/** Flags that several commands have, and how their values are read. */
import { InvalidArgumentError } from 'commander'
import type { Device } from '../../bindings/native.js'
import { LIMITS } from '../base/limits.js'
import { didYouMean, parseBytes, parseFraction } from '../base/numbers.js'
import { namedData } from '../data/sets.js'
import { type Verifier, verifier, verifierNames } from '../verification/index.js'

/** Reads a whole number from `low` to `high`. */
export const integerFlag =
  (low: number, high: number) =>
  (text: string): number => {
    const value = Number(text)
    const whole = text.trim() !== '' && Number.isInteger(value)
    if (whole && value >= low && value <= high) return value
    throw new InvalidArgumentError(
      whole && value > high
        ? `Expected a whole number of at most ${high}.`
        : `Expected a whole number of at least ${low}.`,
    )
  }

/** Reads a number between 0 and 1, also as a fraction such as 8/255. */
export const pixelsFlag = (text: string): number => {
  const value = parseFraction(text)
  if (value >= 0 && value <= 1) return value
  throw new InvalidArgumentError('Expected a distance between 0 and 1 in [0,1] pixels, such as 8/255.')
}

/** Reads a size in bytes, such as 512MB or 2GiB. */
export const bytesFlag = (text: string): number => {
  const bytes = parseBytes(text)
  if (Number.isSafeInteger(bytes) && bytes > 0) return bytes
  throw new InvalidArgumentError('Expected a size greater than 0, such as 512MB.')
}

/** A verifier by name, with its defaults. */
export const verifierFlag = (name: string): Verifier => {
  if (verifierNames.some((known) => known === name)) return verifier(name as Verifier['kind'])
  const hint = didYouMean(name, verifierNames).slice(2)
  throw new InvalidArgumentError(
    `Expected one of ${verifierNames.join(', ')}.${hint === '' ? '' : ` D${hint.slice(1)}`}`,
  )
}

/** Gathers the values of a flag that can be repeated. */
export const collect = (value: string, before: string[]): string[] => [...before, value]

export const deviceFlag = (text: string): Device => {
  if (/^(cpu|cuda(:\d+)?)$/.test(text)) return text as Device
  throw new InvalidArgumentError('Expected cpu, cuda or cuda:N.')
}

/** One device, or several that share the batches of training: `cuda:0-3`, `cuda:0,cuda:2`, `cpu,cpu`. */
export const devicesFlag = (text: string): [Device, ...Device[]] => {
  const devices = text.split(',').flatMap((part) => {
    const range = /^cuda:(\d{1,4})-(\d{1,4})$/.exec(part)
    if (range === null) return [deviceFlag(part)]
    const [first, last] = [Number(range[1]), Number(range[2])]
    if (last < first || last - first > LIMITS.moreDevices) {
      throw new InvalidArgumentError(`${part} is no range of devices.`)
    }
    return Array.from({ length: last - first + 1 }, (_, index): Device => `cuda:${first + index}`)
  })
  const [device = 'cpu', ...more] = devices
  return [device, ...more]
}

export const numberFlag = (text: string): number => {
  const value = parseFraction(text)
  if (Number.isFinite(value)) return value
  throw new InvalidArgumentError('Expected a number.')
}

type Plain = Record<string, unknown>

/** A recipe whose data set is the one that `--data` names; how many images are used stays. */
export const withData = (recipe: Plain, name: string | undefined): Plain => {
  if (name === undefined) return recipe
  const before = typeof recipe.data === 'object' && recipe.data !== null ? (recipe.data as Plain) : {}
  const counts = Object.fromEntries(
    ['train', 'test', 'validation'].flatMap((key) => (before[key] === undefined ? [] : [[key, before[key]]])),
  )
  return { ...recipe, data: { ...counts, ...namedData(name) } }
}
