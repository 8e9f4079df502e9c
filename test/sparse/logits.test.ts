import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { settle } from '../../bindings/jobs.js'
import { Network } from '../../lib/models/network.js'
import { networkSpec } from '../../lib/networks/index.js'
import type { NodeInput } from '../../lib/networks/parse.js'
import { pruneMask } from '../../lib/pruning/mask.js'
import type { Structure } from '../../lib/pruning/structures.js'
import { random, randomNetwork } from '../native/bounds/randomNetworks.js'
import { everyOperation } from '../parity/everyOperation.js'
import { filled, fromPlain, logitsError, maskAtRandom, relativeError } from './networks.js'

const FP32 = 1e-4
const REDUCED = 1e-2
const sparse = { candidates: 'sparse' } as const

beforeAll(() => {
  process.env.COPPICE_CACHE = mkdtempSync(join(tmpdir(), 'coppice-cache-'))
})

describe("an engine's logits are the network's", () => {
  it('for a network of every operation, at batches of 1 to 33, compiled for them or not', async () => {
    const network = await filled(everyOperation, 1)
    await maskAtRandom(network, 0.3, 1)
    for (const batch of [1, 2, 3, 5, 7, 8, 15, 16, 17, 31, 32, 33]) {
      expect(await logitsError(network, { batch, ...sparse }, [batch, 1, 33, 70])).toBeLessThan(FP32)
    }
  })

  it('at densities from 0 to 1, with empty outputs and without', async () => {
    for (const density of [0, 0.01, 0.1, 0.5, 0.9, 1]) {
      for (const rows of [false, true]) {
        const network = await filled(everyOperation, 2)
        await maskAtRandom(network, density, 2, { rows })
        for (const batch of [1, 6, 32]) {
          expect(await logitsError(network, { batch, ...sparse })).toBeLessThan(FP32)
        }
        network.dispose()
      }
    }
  })

  it('with dense programs, with all, and with nothing pruned', async () => {
    const network = await filled(everyOperation, 3)
    for (const candidates of ['all', 'dense', 'sparse', undefined] as const) {
      expect(await logitsError(network, { batch: 5, candidates })).toBeLessThan(FP32)
    }
  })

  it('for random networks of all operations in all orders', async () => {
    for (let seed = 0; seed < 60; seed++) {
      const chance = random(seed + 1000)
      const input = [chance.whole(1, 4), chance.whole(3, 9), chance.whole(3, 9)] as [number, number, number]
      const plain = randomNetwork(seed, { input, steps: chance.whole(2, 7), values: 2000 })
      // What ends in maps of several pixels is a test of its own.
      if (plain.spec.nodes.at(-1)?.op === 'flatten') continue
      const network = await fromPlain(plain)
      await maskAtRandom(network, chance.pick([0, 0.1, 0.4, 1]), seed, { rows: chance.chance(0.3) })
      const batch = chance.whole(1, 33)
      const error = await logitsError(network, {
        ...{ batch, ...sparse },
        instructions: chance.chance(0.3) ? 'portable' : 'best',
      })
      expect({ seed, batch, right: error < FP32, error }).toMatchObject({ right: true })
      network.dispose()
    }
  })

  it.each([1, 2, 3, 4, 5])(
    'for kernels of side %i with all strides and paddings, on odd maps',
    async (kernel) => {
      for (const stride of [1, 2, 3]) {
        for (const padding of new Set([0, 1, kernel - 1, kernel])) {
          for (const [height, width] of [
            [7, 7],
            [9, 13],
            [5, 33],
          ] as const) {
            const network = await filled(
              layers(
                [3, height, width],
                [
                  { op: 'conv2d', name: 'conv1', channels: 35, kernel, stride, padding },
                  { op: 'relu', name: 'relu1' },
                  { op: 'conv2d', name: 'conv2', channels: 6, kernel: 1 },
                ],
              ),
              kernel,
            )
            await maskAtRandom(network, 0.2, kernel)
            for (const batch of [1, 18]) {
              const error = await logitsError(network, { batch, ...sparse })
              expect({ stride, padding, height, width, batch, right: error < FP32, error }).toMatchObject({
                right: true,
              })
            }
            network.dispose()
          }
        }
      }
    },
  )

  it('with pooling of any window and stride, fused or not', async () => {
    for (const op of ['maxPool2d', 'averagePool2d'] as const) {
      for (const [kernel, stride] of [
        [2, 2],
        [3, 3],
        [3, 2],
        [2, 1],
        [4, 4],
      ] as const) {
        for (const [side, step] of [
          [8, 1],
          [11, 1],
          [16, 2],
        ] as const) {
          const network = await filled(
            layers(
              [3, side, side],
              [
                { op: 'conv2d', name: 'conv1', channels: 40, kernel: 3, padding: 1, stride: step },
                { op: 'batchNorm2d', name: 'norm1' },
                { op: 'relu', name: 'relu1' },
                { op, name: 'pool', kernel, stride },
                { op: 'conv2d', name: 'conv2', channels: 5, kernel: 1 },
              ],
            ),
            4,
          )
          await maskAtRandom(network, 0.25, 4)
          for (const batch of [1, 20]) {
            const error = await logitsError(network, { batch, ...sparse })
            expect({ op, kernel, stride, side, step, batch, right: error < FP32, error }).toMatchObject({
              right: true,
            })
          }
          network.dispose()
        }
      }
    }
  })

  it('for a wide residual network, a narrow VGG16 and an all-convolutional one', async () => {
    for (const [name, scale] of [
      ['wideResNet-10-1', 1],
      ['vgg16', 0.125],
      ['allCnn', 0.125],
      ['cifarLarge', 0.25],
    ] as const) {
      const network = await filled(networkSpec(name, { scale }), 5)
      await maskAtRandom(network, 0.15, 5)
      for (const batch of [1, 3, 16, 33]) {
        const error = await logitsError(network, { batch, ...sparse })
        expect({ name, batch, right: error < FP32, error }).toMatchObject({ right: true })
      }
      network.dispose()
    }
  })

  it('where whole layers are pruned', async () => {
    const network = await filled(everyOperation, 6)
    const mask = new Uint8Array(network.parameterCount).fill(1)
    for (const { name, offset, size } of network.layout) {
      if (['conv2.weight', 'conv3.weight', 'fc1.weight'].includes(name)) mask.fill(0, offset, offset + size)
    }
    await settle(() => network.handle.write('mask', mask))
    for (const batch of [1, 9, 32]) {
      expect(await logitsError(network, { batch, ...sparse })).toBeLessThan(FP32)
    }
  })

  it.each([
    ['unstructured', 0.9],
    ['filter', 0.5],
    ['v32x2', 0.9],
    ['block', 0.5],
    ['2:4', 0.5],
  ] as [Structure, number][])('for masks of structure %s, compacted too', async (structure, sparsity) => {
    const network = await filled(networkSpec('vgg16', { scale: 0.25 }), 7)
    const { spec, layout, parameters } = await network.read()
    const { mask } = await pruneMask({ spec, layout, parameters, structure, sparsity })
    await settle(() => network.handle.write('mask', mask))
    for (const batch of [1, 16, 21]) {
      expect(await logitsError(network, { batch, ...sparse })).toBeLessThan(FP32)
    }
    const smaller = await network.compact()
    expect(await logitsError(smaller, { batch: 16, ...sparse })).toBeLessThan(FP32)
  })

  it('with kernels that any CPU runs', async () => {
    const network = await filled(everyOperation, 8)
    await maskAtRandom(network, 0.3, 8)
    for (const batch of [1, 4, 17, 32]) {
      expect(await logitsError(network, { batch, ...sparse, instructions: 'portable' })).toBeLessThan(FP32)
    }
  })

  it.each(['bf16', 'fp16'] as const)('within 1e-2 in %s', async (dtype) => {
    // fp16 that the CPU lacks is imitated, which only the portable kernels do.
    const sets = dtype === 'fp16' ? (['portable'] as const) : (['best', 'portable', 'imitated'] as const)
    for (const seed of [1, 2, 3]) {
      const network = await Network.create(everyOperation, { seed })
      await maskAtRandom(network, [0.1, 0.5, 1][seed - 1] ?? 1, seed)
      for (const instructions of sets) {
        for (const batch of [8, 17, 32]) {
          const error = await relativeError(network, { batch, dtype, ...sparse, instructions })
          expect({ seed, instructions, batch, right: error < REDUCED, error }).toMatchObject({ right: true })
        }
      }
      network.dispose()
    }
  })

  it('within 1e-2 in bf16 as AMX would compute it, for masks that its columns suit', async () => {
    const network = await Network.create(networkSpec('vgg16', { scale: 0.25 }))
    const { spec, layout, parameters } = await network.read()
    const { mask } = await pruneMask({ spec, layout, parameters, structure: 'v32x2', sparsity: 0.8 })
    await settle(() => network.handle.write('mask', mask))
    for (const batch of [1, 17, 32]) {
      const options = { batch, dtype: 'bf16', ...sparse, instructions: 'imitated' } as const
      expect(await relativeError(network, options)).toBeLessThan(REDUCED)
    }
  })

  it('in float64 arrays too, and for pixels that are no numbers', async () => {
    const network = await filled(everyOperation, 9)
    await maskAtRandom(network, 0.5, 9)
    const { compile } = await import('../../lib/sparse/compile.js')
    const engine = await compile(network, { batch: 2, ...sparse })
    const images = new Float32Array(2 * 3 * 12 * 12).fill(0.25)
    expect([...(await engine.run(new Float64Array(images)))]).toEqual([...(await engine.run(images))])
    const broken = images.slice()
    broken.fill(Number.NaN, 3 * 12 * 12)
    const found = await engine.run(broken)
    // The other image of the batch is not touched by it.
    expect(found.subarray(0, 10)).toEqual((await engine.run(images)).subarray(0, 10))
    engine.dispose()
  })
})

/** A network of these layers between normalisation and logits. */
const layers = (input: [number, number, number], nodes: NodeInput[]) => ({
  name: 'layers',
  input,
  nodes: [
    { op: 'normalize' as const, name: 'normalize', mean: [0.5, 0.4, 0.3], std: [0.2, 0.3, 0.25] },
    ...nodes,
    { op: 'flatten' as const, name: 'flatten' },
    { op: 'linear' as const, name: 'fc', features: 7 },
  ],
})
