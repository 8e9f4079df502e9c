/**
 * What becomes of a proof that something found in fp32 contradicts. Proofs are about real arithmetic: the point that was
 * found is judged there, in float64 with rounding errors bounded, and in exact arithmetic where that cannot tell.
 */
import type { Floats } from '../../bindings/native.js'
import { type Attack, attackWithin } from '../attacks/attack.js'
import type { Engine } from './engine.js'
import { summarise, type Verification } from './summary.js'
import { type ImageVerdict, judge, knownOf, type Measured, type Ruling, verdictsOf } from './verdict.js'

/** A point that the network, as it runs, takes for another class than the one proved for its whole box. */
export interface Exhibit {
  /** Pixels of the image and of the point; the same where the image itself is misclassified. */
  image: Floats
  point: Floats
  /** Whether an attack that was run again came to a point where the network is right, for what it found before. */
  isLost?: boolean
}

/** What a point says of a proof about its box. */
export const ruleOn = async (
  engine: Engine,
  { image, point, isLost = false }: Exhibit,
  { label, epsilon }: { label: number; epsilon: number },
): Promise<Ruling> => {
  if (!isInside(point, image, epsilon)) return 'outside'
  const right = await engine.isRight(point, label)
  if (isLost && right !== false) return 'lost'
  return right === true ? 'rounding' : 'real'
}

/**
 * Holds verdicts against what else was measured: what is verified must be right, and unbroken by an attack of the same
 * ε or a smaller one. Gives the verdicts, other where what was measured exists in fp32 alone.
 *
 * @throws CoppiceError `ERR_UNSOUND` that names the first image whose proof is false, or cannot be told from a false one
 */
export const heldAgainst = async (
  engine: Engine,
  verdicts: readonly ImageVerdict[],
  epsilon: number,
  measured: Measured,
): Promise<ImageVerdict[]> => {
  const held: ImageVerdict[] = []
  for (const verdict of verdicts) {
    const known = verdict.verdict === 'verified' ? knownOf(measured, verdict, epsilon) : undefined
    if (known === undefined || (known.prediction === verdict.label && known.broken === undefined)) {
      held.push(verdict)
      continue
    }
    const { broken = '', attack = attackNamed(broken, measured.epsilon) } = known
    const seen = await exhibit(engine, verdict, known.prediction === verdict.label ? attack : null)
    const ruling = seen === undefined ? 'lost' : await ruleOn(engine, seen, { label: verdict.label, epsilon })
    const bound = { margin: verdict.margin, method: verdict.method ?? 'a verifier' }
    held.push({ ...verdict, prediction: known.prediction, ...judge({ ...known, bound, ruling }, epsilon) })
  }
  return held
}

/** Holds verifications of the same network and images against each other: what one broke no other may have proved. */
export const heldTogether = async (
  engine: Engine,
  verifications: readonly Verification[],
): Promise<Verification[]> => {
  const all = [...verifications]
  for (const one of verifications) {
    const images = verdictsOf(one.perSample).map(({ index, prediction, verdict, method }) => {
      const broken = verdict === 'broken' ? (method ?? 'an attack') : undefined
      return [index, { prediction, broken }] as const
    })
    const measured = { epsilon: one.epsilon, images: new Map(images) }
    for (const [place, other] of all.entries()) {
      const verdicts = verdictsOf(other.perSample)
      const held = await heldAgainst(engine, verdicts, other.epsilon, measured)
      if (held.some((verdict, i) => verdict !== verdicts[i])) all[place] = summarise(held, other)
    }
  }
  return all
}

/**
 * The point that contradicts a proof: the image itself without an attack, else what the attack finds again. Either is
 * judged even if it is right now: sums in fp32 depend on how many images go through the network together. Undefined
 * where the attack is not known.
 */
export const exhibit = async (
  engine: Engine,
  { index, label }: { index: number; label: number },
  attack: Attack | null | undefined,
): Promise<Exhibit | undefined> => {
  if (attack === undefined) return undefined
  const { images: image, ...found } = await engine.evaluate(Uint32Array.of(index), attack)
  if (image === null) return undefined
  if (attack === null) return { image, point: image }
  const point = found.adversarialImages
  return point === null ? undefined : { image, point, isLost: found.adversarialPredictions?.[0] === label }
}

const attackNamed = (name: string, epsilon: number): Attack | undefined => {
  try {
    return attackWithin(epsilon, name)
  } catch {
    return undefined
  }
}

/** Faces were moved outwards by so much, for what they are rounded by. */
const OUTWARD = 2 ** -22

/** Whether a point lies in the box that was proved. Attacks stay within [0,1], as boxes do that are clipped. */
const isInside = (point: Floats, image: Floats, epsilon: number): boolean =>
  point.every((x, i) => {
    const centre = image[i] ?? Number.NaN
    const reach = epsilon + (Math.abs(centre) + epsilon) * OUTWARD
    return x === centre || (Math.abs(x - centre) <= reach && x >= 0 && x <= 1)
  })
