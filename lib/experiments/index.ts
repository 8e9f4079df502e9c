/**
 * The tables and figures of the paper by name. A new one is a file that says which cells it has, and a line here; what is
 * run follows from the cells.
 */
import { invalid } from '../base/errors.js'
import { didYouMean, show } from '../base/numbers.js'
import type { Experiment } from './experiment.js'
import { table2 } from './table2.js'
import { table3 } from './table3.js'
import { table4 } from './table4.js'
import { table5 } from './table5.js'

export const experiments: readonly Experiment[] = [table2, table3, table4, table5]

/** @throws CoppiceError for a name that is none, with the nearest known one */
export const experimentsNamed = (names: readonly string[]): readonly Experiment[] => {
  if (names.includes('all')) return experiments
  return [...new Set(names)].map((name) => {
    const found = experiments.find((experiment) => experiment.name === name)
    if (found !== undefined) return found
    const known = experiments.map((experiment) => experiment.name)
    throw invalid(
      `there is no experiment ${show(name)}; there are all, ${known.join(', ')}${didYouMean(name, ['all', ...known])}`,
    )
  })
}
