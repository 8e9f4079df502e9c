/** Flags of `coppice bench`. */

import { InvalidArgumentError } from 'commander'
import { LIMITS } from '../base/limits.js'
import { didYouMean } from '../base/numbers.js'
import { type Dtype, dtypes } from '../sparse/options.js'

/** Reads a type of arithmetic. */
export const dtypeFlag = (text: string): Dtype => {
  const known = dtypes.find((dtype) => dtype === text)
  if (known !== undefined) return known
  throw new InvalidArgumentError(`Expected one of ${dtypes.join(', ')}${didYouMean(text, dtypes)}`)
}

/** Reads types divided by commas. */
export const dtypesFlag = (text: string): Dtype[] => text.split(',').map((word) => dtypeFlag(word.trim()))

/** Reads batch sizes divided by commas. */
export const batchesFlag = (text: string): number[] =>
  text.split(',').map((word) => {
    const value = Number(word)
    if (word.trim() !== '' && Number.isInteger(value) && value >= 1 && value <= LIMITS.engineBatch)
      return value
    throw new InvalidArgumentError(
      `Expected whole numbers from 1 to ${LIMITS.engineBatch}, divided by commas, such as 1,16,64.`,
    )
  })

/** A list without what is in it twice. */
export const distinct = <Value>(values: readonly Value[]): Value[] => [...new Set(values)]
