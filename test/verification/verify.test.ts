import { describe, expect, it } from 'vitest'
import { type Attack, type Pgd, pgd } from '../../lib/attacks/attack.js'
import type { Evaluation } from '../../lib/evaluation/evaluate.js'
import type { Engine } from '../../lib/verification/engine.js'
import type { Verifier } from '../../lib/verification/index.js'
import type { ImageVerdict } from '../../lib/verification/verdict.js'
import { type VerifyOptions, verifyWith } from '../../lib/verification/verify.js'

/** What is true of an image: its least margin by method, and the restarts that it takes to break it. */
interface Truth {
  right: boolean
  margins: Partial<Record<Verifier['kind'], number>>
  /** Restarts of an attack that breaks it. */
  breaksAt: number
}

const truths: Truth[] = [
  { right: false, margins: { symbolic: -3, crown: -3, alphaCrown: -3 }, breaksAt: Number.POSITIVE_INFINITY },
  { right: true, margins: { symbolic: -2, crown: -1, alphaCrown: -1 }, breaksAt: 1 },
  {
    right: true,
    margins: { symbolic: 0.5, crown: 0.6, alphaCrown: 0.7 },
    breaksAt: Number.POSITIVE_INFINITY,
  },
  {
    right: true,
    margins: { symbolic: -0.5, crown: 0.1, alphaCrown: 0.2 },
    breaksAt: Number.POSITIVE_INFINITY,
  },
  {
    right: true,
    margins: { symbolic: -0.6, crown: -0.1, alphaCrown: 0.1 },
    breaksAt: Number.POSITIVE_INFINITY,
  },
  { right: true, margins: { symbolic: -0.7, crown: -0.2, alphaCrown: -0.1 }, breaksAt: 5 },
  {
    right: true,
    margins: { symbolic: -0.8, crown: -0.3, alphaCrown: 0 },
    breaksAt: Number.POSITIVE_INFINITY,
  },
]

const LABEL = 3
const dataset = (n = truths.length) => ({
  name: 'made up',
  length: n,
  device: 'cpu' as const,
  // Places in the whole set are not those in the view.
  indices: Uint32Array.from({ length: n }, (_, place) => 100 + place),
  labels: new Uint8Array(n).fill(LABEL),
})

/** An engine that knows the truth, and writes down what it was asked. */
const oracle = (asked: string[] = [], known: readonly Truth[] = truths): Engine => {
  const truthOf = (index: number): Truth => known[index - 100] as Truth
  const predict = (indices: Uint32Array) =>
    Int32Array.from(indices, (index) => (truthOf(index).right ? LABEL : 1))
  const places = (indices: Uint32Array) => [...indices].map((index) => index - 100).join()
  return {
    evaluate: async (indices, made) => {
      const attack = made as Pgd | null
      asked.push(
        `${attack === null ? 'predict' : `pgd${attack.steps}x${attack.restarts}`} ${places(indices)}`,
      )
      const broken = (index: number) => attack !== null && attack.restarts >= truthOf(index).breaksAt
      return {
        predictions: predict(indices),
        adversarialPredictions:
          attack && Int32Array.from(indices, (index) => (broken(index) || !truthOf(index).right ? 2 : LABEL)),
        images: new Float32Array(indices.length),
        adversarialImages: attack && new Float32Array(indices.length).fill(epsilon),
        seconds: indices.length,
      }
    },
    isRight: async () => false,
    bound: async ({ kind }, _epsilon, indices) => {
      asked.push(`${kind} ${places(indices)}`)
      return {
        predictions: predict(indices),
        margins: Float64Array.from(indices, (index) => truthOf(index).margins[kind] ?? Number.NaN),
        unstable: 0.25,
        seconds: 2 * indices.length,
      }
    },
  }
}

const epsilon = 2 / 255
const run = (options: Partial<VerifyOptions>, asked: string[] = [], known: readonly Truth[] = truths) =>
  verifyWith(oracle(asked, known), dataset(known.length), { epsilon, ...options })

describe('a cascade', () => {
  it('goes from cheap to dear, and asks nothing more about an image that is answered', async () => {
    const asked: string[] = []
    const { perSample, vra, era, accuracy, unknown } = await run({ verifier: 'cascade' }, asked)
    expect(asked).toEqual([
      'pgd10x1 0,1,2,3,4,5,6',
      'symbolic 2,3,4,5,6',
      'crown 3,4,5,6',
      'alphaCrown 4,5,6',
      'pgd50x5 5,6',
    ])
    expect(perSample.verdicts).toEqual([
      'misclassified',
      'broken',
      'verified',
      'verified',
      'verified',
      'broken',
      'unknown',
    ])
    expect(perSample.methods).toEqual([
      null,
      'pgd10',
      'symbolic',
      'crown',
      'alphaCrown',
      'pgd50x5',
      'alphaCrown',
    ])
    expect([vra, era, accuracy].map((figure) => figure?.successes)).toEqual([3, 4, 6])
    expect(unknown).toBe(1)
  })

  it('takes its steps and attacks as they are given', async () => {
    const asked: string[] = []
    const verifier = { kind: 'cascade', steps: ['crown'], quickAttack: 'none', attack: 'none' } as const
    const { perSample, era } = await run({ verifier }, asked)
    expect(asked).toEqual(['predict 0,1,2,3,4,5,6', 'crown 1,2,3,4,5,6'])
    expect(perSample.verdicts.filter((verdict) => verdict === 'broken')).toEqual([])
    expect(era).toBeUndefined()
  })

  it('uses the attack of the user on what is left, within the box', async () => {
    const attacks: (Attack | null)[] = []
    const engine = oracle()
    const watching: Engine = {
      ...engine,
      evaluate: (indices, attack) => {
        attacks.push(attack)
        return engine.evaluate(indices, attack)
      },
    }
    const attack = pgd({ epsilon, steps: 7, restarts: 9 })
    await verifyWith(watching, dataset(), { epsilon, verifier: 'cascade', attack })
    expect(attacks.at(-1)).toEqual(attack)
    expect(attacks[0]).toMatchObject({ epsilon, steps: 10, stepSize: epsilon / 4 })
  })
})

describe('one method of bounds', () => {
  it('is asked about every image that is right, and proves only with a margin above 0', async () => {
    const asked: string[] = []
    const { perSample, vra, unstable } = await run({ verifier: 'alphaCrown' }, asked)
    expect(asked).toEqual(['predict 0,1,2,3,4,5,6', 'alphaCrown 1,2,3,4,5,6'])
    expect([...perSample.margins]).toEqual([Number.NaN, -1, 0.7, 0.2, 0.1, -0.1, 0])
    expect(perSample.verdicts.at(-1)).toBe('unknown')
    expect(vra.successes).toBe(3)
    expect(unstable).toBe(0.25)
    // Half a second to predict and two to bound, for each image.
    expect([...perSample.seconds]).toEqual([1, 3, 3, 3, 3, 3, 3])
  })

  it('with an attack, bounds what it broke all the same', async () => {
    const asked: string[] = []
    const { perSample, era } = await run({ attack: pgd({ epsilon, restarts: 5 }) }, asked)
    expect(asked[1]).toBe('symbolic 1,2,3,4,5,6')
    expect(perSample.verdicts[1]).toBe('broken')
    expect(perSample.margins[1]).toBe(-2)
    expect(era?.successes).toBe(4)
  })
})

describe('the invariant verified ⇒ not broken ⇒ correct', () => {
  const unsound: Truth[] = [
    { right: true, margins: { symbolic: 1 }, breaksAt: 5 },
    { right: true, margins: { symbolic: 0.25 }, breaksAt: 1 },
  ]

  it('is an error where it does not hold, which names the image', async () => {
    await expect(run({ attack: pgd({ epsilon }) }, [], unsound)).rejects.toMatchObject({
      code: 'ERR_UNSOUND',
      message: expect.stringMatching(/image 101: symbolic proves class 3 .* eps 2\/255, but pgd10 found/),
    })
  })

  it('is held against an evaluation of the same images, at its ε or a larger one', async () => {
    const evaluation = {
      perSample: {
        indices: Uint32Array.of(100, 101),
        labels: Uint8Array.of(LABEL, LABEL),
        predictions: Int32Array.of(LABEL, LABEL),
        adversarialPredictions: Int32Array.of(0, LABEL),
      },
      attack: pgd({ epsilon: 1 / 255 }),
    } as unknown as Evaluation
    const sound = unsound.map((truth) => ({ ...truth, breaksAt: Number.POSITIVE_INFINITY }))
    const held = (changes: Partial<VerifyOptions>) => run({ evaluation, ...changes }, [], sound)
    await expect(held({})).rejects.toThrow('image 100')
    await expect(held({ verifier: 'cascade' })).resolves.toMatchObject({ vra: { successes: 1 } })
    // What an attack finds in a larger box is no contradiction.
    const { vra, era } = await held({ epsilon: 0.5 / 255 })
    expect(vra.successes).toBe(2)
    expect(era).toBeUndefined()
    // Verdicts of an earlier call are held against it too.
    const done: ImageVerdict[] = [100, 101].map((index) => ({
      ...{ index, label: LABEL, prediction: LABEL, verdict: 'verified', method: 'crown' },
      ...{ margin: 1, unstable: 0, seconds: 1 },
    }))
    await expect(held({ done })).rejects.toThrow('image 100: crown proves')
  })

  const ruledBy = (
    isRight: boolean | undefined,
    changes: Partial<Awaited<ReturnType<Engine['evaluate']>>> = {},
  ) => {
    const engine = oracle([], unsound)
    const ruling: Engine = {
      ...engine,
      isRight: async () => isRight,
      evaluate: async (indices, attack) => ({ ...(await engine.evaluate(indices, attack)), ...changes }),
    }
    return verifyWith(ruling, dataset(2), { epsilon, attack: pgd({ epsilon }) })
  }

  it('is judged in real arithmetic, and remains an error where that cannot tell', async () => {
    await expect(ruledBy(undefined)).rejects.toMatchObject({ code: 'ERR_UNSOUND' })
    const { perSample, vra, era, accuracy, brokenByRounding } = await ruledBy(true)
    expect(perSample.verdicts).toEqual(['verified', 'brokenByRounding'])
    expect(perSample.methods).toEqual(['symbolic', 'pgd10'])
    expect([vra, era, accuracy].map((figure) => figure?.successes)).toEqual([1, 1, 2])
    expect(brokenByRounding).toBe(1)
  })

  it('is about the box: a point outside of it contradicts nothing', async () => {
    const far = new Float32Array(2).fill(2 * epsilon)
    expect((await ruledBy(false, { adversarialImages: far })).perSample.verdicts).toEqual([
      'verified',
      'verified',
    ])
  })

  it('counts as broken where the point is gone, unless the network is wrong at the one found instead', async () => {
    const evaluation = {
      perSample: {
        indices: Uint32Array.of(100),
        labels: Uint8Array.of(LABEL),
        predictions: Int32Array.of(LABEL),
        adversarialPredictions: Int32Array.of(0),
      },
      attack: pgd({ epsilon }),
    } as unknown as Evaluation
    const sound = [{ right: true, margins: { symbolic: 1 }, breaksAt: Number.POSITIVE_INFINITY }]
    const again = (isRight: boolean) =>
      verifyWith({ ...oracle([], sound), isRight: async () => isRight }, dataset(1), { epsilon, evaluation })
    const { perSample, vra } = await again(true)
    expect([perSample.verdicts, perSample.methods, vra.successes]).toEqual([['broken'], ['pgd10'], 0])
    await expect(again(false)).rejects.toMatchObject({ code: 'ERR_UNSOUND' })
  })

  it('holds a proof about a misclassified image for a contradiction', async () => {
    const engine = oracle()
    const wrong: Engine = {
      ...engine,
      bound: async (verifier, box, indices) => ({
        ...(await engine.bound(verifier, box, indices)),
        predictions: new Int32Array(indices.length).fill(7),
      }),
    }
    await expect(verifyWith(wrong, dataset(), { epsilon })).rejects.toThrow(
      'the image itself is taken for class 7',
    )
  })

  it('refuses an attack in a larger box than the one verified', async () => {
    await expect(run({ attack: pgd({ epsilon: 8 / 255 }) })).rejects.toThrow('8/255 is larger than the 2/255')
  })
})

describe('verify', () => {
  it('takes over what an evaluation found', async () => {
    const evaluation = {
      perSample: {
        indices: dataset().indices,
        labels: dataset().labels,
        predictions: Int32Array.from(truths, ({ right }) => (right ? LABEL : 1)),
        adversarialPredictions: Int32Array.of(1, 5, LABEL, LABEL, LABEL, LABEL, LABEL),
      },
      attack: pgd({ epsilon }),
    } as unknown as Evaluation
    const asked: string[] = []
    await run({ evaluation }, asked)
    expect(asked).toEqual(['symbolic 1,2,3,4,5,6'])
    asked.length = 0
    const { perSample, attacks } = await run({ evaluation, verifier: 'cascade' }, asked)
    expect(asked[0]).toBe('symbolic 2,3,4,5,6')
    expect(perSample.methods[1]).toBe('pgd10')
    expect(attacks).toEqual(['pgd10', 'pgd50x5'])
  })

  it('hands results over as they come, and goes on with those of an earlier call', async () => {
    const whole = await run({ verifier: 'cascade' })
    const results: ImageVerdict[] = []
    const controller = new AbortController()
    const first = run({
      verifier: 'cascade',
      batchSize: 3,
      signal: controller.signal,
      onResult: (verdicts) => {
        results.push(...verdicts)
        if (results.length >= 3) controller.abort(new Error('enough'))
      },
    })
    await expect(first).rejects.toThrow('enough')
    expect(results.map(({ index }) => index).sort()).toEqual([100, 101, 102])
    const asked: string[] = []
    const progress: number[] = []
    const second = await run(
      {
        verifier: 'cascade',
        done: results,
        onProgress: ({ images, totalImages }) => {
          expect(totalImages).toBe(7)
          progress.push(images)
        },
      },
      asked,
    )
    expect(asked[0]).toBe('pgd10x1 3,4,5,6')
    expect(progress).toEqual([4, 5, 7])
    expect(second.perSample.verdicts).toEqual(whole.perSample.verdicts)
    expect(second.vra).toEqual(whole.vra)
  })

  it('judges each image alike whatever the batch size and the order of the steps’ batches', async () => {
    const whole = await run({ verifier: 'cascade' })
    for (const batchSize of [1, 2, 5]) {
      const { perSample } = await run({ verifier: 'cascade', batchSize })
      expect(perSample.verdicts).toEqual(whole.perSample.verdicts)
      expect(perSample.margins).toEqual(whole.perSample.margins)
    }
    expect((await run({ images: 3 })).n).toBe(3)
  })

  it('never takes a margin that is no number for a proof', async () => {
    const broken: Truth[] = [
      { right: true, margins: { symbolic: Number.NaN, crown: 1 }, breaksAt: Number.POSITIVE_INFINITY },
      { right: true, margins: { symbolic: 1, crown: Number.NaN }, breaksAt: Number.POSITIVE_INFINITY },
    ]
    expect((await run({}, [], broken)).perSample.verdicts).toEqual(['unknown', 'verified'])
    const both = await run({ verifier: { kind: 'cascade', steps: ['symbolic', 'crown'] } }, [], broken)
    expect(both.perSample.verdicts).toEqual(['verified', 'verified'])
  })

  it('refuses wrong options by name', async () => {
    await expect(run({ images: 8 })).rejects.toThrow('8 images are asked for')
    await expect(run({ epsilon: 1.5 })).rejects.toThrow('verify.epsilon: must lie between 0 and 1')
    await expect(run({ epsilon: Number.NaN })).rejects.toThrow('verify.epsilon')
    await expect(run({ verifier: 'symbolc' as 'symbolic' })).rejects.toThrow('did you mean "symbolic"?')
    await expect(run({ verifeir: 'crown' } as object)).rejects.toThrow('did you mean "verifier"?')
  })
})
