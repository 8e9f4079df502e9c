/** How a figure stands to the paper's, in words. */
import type { Figure, Judgement, ReproducedCell } from '../papers/reproduction.js'

/** A cell that is to be judged. */
export interface Unjudged
  extends Pick<ReproducedCell, 'row' | 'column' | 'ours' | 'seeds' | 'runs' | 'paper'> {
  /** Whether more is better. */
  readonly good: boolean
  /** The same figure of the dense network. */
  readonly dense?: { readonly ours: Figure; readonly paper: number }
  /** Cells with the same word are ranked against each other. */
  readonly rivals?: string
}

/** What is compared: a value with the interval that it may lie in. */
interface Compared {
  readonly value: number
  readonly low: number
  readonly high: number
  readonly paper: number
}

/**
 * Judges cells of one experiment. At full scale figures are compared as they are; else what each keeps of the dense
 * network's, since a smaller network has other accuracies. The interval of what is kept goes from our low end over the
 * dense network's high one to the opposite, and so is wider than 95 %.
 */
export const judged = (cells: readonly Unjudged[], full: boolean): ReproducedCell[] =>
  cells.map((cell): ReproducedCell => {
    const { row, column, ours, seeds, runs, paper, dense } = cell
    const compared: ReproducedCell['compared'] = full ? 'value' : 'kept'
    const told = {
      ...{ row, column, seeds, runs, compared },
      ...(ours && { ours }),
      ...(paper !== undefined && { paper }),
    }
    if (ours === undefined) return { ...told, verdict: 'not run yet' }
    if (paper === undefined) return { ...told, verdict: 'no figure in the paper' }
    const subject = comparedOf(ours, paper, full, cell)
    if (subject === undefined) return { ...told, verdict: 'not comparable' }
    const difference = subject.value - subject.paper
    return {
      ...told,
      ...(dense && !full && { kept: { ours: subject.value, paper: subject.paper } }),
      difference,
      verdict: isInAnotherOrder(cell, ours, paper, cells) ? 'another order' : verdictOf(subject, cell.good),
    }
  })

const comparedOf = (
  ours: Figure,
  paper: number,
  full: boolean,
  { dense, good }: Unjudged,
): Compared | undefined => {
  const { value, low = value - WITHIN, high = value + WITHIN } = ours
  // What is no accuracy is a share already, whatever the size of the network.
  if (full || (!good && dense === undefined)) return { value, low, high, paper }
  if (dense === undefined || dense.ours.value === 0 || dense.paper === 0) return undefined
  const { value: whole, low: least = whole, high: most = whole } = dense.ours
  return {
    value: (100 * value) / whole,
    low: (100 * low) / most,
    high: least > 0 ? (100 * high) / least : Number.POSITIVE_INFINITY,
    paper: (100 * paper) / dense.paper,
  }
}

/** Points within which figures without an interval agree. */
const WITHIN = 1

const verdictOf = ({ low, high, paper }: Compared, good: boolean): Judgement => {
  if (low <= paper && paper <= high) return 'agrees'
  const more = paper < low
  if (!good) return more ? 'higher' : 'lower'
  return more ? 'better' : 'worse'
}

/** Whether a rival of a cell is on the other side of it than in the paper, with intervals that do not touch. */
const isInAnotherOrder = (
  { rivals, ours: own }: Unjudged,
  ours: Figure,
  paper: number,
  cells: readonly Unjudged[],
): boolean =>
  rivals !== undefined &&
  cells.some((other) => {
    if (other.rivals !== rivals || other.ours === own) return false
    if (other.ours === undefined || other.paper === undefined) return false
    return (
      (other.paper > paper && isBelow(other.ours, ours)) || (other.paper < paper && isBelow(ours, other.ours))
    )
  })

const isBelow = ({ high }: Figure, { low }: Figure): boolean =>
  high !== undefined && low !== undefined && high < low
