import { expect, it } from 'vitest'
import { Network } from '../../lib/models/network.js'
import { adversarial, natural } from '../../lib/objectives/index.js'
import { meanGradients } from '../../lib/training/gradients.js'
import { tinyImages, tinySpec } from '../helpers.js'

const settings = { batchSize: 40, precision: 'fp64', seed: 5 } as const

it.each([
  ['natural', natural()],
  ['adversarial', adversarial({ epsilon: 1 / 255, steps: 2, start: 'none' })],
])(
  '%s: a step against the gradient lowers the loss by its squared length times the step',
  async (_, objective) => {
    const network = await Network.create(tinySpec(), { seed: 1, type: 'float64' })
    const data = await tinyImages(100)
    const state = await network.read()
    const { gradients, loss } = await meanGradients(network, data, objective, settings)
    expect(await network.read()).toEqual(state)

    const squared = Float64Array.from(gradients).reduce((sum, value) => sum + value * value, 0)
    const step = 1e-5 / squared
    const parameters = Float64Array.from(state.parameters, (value, i) => value - step * Number(gradients[i]))
    await network.write({ ...state, parameters })
    const { loss: after } = await meanGradients(network, data, objective, settings)
    expect((loss - after) / (step * squared)).toBeCloseTo(1, 2)
  },
)

it('stops with the reason of its signal', async () => {
  const network = await Network.create(tinySpec(), { seed: 1, type: 'float64' })
  const reason = new Error('enough')
  await expect(
    meanGradients(network, await tinyImages(100), natural(), settings, AbortSignal.abort(reason)),
  ).rejects.toBe(reason)
})
