/** What the attacks find, on networks whose answer is known. */
import { describe, expect, it } from 'vitest'
import { addon } from '../../bindings/load.js'
import {
  type Attack,
  apgd,
  attackParts,
  autoAttack,
  fab,
  nativeAttack,
  parseAttack,
  pgd,
  square,
} from '../../lib/attacks/attack.js'
import { randomStream } from '../../lib/base/hash.js'
import { Dataset } from '../../lib/data/dataset.js'
import { labelledImages } from '../../lib/data/images.js'
import { evaluate } from '../../lib/evaluation/evaluate.js'
import { adversarialExamples } from '../../lib/evaluation/evaluateEngine.js'
import { Network } from '../../lib/models/network.js'
import { type NodeInput, parseSpec } from '../../lib/networks/parse.js'
import { train } from '../../lib/training/train.js'
import { tinyImages, tinySpec } from '../helpers.js'

const SHAPE = [3, 8, 8] as const
const SIZE = 192
const IMAGES = 40

const networkOf = (nodes: NodeInput[], parameters: ArrayLike<number>, input: readonly number[] = SHAPE) =>
  Network.from({
    spec: parseSpec({ name: 'made', input: [...input] as [number, number, number], nodes }),
    type: 'float32',
    parameters: Float32Array.from(parameters),
    buffers: new Float32Array(0),
    mask: new Uint8Array(parameters.length).fill(1),
    history: {},
  })

const randomNumbers = (count: number, seed: number): number[] => {
  const next = randomStream(seed)
  return Array.from({ length: count }, () => next() / 2 ** 31 - 1)
}

/** A linear network of random weights, and images of all values, each with the class that it is taken for. */
const linear = async (classes: number, count = 8) => {
  const weights = randomNumbers(SIZE * classes, classes)
  const nodes: NodeInput[] = [
    { op: 'flatten', name: 'flatten' },
    { op: 'linear', name: 'fc', features: classes },
  ]
  const network = await networkOf(nodes, [...weights, ...new Array<number>(classes).fill(0)])
  const images = Float32Array.from(randomNumbers(SIZE * count, 7), (x) =>
    Math.min(1, Math.max(0, 0.7 * x + 0.5)),
  )
  const logits = await network.logits(images)
  const labels = Array.from({ length: count }, (_, image) => {
    const own = [...logits.subarray(image * classes, (image + 1) * classes)]
    return own.indexOf(Math.max(...own))
  })
  /** The least ε at which another class wins, within [0,1]. */
  const distance = (image: number): number => {
    const pixels = images.subarray(image * SIZE, (image + 1) * SIZE)
    const row = (label: number) => weights.slice(label * SIZE, (label + 1) * SIZE).map(Math.fround)
    const own = row(labels[image] ?? 0)
    const beats = (other: number[], epsilon: number) =>
      pixels.reduce((sum, x, i) => {
        const w = (other[i] ?? 0) - (own[i] ?? 0)
        return sum + w * Math.min(1, Math.max(0, x + epsilon * Math.sign(w)))
      }, 0) > 0
    const least = Array.from({ length: classes }, (_, other) => {
      if (other === labels[image] || !beats(row(other), 1)) return Number.POSITIVE_INFINITY
      let [low, high] = [0, 1]
      for (let step = 0; step < 40; ++step) {
        const middle = (low + high) / 2
        if (beats(row(other), middle)) high = middle
        else low = middle
      }
      return high
    })
    return Math.min(...least)
  }
  return { network, images, labels, distance }
}

const broken = async (
  { network, images, labels }: Awaited<ReturnType<typeof linear>>,
  image: number,
  attack: Attack,
): Promise<boolean> => {
  const pixels = images.subarray(image * SIZE, (image + 1) * SIZE)
  const { predictions } = await adversarialExamples(network, pixels, [labels[image] ?? 0], { attack })
  return predictions[0] !== labels[image]
}

describe('on linear networks, where the least perturbation is known', () => {
  it.each([
    ['apgd-ce', 2, 0.001],
    ['apgd-dlr', 2, 0.001],
    ['apgd-dlr', 3, 0.001],
    ['apgd-t', 2, 0.001],
    ['apgd-t', 3, 0.001],
    ['apgd-t', 10, 0.001],
    ['fab-t', 2, 0.01],
    ['fab-t', 10, 0.01],
  ])('%s, %i classes, breaks what can be broken and nothing else', async (name, classes, slack) => {
    const made = await linear(classes)
    for (let image = 0; image < 8; ++image) {
      const distance = made.distance(image)
      expect(distance).toBeLessThan(1)
      expect(await broken(made, image, parseAttack(name, { epsilon: distance * (1 + slack) }))).toBe(true)
      expect(await broken(made, image, parseAttack(name, { epsilon: distance * (1 - 1e-4) }))).toBe(false)
    }
  })
})

/**
 * Two logits of which one is a staircase of the sum of all pixels, and the other its middle: every step is a ramp so
 * steep that no point ever lies on it, and everywhere else the gradient is exactly 0.
 */
const staircase = async () => {
  const [steps, height, steepness] = [24, 0.25, 4096]
  const hidden = 2 * steps
  const first = new Array<number>(SIZE * hidden).fill(1)
  const biases = Array.from({ length: hidden }, (_, unit) => {
    const at = SIZE / 2 - 3 + 0.25 * Math.floor(unit / 2)
    return -(unit % 2 === 0 ? at : at + 1 / steepness)
  })
  const second = Array.from({ length: hidden }, (_, unit) => (unit % 2 === 0 ? 1 : -1) * height * steepness)
  const zeros = new Array<number>(hidden).fill(0)
  return networkOf(
    [
      { op: 'flatten', name: 'flatten' },
      { op: 'linear', name: 'fc1', features: hidden },
      { op: 'relu', name: 'relu' },
      { op: 'linear', name: 'fc2', features: 2 },
    ],
    [...first, ...biases, ...second, ...zeros, 0, 5.1],
  )
}

/** Grey images, which the staircase takes for class 1. */
const grey = (count: number) =>
  Dataset.create(
    labelledImages({
      name: 'grey',
      images: new Uint8Array(count * SIZE).fill(127),
      labels: new Uint8Array(count).fill(1),
      shape: [...SHAPE],
      classes: 2,
    }),
  )

describe('on a network without gradients', () => {
  it('Square alone finds anything, and AutoAttack says so', async () => {
    const [network, data] = [await staircase(), await grey(6)]
    const epsilon = 0.1
    const era = async (attack: Attack) => (await evaluate(network, data, { attack })).era?.successes
    expect(await era(pgd({ epsilon, stepSize: 0.03, restarts: 3 }))).toBe(6)
    for (const name of ['apgd-ce', 'apgd-dlr', 'apgd-t', 'fab-t']) {
      expect(await era(parseAttack(name, { epsilon }))).toBe(6)
    }
    expect(await era(square({ epsilon }))).toBe(0)
    const { perSample } = await evaluate(network, data, { attack: autoAttack({ epsilon }) })
    expect(perSample.brokenBy).toEqual(new Array(6).fill('square'))
  })
})

describe('on a trained network', async () => {
  const network = await Network.create(tinySpec(), { seed: 1, type: 'float64' })
  const settings = {
    epochs: 6,
    batchSize: 16,
    learningRate: 0.01,
    augment: 'none',
    precision: 'fp64',
  } as const
  await train(network, await tinyImages(400), settings)
  const data = await tinyImages(IMAGES, 1)
  const epsilon = 16 / 255
  const all: Attack[] = [
    apgd({ epsilon, loss: 'dlr', restarts: 2 }),
    apgd({ epsilon, loss: 'targetedDlr', steps: 20 }),
    fab({ epsilon, steps: 20, restarts: 2 }),
    square({ epsilon, queries: 100, restarts: 2 }),
    autoAttack({ epsilon }),
  ]

  it.each(all.map((attack) => [attack] as const))(
    'examples lie in the box and in [0,1], and are what they are said to be: %j',
    async (attack) => {
      const pixels = Float64Array.from(data.pixels(0, IMAGES))
      const { images, predictions } = await adversarialExamples(network, pixels, data.labels, { attack })
      images.forEach((x, i) => {
        expect(Math.abs(x - (pixels[i] ?? 0))).toBeLessThanOrEqual(epsilon + 1e-12)
        expect(x >= 0 && x <= 1).toBe(true)
      })
      const logits = await network.logits(images)
      predictions.forEach((prediction, image) => {
        const own = [...logits.subarray(4 * image, 4 * image + 4)]
        expect(own.indexOf(Math.max(...own))).toBe(prediction)
      })
    },
  )

  it.each(all.map((attack) => [attack] as const))(
    'what becomes of an image does not depend on its place or the batch: %j',
    async (attack) => {
      const whole = await evaluate(network, data, { attack, seed: 3 })
      const order = Array.from({ length: IMAGES }, (_, place) => (place * 7) % IMAGES)
      const other = await evaluate(network, data.subset(order), { attack, seed: 3, batchSize: 23 })
      expect(other.perSample.brokenBy).toEqual(order.map((place) => whole.perSample.brokenBy?.[place]))
      expect([...(other.perSample.adversarialPredictions ?? [])]).toEqual(
        order.map((place) => whole.perSample.adversarialPredictions?.[place]),
      )
    },
  )

  it('the cascade breaks what one of its attacks breaks alone, and names the first', async () => {
    const outcomes = async (attack: Attack) => (await evaluate(network, data, { attack })).perSample.brokenBy
    const alone = await Promise.all(attackParts(autoAttack({ epsilon })).map(outcomes))
    const together = await outcomes(autoAttack({ epsilon }))
    expect(together).toEqual(
      Array.from(
        { length: IMAGES },
        (_, image) => alone.map((names) => names?.[image]).find((name) => name) ?? null,
      ),
    )
    expect(together?.some((name) => name === 'apgd-ce')).toBe(true)
    expect(together?.some((name) => name === null)).toBe(true)
  })

  it('is at least as strong as PGD with restarts', async () => {
    const weak = await evaluate(network, data, {
      attack: pgd({ epsilon, stepSize: epsilon / 4, restarts: 5 }),
    })
    const strong = await evaluate(network, data, { attack: autoAttack({ epsilon }) })
    expect(strong.era?.successes).toBeLessThanOrEqual(weak.era?.successes ?? 0)
  })

  it('breaks nothing within ε = 0', async () => {
    const { accuracy, era } = await evaluate(network, data, { attack: autoAttack({ epsilon: 0 }) })
    expect(era).toEqual(accuracy)
  })

  it('a targeted attack never aims at more classes than there are', async () => {
    const evaluation = await evaluate(network, data, {
      attack: apgd({ epsilon, loss: 'targetedDlr', targets: 200 }),
    })
    expect(evaluation.era).toEqual(
      (await evaluate(network, data, { attack: parseAttack('apgd-t', { epsilon }) })).era,
    )
  })
})

describe('where numbers end', () => {
  const overflowing = (bias: number) =>
    networkOf(
      [
        { op: 'flatten', name: 'flatten' },
        { op: 'linear', name: 'fc1', features: 4 },
        { op: 'relu', name: 'relu' },
        { op: 'linear', name: 'fc2', features: 2 },
      ],
      [
        ...new Array<number>(SIZE * 4).fill(1e20),
        ...new Array<number>(4).fill(bias),
        ...new Array<number>(8).fill(1e20),
        ...[0, 1],
      ],
    )

  it('an image whose logits become infinite is broken, one whose logits are is wrong', async () => {
    const data = await grey(3)
    // 0 until the sum of the pixels exceeds its middle.
    const reachable = await evaluate(await overflowing(-1e20 * (SIZE / 2)), data, {
      attack: square({ epsilon: 0.1, queries: 400 }),
    })
    expect(reachable).toMatchObject({ accuracy: { successes: 3 }, era: { successes: 0 } })
    const lost = await evaluate(await overflowing(0), data, { attack: autoAttack({ epsilon: 0.1 }) })
    expect(lost).toMatchObject({ accuracy: { successes: 0 }, era: { successes: 0 }, notFinite: 3 })
  })
})

it('the native side names what a cascade lacks, and who takes a start', async () => {
  const network = await Network.create(tinySpec(), { seed: 1 })
  const batch = { images: new Float32Array(SIZE), labels: Int32Array.of(0) }
  const options = { start: null, folded: true, precision: 'fp32', seed: 0 } as const
  const run = (changes: object) => () =>
    addon().attack(network.handle, batch, { ...options, attack: nativeAttack(autoAttack()), ...changes })
  expect(run({ attack: { kind: 'cascade', attacks: [] } })).toThrow(
    /options\.attack\.attacks must be at least one/,
  )
  expect(run({ attack: { kind: 'cascade', attacks: [{ kind: 'pgd' }] } })).toThrow(/attacks\[0\]\.epsilon/)
  expect(run({ start: new Float32Array(SIZE) })).toThrow(/only pgd takes a start/)
})
