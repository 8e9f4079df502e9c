/** Bounds where numbers leave their type: an infinite lower bound bounds nothing, and a denormal pixel is not zero. */
import { expect, it } from 'vitest'
import { Network } from '../../../lib/models/network.js'
import { margins, nodeBounds } from '../../../lib/verification/bounds.js'
import { verifierNames } from '../../../lib/verification/index.js'

const LARGEST = Number.MAX_VALUE

/** Logits 0, w·x and −w·x for the largest w there is: the difference of the last two has a coefficient beyond it. */
const network = async (): Promise<Network> => {
  const made = await Network.create(
    {
      name: 'overflow',
      input: [1, 1, 1],
      nodes: [
        { op: 'normalize', name: 'small', inputs: ['image'], mean: [0], std: [1e25] },
        { op: 'flatten', name: 'flatten', inputs: ['small'] },
        { op: 'linear', name: 'fc', inputs: ['flatten'], features: 3, bias: false, init: 'torch' },
      ],
    },
    { type: 'float64' },
  )
  const state = await made.read()
  state.parameters.set([0, LARGEST, -LARGEST])
  await made.write(state)
  return made
}

it.each(verifierNames.filter((name) => name !== 'cascade'))(
  'of a difference beyond float64 is none (%s)',
  async (verifier) => {
    using made = await network()
    const image = Float64Array.of(0.5)
    // 2w·x is near 1e283: far below infinity.
    const found = await margins(made, image, Int32Array.of(1), { verifier, epsilon: 0.01 })
    expect(found[0]).toBeGreaterThan(0)
    expect(found[1]).not.toBe(Number.POSITIVE_INFINITY)
    const { lower, upper } = await nodeBounds(made, image, 'fc', { verifier, epsilon: 0.01 })
    expect([...lower]).not.toContain(Number.POSITIVE_INFINITY)
    expect([...upper]).not.toContain(Number.NEGATIVE_INFINITY)
  },
)

it.each(verifierNames.filter((name) => name !== 'cascade'))(
  'of a denormal pixel alone hold it (%s)',
  async (verifier) => {
    using made = await Network.create(
      {
        name: 'denormal',
        input: [1, 1, 2],
        nodes: [
          { op: 'relu', name: 'relu', inputs: ['image'] },
          { op: 'flatten', name: 'flatten', inputs: ['relu'] },
        ],
      },
      { type: 'float64' },
    )
    const pixel = Float64Array.of(1e-310, 0.5)
    for (const node of ['relu', 'flatten']) {
      const { lower, upper } = await nodeBounds(made, pixel, node, { verifier, epsilon: 0 })
      expect(lower[0]).toBeLessThanOrEqual(1e-310)
      expect(upper[0]).toBeGreaterThanOrEqual(1e-310)
    }
  },
)
