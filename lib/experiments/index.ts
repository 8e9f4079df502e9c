/**
 * The tables and figures of the paper by name. A new one is a file that says which cells it has, and a line here; what is
 * run follows from the cells.
 */
import { invalid } from '../base/errors.js'
import { didYouMean, show } from '../base/numbers.js'
import type { Experiment } from './experiment.js'
import { figure1 } from './figure1.js'
import { figure2 } from './figure2.js'
import { figure3 } from './figure3.js'
import { figure4 } from './figure4.js'
import { figure5 } from './figure5.js'
import { figure6 } from './figure6.js'
import { figure7 } from './figure7.js'
import { figure8 } from './figure8.js'
import { figure9 } from './figure9.js'
import { kept } from './kept.js'
import { table1 } from './table1.js'
import { table2 } from './table2.js'
import { table3 } from './table3.js'
import { table4 } from './table4.js'
import { table5 } from './table5.js'
import { table6 } from './table6.js'
import { table7 } from './table7.js'

/** In the paper's order; last what its abstract sums up. */
export const experiments: readonly Experiment[] = [
  figure1,
  figure2,
  table1,
  figure3,
  figure4,
  table2,
  table3,
  table4,
  table5,
  table6,
  table7,
  figure5,
  figure6,
  figure7,
  figure8,
  figure9,
  kept,
]

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
