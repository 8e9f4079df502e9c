/** Verifies one batch in the cheapest sound order, and hands over every image as soon as it is answered. */
import type { Floats } from '../../bindings/native.js'
import { type Attack, attackName } from '../attacks/attack.js'
import { exhibit, ruleOn } from './contradiction.js'
import type { Engine } from './engine.js'
import type { BoundVerifier } from './methods.js'
import { type Findings, type ImageVerdict, isContradicted, judge, NO_CLASS, type Ruling } from './verdict.js'

/** What is tried, in this order. */
export interface Plan {
  epsilon: number
  /** On every image, before the bounds. */
  attack: Attack | null
  /** Whether images that it broke are bounded all the same: for their margins, and to hold proof against attack. */
  boundBroken: boolean
  /** From cheap to dear; each on what those before did not prove. */
  steps: readonly BoundVerifier[]
  /** On what is not proved. */
  lastAttack: Attack | null
}

/** An image of the batch; `prediction` may be known from an earlier evaluation, with an attack as good as the plan's. */
export interface Candidate {
  index: number
  label: number
  known?: Findings | undefined
}

interface Image extends Findings {
  /** Its pixels, and those of an adversarial example; undefined where this batch has not seen any. */
  pixels?: Floats | undefined
  example?: Floats | undefined
  unstable: number
  seconds: number
}

/** Yields the verdicts as they are reached: misclassified and broken ones first, then step by step. */
export async function* verifyBatch(
  engine: Engine,
  { epsilon, attack, boundBroken, steps, lastAttack }: Plan,
  candidates: readonly Candidate[],
): AsyncGenerator<ImageVerdict[]> {
  const images = candidates.map(({ index, label, known }): Image => {
    return { index, label, prediction: NO_CLASS, ...known, unstable: Number.NaN, seconds: 0 }
  })
  const fresh = images.filter((_, place) => candidates[place]?.known === undefined)
  await attacked(engine, attack, fresh)
  const right = images.filter(isRight)
  let open = boundBroken ? right : right.filter(({ broken }) => broken === undefined)
  yield* answered(engine, images, open, epsilon)
  for (const step of steps) {
    await bounded(engine, step, epsilon, open)
    const left = open.filter((image) => isRight(image) && !isProved(image) && image.broken === undefined)
    yield* answered(engine, open, left, epsilon)
    open = left
  }
  if (lastAttack !== null) await attacked(engine, lastAttack, open)
  yield* answered(engine, open, [], epsilon)
}

const attacked = async (engine: Engine, attack: Attack | null, images: readonly Image[]): Promise<void> => {
  if (images.length === 0) return
  const found = await engine.evaluate(indicesOf(images), attack)
  const { predictions, adversarialPredictions, seconds } = found
  images.forEach((image, place) => {
    image.prediction = predictions[place] ?? image.prediction
    image.seconds += seconds / images.length
    const into = adversarialPredictions?.[place] ?? image.label
    image.pixels = partOf(found.images, place, images.length)
    if (attack === null || !isRight(image) || into === image.label || image.broken !== undefined) return
    image.broken = attackName(attack)
    image.attack = attack
    image.example = partOf(found.adversarialImages, place, images.length)
  })
}

const bounded = async (
  engine: Engine,
  step: BoundVerifier,
  epsilon: number,
  images: readonly Image[],
): Promise<void> => {
  if (images.length === 0) return
  const { margins, predictions, unstable, seconds } = await engine.bound(step, epsilon, indicesOf(images))
  images.forEach((image, place) => {
    const margin = margins[place] ?? Number.NaN
    image.prediction = predictions[place] ?? image.prediction
    image.seconds += seconds / images.length
    if (Number.isNaN(image.unstable)) image.unstable = unstable
    if (!((image.bound?.margin ?? Number.NaN) >= margin)) image.bound = { margin, method: step.kind }
  })
}

/** The verdicts on those images that are no longer open. */
async function* answered(
  engine: Engine,
  images: readonly Image[],
  open: readonly Image[],
  epsilon: number,
): AsyncGenerator<ImageVerdict[]> {
  const still = new Set(open)
  const done = images.filter((image) => !still.has(image))
  if (done.length === 0) return
  for (const image of done.filter(isContradicted)) image.ruling = await rule(engine, image, epsilon)
  yield done.map((image) => {
    const { index, label, prediction, bound, unstable, seconds } = image
    const margin = bound?.margin ?? Number.NaN
    return { index, label, prediction, ...judge(image, epsilon), margin, unstable, seconds }
  })
}

/** Judges what contradicts the proof of an image, on the very point that this batch has seen. */
const rule = async (engine: Engine, image: Image, epsilon: number): Promise<Ruling> => {
  const { pixels, example, broken, attack } = image
  const point = isRight(image) ? example : pixels
  const seen =
    pixels !== undefined && point !== undefined
      ? { image: pixels, point }
      : await exhibit(engine, image, broken === undefined ? null : attack)
  return seen === undefined ? 'lost' : ruleOn(engine, seen, { label: image.label, epsilon })
}

/** One of so many equal parts. */
const partOf = (all: Floats | null, place: number, count: number): Floats | undefined =>
  all?.subarray((all.length / count) * place, (all.length / count) * (place + 1))

const isRight = ({ prediction, label }: Findings): boolean => prediction === label

const isProved = ({ bound }: Findings): boolean => bound !== undefined && bound.margin > 0

const indicesOf = (images: readonly Image[]): Uint32Array => Uint32Array.from(images, ({ index }) => index)
