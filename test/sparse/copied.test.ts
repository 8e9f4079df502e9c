import { beforeAll, describe, expect, it } from 'vitest'
import { Network } from '../../lib/models/network.js'
import { compile } from '../../lib/sparse/compile.js'
import { tinySpec } from '../helpers.js'
import { maskAtRandom, noise } from './networks.js'

beforeAll(() => {
  process.env.COPPICE_CACHE = 'off'
})

const pruned = async () => {
  const network = await Network.create(tinySpec(), { seed: 1 })
  await maskAtRandom(network, 0.3, 1)
  return network
}

describe('SparseEngine', () => {
  it.each(['dense', 'sparse'] as const)('keeps the weights it was compiled with: %s', async (candidates) => {
    const network = await pruned()
    const engine = await compile(network, { batch: 3, candidates })
    const images = noise(network, 3)
    const before = await engine.run(images)
    const { parameters, ...state } = await network.read()
    await network.write({ ...state, parameters: parameters.map((x) => 2 * x) })
    expect(await engine.run(images)).toEqual(before)
    network.dispose()
    expect(await engine.run(images)).toEqual(before)
  })
})
