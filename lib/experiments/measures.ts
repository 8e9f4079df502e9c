/** What cells are read from: accuracies of networks, and figures that follow from several of them. */
import { describeAttack } from '../attacks/attack.js'
import { formatPixels } from '../base/numbers.js'
import { type Figure, figureOf } from '../papers/reproduction.js'
import { describeVerifier } from '../verification/index.js'
import type { Found, Measure, Source } from './experiment.js'

export type Metric = 'accuracy' | 'era' | 'vra'

/** How a metric is called in a table. */
export const metricTitles: Readonly<Record<Metric, string>> = { accuracy: 'ACC', era: 'ERA', vra: 'VRA' }

/** An accuracy of one network. */
export const accuracyOf = (source: Source, metric: Metric): Measure => ({
  sources: [source],
  good: true,
  of: ([found]) => found && read(found, metric),
})

const read = ({ result, row }: Found, metric: Metric): Figure | undefined => {
  if (metric === 'accuracy') return figureOf(row.accuracy)
  if (metric === 'era') return figureOf(row.era, describeAttack(result.attack))
  const proof = row.verifications?.[0]
  return (
    proof && figureOf(proof.vra, `${describeVerifier(proof.verifier)}, eps ${formatPixels(proof.epsilon)}`)
  )
}

/** The mean, over several networks, of what one has of an accuracy of another, in percent. */
export const keptOf = (pairs: readonly { now: Source; dense: Source; metric: Metric }[]): Measure => ({
  sources: pairs.flatMap(({ now, dense }) => [now, dense]),
  good: false,
  of: (found) => {
    const shares = pairs.map(({ metric }, index) => {
      const [now, dense] = [found[2 * index], found[2 * index + 1]].map((each) => each && read(each, metric))
      return now && dense && dense.value > 0 ? (100 * now.value) / dense.value : undefined
    })
    const known = shares.filter((share) => share !== undefined)
    if (known.length < pairs.length) return undefined
    return { value: known.reduce((sum, share) => sum + share, 0) / known.length, n: known.length }
  },
})

/**
 * The pruning ratio, in percent, at which an accuracy has lost a share of its value: where the straight line between two
 * neighbouring points crosses it. Nothing where no point is below.
 */
export const lostAt = (
  curve: readonly { sparsity: number; source: Source }[],
  metric: Metric,
  share: number,
): Measure => ({
  sources: curve.map(({ source }) => source),
  good: false,
  of: (found) => {
    const values = found.map((each) => read(each, metric))
    const [first] = values
    if (first === undefined) return undefined
    const level = first.value * (1 - share)
    const after = values.findIndex((figure) => figure !== undefined && figure.value < level)
    const [before, below] = [values[after - 1], values[after]]
    const [from, to] = [curve[after - 1]?.sparsity, curve[after]?.sparsity]
    if (before === undefined || below === undefined || from === undefined || to === undefined)
      return undefined
    const part = (before.value - level) / (before.value - below.value)
    return { value: 100 * (from + part * (to - from)), n: first.n, ...(first.by && { by: first.by }) }
  },
})
