import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { proportion } from '../../lib/base/wilson.js'
import { ALL, conflictOf, opposedIn } from '../../lib/experiments/conflict.js'
import type { Found, Source } from '../../lib/experiments/experiment.js'
import { keptOf, lostAt } from '../../lib/experiments/measures.js'
import { writeModel } from '../../lib/models/modelFile.js'
import { Network } from '../../lib/models/network.js'
import { parseSpec } from '../../lib/networks/parse.js'
import { mixTrain } from '../../lib/objectives/index.js'
import { temporaryFolder, tinyImages, tinySpec } from '../helpers.js'

const source = {} as Source
const found = (percent: number): Found =>
  ({ result: {}, row: { accuracy: proportion(percent, 100) } }) as unknown as Found

describe('figures that follow from several networks', () => {
  it('where 5 % are lost lies on the line between the points on either side', () => {
    const curve = [0, 0.5, 0.75].map((sparsity) => ({ sparsity, source }))
    const { of } = lostAt(curve, 'accuracy', 0.05)
    // 95 % of 80 are 76: two fifths of the way from 80 at 50 % to 70 at 75 %.
    expect(of([found(80), found(80), found(70)])?.value).toBeCloseTo(60)
    expect(of([found(80), found(79), found(78)])).toBeUndefined()
  })

  it('what is kept is the mean over the networks', () => {
    const pair = { now: source, dense: source, metric: 'accuracy' } as const
    expect(keptOf([pair, pair]).of([found(40), found(80), found(30), found(40)])?.value).toBeCloseTo(62.5)
    expect(keptOf([pair]).of([found(40), found(0)])).toBeUndefined()
  })
})

describe('the conflict of gradients', () => {
  it('counts opposite signs among weights that have a gradient under both', () => {
    const [a, b] = [Float32Array.of(1, -1, 0, 2, 3), Float32Array.of(-1, -2, 5, 1, -1)]
    expect(opposedIn(a, b, 0, 5)).toEqual({ weights: 4, opposed: 2 })
    expect(opposedIn(a, a, 0, 5).opposed).toBe(0)
  })

  it('looks at every prunable layer, and is none between a loss and itself', async () => {
    const spec = parseSpec({
      ...tinySpec(),
      nodes: tinySpec()
        .nodes.filter(({ op }) => op !== 'batchNorm2d')
        .map((node) => (node.name === 'relu' ? { ...node, inputs: ['conv'] } : node)),
    })
    using network = await Network.create(spec, { seed: 1 })
    const path = join(temporaryFolder(), 'dense.safetensors')
    await writeModel(path, await network.read())
    const images = await tinyImages(40)
    const at = (epsilon: number) =>
      conflictOf(path, images, {
        device: 'cpu',
        objective: mixTrain({ epsilon, bound: 'interval' }),
        batchSize: 40,
        seed: 1,
      })
    const { layers, images: n } = await at(4 / 255)
    expect(n).toBe(40)
    expect(Object.keys(layers).sort()).toEqual([ALL, 'conv', 'fc1', 'fc2'].sort())
    for (const part of ['losses', 'natural', 'verifiable'] as const) {
      const sum = ['conv', 'fc1', 'fc2'].reduce(
        (total, layer) => total + (layers[layer]?.[part].opposed ?? 0),
        0,
      )
      expect(layers[ALL]?.[part].opposed).toBe(sum)
      expect(layers[ALL]?.[part].weights).toBeGreaterThan(100)
    }
    images.dispose()
  })
})
