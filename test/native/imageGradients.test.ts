import { describe, expect, it } from 'vitest'
import { addon } from '../../bindings/load.js'
import type { NativeNetwork, ParameterType, Precision } from '../../bindings/native.js'
import { onNativeSide } from './bounds/plain.js'
import { type Random, random, randomImage, randomNetwork } from './bounds/randomNetworks.js'
import { images, network } from './helpers.js'

const native = addon()

/** Both ways to the same numbers. */
const gradients = async (
  net: NativeNetwork,
  batch: { images: Float32Array | Float64Array; labels: Int32Array },
  precision: Precision,
  folded: boolean,
) => {
  const options = { precision, folded }
  return {
    found: await native.imageGradients(net, batch, { ...options, autograd: false }).promise,
    expected: await native.imageGradients(net, batch, { ...options, autograd: true }).promise,
  }
}

/** ‖found − expected‖ / ‖expected‖ */
const distance = (found: ArrayLike<number>, expected: ArrayLike<number>): number => {
  let [difference, norm] = [0, 0]
  for (let i = 0; i < expected.length; ++i) {
    difference += (Number(found[i]) - Number(expected[i])) ** 2
    norm += Number(expected[i]) ** 2
  }
  return norm === 0 ? Math.sqrt(difference) : Math.sqrt(difference / norm)
}

const batchOf = (net: { input: readonly number[]; classes: number }, type: ParameterType, chance: Random) => {
  const [channels = 1, height = 1, width = 1] = net.input
  const count = chance.whole(1, 4)
  const pixels = Array.from({ length: count }, () => [...randomImage([channels, height, width], chance)])
  const labels = Int32Array.from({ length: count }, () => chance.whole(0, net.classes - 1))
  const flat = pixels.flat()
  return { images: type === 'float64' ? Float64Array.from(flat) : Float32Array.from(flat), labels }
}

describe('gradients with respect to images, without autograd', () => {
  it.each([true, false])(
    'equal autograd on random networks of all operations (folded: %s)',
    async (folded) => {
      const seen = new Set<string>()
      let moved = 0
      for (let seed = 0; seed < 150; ++seed) {
        const chance = random(9000 + seed)
        const input = [chance.whole(1, 4), chance.whole(4, 11), chance.whole(4, 11)] as const
        const plain = randomNetwork(seed, { input: [...input], steps: chance.whole(1, 8), values: 2500 })
        for (const { op } of plain.spec.nodes) seen.add(op)
        const net = await onNativeSide(plain, 'float64')
        const classes = Number(
          (
            await native.forward(net, new Float64Array(input[0] * input[1] * input[2]), {
              precision: 'fp64',
              training: false,
            }).promise
          ).length,
        )
        const batch = batchOf({ input, classes }, 'float64', chance)
        const { found, expected } = await gradients(net, batch, 'fp64', folded)
        expect(distance(found.losses, expected.losses)).toBeLessThan(1e-12)
        expect(distance(found.gradients, expected.gradients)).toBeLessThan(1e-10)
        if (expected.gradients.some((value) => value !== 0)) moved++
        net.dispose()
      }
      expect([...seen].sort()).toEqual(
        'add averagePool2d batchNorm2d conv2d flatten linear maxPool2d normalize relu'.split(' '),
      )
      expect(moved).toBeGreaterThan(100)
    },
  )

  it.each([
    ['float32', 'fp32', 1e-5],
    ['float32', 'bf16', 0.03],
  ] as const)('equal autograd within rounding (%s, %s)', async (type, precision, tolerance) => {
    const net = await network(1, type)
    const batch = {
      images: Float32Array.from(images(20), (byte) => byte / 255),
      labels: Int32Array.from({ length: 20 }, (_, i) => i % 10),
    }
    const { found, expected } = await gradients(net, batch, precision, true)
    expect(distance(found.gradients, expected.gradients)).toBeLessThan(tolerance)
    expect(distance(found.losses, expected.losses)).toBeLessThan(tolerance)
  })

  it('give the same bits again, whatever came before', async () => {
    const net = await network()
    const batch = {
      images: Float32Array.from(images(8), (byte) => byte / 255),
      labels: new Int32Array(8),
    }
    const first = await gradients(net, batch, 'fp32', true)
    const again = await gradients(net, batch, 'fp32', true)
    expect(again.found.gradients).toEqual(first.found.gradients)
  })
})

it('bf16 sees pixels that differ by less than its own spacing near 1', async () => {
  // A step of an attack is 2/255; bf16 numbers in [0.5, 1) lie 1/256 apart, normalized ones much closer.
  const spec = {
    name: 'scaled',
    input: [1, 1, 2],
    nodes: [
      { op: 'normalize', name: 'normalize', inputs: ['image'], mean: [0.9], std: [0.05] },
      { op: 'flatten', name: 'flat', inputs: ['normalize'] },
      { op: 'linear', name: 'out', inputs: ['flat'], features: 2, bias: false, init: 'torch' },
    ],
  } as const
  const net = await native.createNetwork(structuredClone(spec) as never, { device: 'cpu', type: 'float32' })
    .promise
  await net.write('parameters', Float32Array.of(1, 0, 0, 1)).promise
  const logits = await native.forward(net, Float32Array.of(0.9, 0.9005), {
    precision: 'bf16',
    training: false,
  }).promise
  expect(logits[0]).toBeCloseTo(0, 5)
  expect(logits[1]).toBeCloseTo(0.01, 4)
})
