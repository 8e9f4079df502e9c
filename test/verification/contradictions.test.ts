/** What becomes of proofs that fp32 contradicts, and of networks that are no functions of real numbers. */
import { describe, expect, it } from 'vitest'
import { settle } from '../../bindings/jobs.js'
import { addon } from '../../bindings/load.js'
import { pgd } from '../../lib/attacks/attack.js'
import { Dataset } from '../../lib/data/dataset.js'
import { labelledImages } from '../../lib/data/images.js'
import { evaluate } from '../../lib/evaluation/evaluate.js'
import { evaluateEngine } from '../../lib/evaluation/evaluateEngine.js'
import { Network } from '../../lib/models/network.js'
import type { NodeInput } from '../../lib/networks/parse.js'
import { parseSpec } from '../../lib/networks/parse.js'
import { IMAGE, type NetworkSpec } from '../../lib/networks/spec.js'
import { compile } from '../../lib/sparse/compile.js'
import { margins } from '../../lib/verification/bounds.js'
import { verdictsOf } from '../../lib/verification/verdict.js'
import { verify } from '../../lib/verification/verify.js'

const networkOf = (nodes: NodeInput[], parameters: number[], buffers: number[] = []) =>
  Network.from({
    spec: parseSpec({ name: 'made', input: [1, 1, 2], nodes }),
    type: 'float32',
    parameters: Float32Array.from(parameters),
    buffers: Float32Array.from(buffers),
    mask: new Uint8Array(parameters.length).fill(1),
    history: {},
  })

const imagesOf = (bytes: number[], labels: number[]) =>
  Dataset.create(
    labelledImages({
      images: Uint8Array.from(bytes),
      labels: Uint8Array.from(labels),
      shape: [1, 1, 2],
      classes: 2,
    }),
  )

/** Logits (2²⁵·a + b) − 2²⁵·a − 0.5 and 0: in fp32, b is lost where a exceeds 0.5. */
const cancelling = () =>
  networkOf(
    [
      { op: 'flatten', name: 'flatten' },
      { op: 'linear', name: 'fc1', features: 2 },
      { op: 'linear', name: 'fc2', features: 2 },
    ],
    [2 ** 25, 1, 2 ** 25, 0, 0, 0, 1, -1, 0, 0, -0.5, 0],
  )

describe('an image that is proved in real arithmetic, and broken in fp32 alone', () => {
  const epsilon = 0.1
  const attack = pgd({ epsilon, steps: 2, stepSize: 0.05, restarts: 40 })

  it('has a verdict of its own, is not verified, and does not end the run', async () => {
    const network = await cancelling()
    const data = await imagesOf([112, 255, 64, 255, 200, 0], [0, 0, 1])
    const found = await verify(network, data, { epsilon, attack })
    expect(found.perSample.verdicts).toEqual(['brokenByRounding', 'verified', 'verified'])
    expect(found.perSample.methods[0]).toBe('pgd2x40')
    expect(found.perSample.margins[0]).toBeCloseTo(0.4, 3)
    expect([found.vra, found.era, found.accuracy].map((figure) => figure?.successes)).toEqual([2, 2, 3])
    expect(found.brokenByRounding).toBe(1)
  })

  it('is found by an evaluation too, and in what was verified before', async () => {
    const network = await cancelling()
    const data = await imagesOf([112, 255], [0])
    const evaluation = await evaluate(network, data, { attack, verifier: 'crown' })
    expect([evaluation.era?.successes, evaluation.vra?.successes]).toEqual([0, 0])
    const { perSample } = await verify(network, data, { epsilon })
    const done = [
      {
        index: 0,
        label: 0,
        prediction: 0,
        verdict: 'verified',
        method: 'symbolic',
        margin: 0.4,
        unstable: 0,
        seconds: 1,
      } as const,
    ]
    expect(perSample.verdicts).toEqual(['verified'])
    const held = await verify(network, data, { epsilon, evaluation, done })
    expect(held.perSample.verdicts).toEqual(['brokenByRounding'])
  })

  it('is so where another batch, which rounds otherwise, was taken for another class', async () => {
    const network = await cancelling()
    const data = await imagesOf([64, 255], [0])
    const perSample = { ...(await evaluate(network, data)).perSample, predictions: Int32Array.of(1) }
    const { perSample: alone } = await verify(network, data, { epsilon })
    const done = verdictsOf(alone)
    const held = await verify(network, data, { epsilon, evaluation: { perSample }, done })
    expect(held.perSample.verdicts).toEqual(['brokenByRounding'])
  })
})

describe('logits that are not finite', () => {
  /** Logits a·3·10³⁸·4 and 0. */
  const overflowing = () =>
    networkOf(
      [
        { op: 'flatten', name: 'flatten' },
        { op: 'linear', name: 'fc1', features: 1 },
        { op: 'linear', name: 'fc2', features: 2 },
      ],
      [3e38, 0, 0, 4, 0, 0, 0],
    )

  it('make an image wrong, whatever its label, in evaluation, engines and verification', async () => {
    const network = await overflowing()
    const data = await imagesOf([255, 0, 255, 0, 0, 0], [0, 1, 0])
    const evaluation = await evaluate(network, data, { attack: pgd({ epsilon: 0.01 }) })
    expect([...evaluation.perSample.predictions]).toEqual([-1, -1, 0])
    expect([evaluation.accuracy.successes, evaluation.notFinite]).toEqual([1, 2])
    const engine = await compile(network, { batch: 1 })
    const engineFound = await evaluateEngine(engine, data)
    expect([...engineFound.predictions]).toEqual([-1, -1, 0])
    expect([engineFound.accuracy.successes, engineFound.notFinite]).toEqual([1, 2])
    const verified = await verify(network, data, { epsilon: 0.001 })
    expect(verified.perSample.verdicts.slice(0, 2)).toEqual(['misclassified', 'misclassified'])
    expect(verified.notFinite).toBe(2)
  })

  it('are no proof', async () => {
    const network = await overflowing()
    const found = await margins(network, Float32Array.of(1, 0), Int32Array.of(0), { epsilon: 0.001 })
    expect([...found].every((margin) => margin > 0)).toBe(false)
  })
})

describe('a network that is no function of real numbers', () => {
  const norm: NodeInput[] = [
    { op: 'batchNorm2d', name: 'norm', epsilon: 1e-5 },
    { op: 'flatten', name: 'flatten' },
  ]

  it.each([
    [[0, -1.001e-5], /'norm.running_var' .* not positive/],
    [[0, -0.5], /'norm.running_var' .* not positive/],
    [[0, Number.NaN], /'norm.running_var' .* NaN or infinite/],
    [[Number.POSITIVE_INFINITY, 1], /'norm.running_mean' .* NaN or infinite/],
  ])('is refused with statistics %j', async (buffers, message) => {
    const refused = networkOf(norm, [1, 0], buffers)
    await expect(refused).rejects.toMatchObject({
      code: 'ERR_INVALID_ARGUMENT',
      message: expect.stringMatching(message),
    })
  })

  it('is none with a variance that epsilon makes positive', async () => {
    await expect(networkOf(norm, [1, 0], [0, -0.9e-5])).resolves.toBeDefined()
  })

  it('is refused with constants that its type cannot hold', async () => {
    const nodes: NetworkSpec['nodes'] = [
      { op: 'normalize', name: 'scale', inputs: [IMAGE], mean: [0], std: [1e-42] },
      { op: 'flatten', name: 'flatten', inputs: ['scale'] },
    ]
    // Specs stop far before that; the addon says it too.
    const create = () =>
      addon().createNetwork({ name: 'made', input: [1, 1, 2], nodes }, { device: 'cpu', type: 'float32' })
    await expect(settle(create)).rejects.toThrow("node 'scale' has a std that is too small for float32")
  })
})
