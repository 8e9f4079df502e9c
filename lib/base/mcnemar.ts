/** McNemar's test (Q. McNemar, 1947) in its exact form: do two networks differ on the same images? */
import { invalid } from './errors.js'
import { show } from './numbers.js'

/**
 * Two-sided p value of McNemar's exact test: the probability, if both networks were equally good, that the images on
 * which they differ are shared out at least as unevenly. 1 where they differ on none.
 *
 * @param onlyFirst images that only the first network gets right
 * @param onlySecond images that only the second one gets right
 */
export const mcnemar = (onlyFirst: number, onlySecond: number): number => {
  if (![onlyFirst, onlySecond].every((count) => Number.isInteger(count) && count >= 0))
    throw invalid(`mcnemar: needs two counts, received ${show(onlyFirst)} and ${show(onlySecond)}`)
  const n = onlyFirst + onlySecond
  const fewer = Math.min(onlyFirst, onlySecond)
  // log of C(n, k) / 2ⁿ, from k to k + 1
  let term = -n * Math.LN2
  let tail = Math.exp(term)
  for (let k = 1; k <= fewer; k++) {
    term += Math.log((n - k + 1) / k)
    tail += Math.exp(term)
  }
  return Math.min(1, 2 * tail)
}
