/** Networks and measures as figures and sentences name them. */
import type { Proportion } from '../../base/wilson.js'
import type { ResultRow } from '../../runs/result.js'
import { percent } from '../tables.js'

/** `dense`, `pruned 75 %, matched fine-tuning`. */
export const networkName = ({ branch, sparsity, target, objective }: ResultRow): string => {
  if (branch === 'dense') return 'dense'
  const much = `pruned ${percent(target ?? sparsity)}`
  return objective === null ? `${much}, not fine-tuned` : `${much}, ${branch} fine-tuning`
}

/** How it was fine-tuned, in a sentence: `with matched fine-tuning`, `without fine-tuning`. */
export const tuning = ({ branch, objective }: ResultRow): string =>
  objective === null ? 'without fine-tuning' : `with ${branch} fine-tuning`

/** What robustness is measured by: proofs where there are some, else the attack. */
export const robustness = (row: ResultRow): { measure: 'VRA' | 'ERA'; proportion: Proportion } => {
  const [proved] = row.verifications ?? []
  return proved === undefined
    ? { measure: 'ERA', proportion: row.era }
    : { measure: 'VRA', proportion: proved.vra }
}

export const one = (value: number): string => value.toFixed(1)

/** `a`, `a and b`, `a, b and c`. */
export const and = (words: readonly string[]): string =>
  words.length < 2 ? (words[0] ?? '') : `${words.slice(0, -1).join(', ')} and ${words.at(-1)}`

/** `1 network`, `3 networks`. */
export const plural = (count: number, word: string): string =>
  `${count.toLocaleString('en-US')} ${word}${count === 1 ? '' : 's'}`

/** A p value as it is printed. */
export const pValue = (p: number): string => (p < 0.001 ? 'p < 0.001' : `p = ${p.toPrecision(2)}`)

/** A sentence whose numbers are not parted from what follows them. */
export const tight = (sentence: string): string => sentence.replace(/ (?=%|→)/g, '\u00a0')
