import { beforeAll, describe, expect, it } from 'vitest'
import { everyOperation } from '../parity/everyOperation.js'
import { filled, logitsError } from './networks.js'

beforeAll(() => {
  process.env.COPPICE_CACHE = 'off'
})

describe("an engine's logits are the network's", () => {
  it.each([1, 4, 16, 17])('where the logits are the pixels of maps, at batch %i', async (batch) => {
    const network = await filled(
      {
        ...{ name: 'flattened', input: everyOperation.input },
        nodes: [
          { op: 'conv2d', name: 'conv', channels: 4, kernel: 3, stride: 3 },
          { op: 'flatten', name: 'flatten' },
        ],
      },
      1,
    )
    expect(await logitsError(network, { batch, candidates: 'dense' })).toBeLessThan(1e-4)
    expect(await logitsError(network, { batch, candidates: 'sparse' })).toBeLessThan(1e-4)
  })
})
