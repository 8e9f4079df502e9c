import { beforeEach, describe, expect, it } from 'vitest'
import { Network } from '../../lib/models/network.js'
import { networkSpec } from '../../lib/networks/index.js'
import { structureNames } from '../../lib/pruning/structures.js'
import { predictSpeedup } from '../../lib/sparse/predict.js'
import { temporaryFolder, tinySpec } from '../helpers.js'

beforeEach(() => {
  process.env.COPPICE_CACHE = temporaryFolder()
})

const small = networkSpec('cifarLarge', { scale: 0.1 })

describe('predictSpeedup', () => {
  it('measures the first time and knows the second', async () => {
    const labels: string[] = []
    const options = { structure: 'unstructured', sparsity: 0.9, batch: 4 } as const
    const first = await predictSpeedup(small, { ...options, onProgress: ({ label }) => labels.push(label) })
    expect(first.calibration.measured).toBe(3)
    expect(labels).toEqual(['dense', '8 % left', '16 % left', 'done'])
    const { calibration, ...second } = await predictSpeedup(small, options)
    expect(calibration).toEqual({ measured: 0, seconds: 0 })
    const { calibration: _, ...same } = first
    expect(second).toEqual(same)
    // Another sparsity between the same points needs nothing new.
    expect((await predictSpeedup(small, { ...options, sparsity: 0.88 })).calibration.measured).toBe(0)
  })

  it.each(structureNames)(
    'predicts no loss for %s, from what would be left of every layer',
    async (structure) => {
      const sparsity = structure === '2:4' ? 0.5 : 0.6
      const found = await predictSpeedup(small, { structure, sparsity, batch: 4 })
      expect(found.speedup).toBeGreaterThanOrEqual(1)
      expect(found.seconds).toBeLessThanOrEqual(found.denseSeconds)
      expect(found.macs).toBeLessThan(0.75 * found.denseMacs)
      const layers = found.layers.filter(({ node }) => node !== null)
      expect(layers).toHaveLength(7)
      expect(layers.reduce((sum, { denseMacs }) => sum + denseMacs, 0)).toBe(found.denseMacs)
      if (structure !== 'unstructured') return
      for (const { macs, denseMacs } of layers) expect(Math.abs(macs / denseMacs - 0.4)).toBeLessThan(0.05)
    },
  )

  it('takes a network, a spec or a name, and does not change the network', async () => {
    const network = await Network.create(tinySpec())
    const before = await network.read()
    await predictSpeedup(network, { structure: 'unstructured', sparsity: 0.5, batch: 1 })
    expect(await network.read()).toEqual(before)
  })

  it('refuses what means nothing', async () => {
    const predict = (options: object) => predictSpeedup(small, options as never)
    await expect(predict({ structure: 'filtre', sparsity: 0.5 })).rejects.toThrow(/did you mean "filter"/)
    await expect(predict({ structure: 'filter', sparsity: 1 })).rejects.toThrow(/below 1/)
    await expect(predict({ structure: '2:4', sparsity: 0.9 })).rejects.toThrow(/at most 0.5/)
    await expect(predict({ structure: 'filter', sparsity: 0.5, batch: 0 })).rejects.toThrow(/batch/)
    await expect(predictSpeedup('vgg61', { structure: 'filter', sparsity: 0.5 })).rejects.toThrow(/vgg16/)
  })

  it('stops when aborted, and keeps what was measured', async () => {
    const controller = new AbortController()
    const options = { structure: 'unstructured', sparsity: 0.9, batch: 4 } as const
    const stopped = predictSpeedup(small, {
      ...options,
      signal: controller.signal,
      onProgress: ({ done }) => done === 2 && controller.abort(new Error('enough')),
    })
    await expect(stopped).rejects.toThrow('enough')
    expect((await predictSpeedup(small, options)).calibration.measured).toBe(1)
  })
})
