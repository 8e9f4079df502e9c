import { expect, it } from 'vitest'
import { parseSpec } from '../../lib/networks/parse.js'
import { exactValues, isRightExactly } from '../../lib/verification/exact.js'
import { forward, named } from '../native/bounds/plain.js'
import { random, randomImage, randomNetwork, tiny } from '../native/bounds/randomNetworks.js'

const linear = (weight: number[], bias: number[]) => ({
  spec: parseSpec({
    name: 'linear',
    input: [1, 1, weight.length / 2],
    nodes: [
      { op: 'flatten', name: 'flatten' },
      { op: 'linear', name: 'fc', features: 2 },
    ],
  }),
  type: 'float64' as const,
  tensors: new Map([
    ['fc.weight', weight],
    ['fc.bias', bias],
  ]),
})

it('encloses what float64 computes of every node, ever more closely with more bits', async () => {
  for (let seed = 0; seed < 40; ++seed) {
    const chance = random(300 + seed)
    const network = randomNetwork(300 + seed, tiny(chance))
    const image = randomImage(network.spec.input, chance)
    const plain = forward(network, image)
    for (const bits of [80, 200]) {
      const exact = await exactValues({ ...network, type: 'float64' }, image, bits)
      for (const { name } of network.spec.nodes) {
        const { values, error } = named(exact, name)
        // Few units of the last place, which grow with the weights behind.
        expect(Number(error)).toBeLessThan(2 ** 60)
        values.forEach((value, i) => {
          const expected = Number(named(plain, name)[i])
          expect(Math.abs(Number(value) / 2 ** bits - expected)).toBeLessThan(
            1e-11 * (1 + Math.abs(expected)),
          )
        })
      }
    }
  }
})

it('knows roots, quotients and numbers of any size', async () => {
  const network = {
    spec: parseSpec({
      name: 'root',
      input: [1, 1, 2],
      nodes: [
        { op: 'normalize', name: 'third', mean: [0], std: [3] },
        { op: 'batchNorm2d', name: 'root', epsilon: 1e-12 },
        { op: 'flatten', name: 'flatten' },
      ],
    }),
    type: 'float64' as const,
    tensors: new Map([
      ['root.weight', [-1]],
      ['root.bias', [5e-324]],
      ['root.running_mean', [0]],
      ['root.running_var', [2 - 1e-12]],
    ]),
  }
  const bits = 1200
  const exact = await exactValues(network, [1, 0], bits)
  const unit = 1n << BigInt(bits)
  const third = named(exact, 'third')
  const off = 3n * (third.values[0] ?? 0n) - unit
  expect(off >= -3n * third.error && off <= 3n * third.error).toBe(true)
  // −(1/3)/√2 to 15 digits; the sum under the root is rounded by 2^−53 in what is written above.
  expect(Number((named(exact, 'root').values[0] ?? 0n) >> 1140n) / 2 ** 60).toBeCloseTo(-Math.SQRT1_2 / 3, 14)
})

it('tells a margin that float64 loses, and a tie, which is none', async () => {
  const huge = 2 ** 600
  const weight = [huge, 2 ** -500, -huge, 0, 0, 0]
  expect(await isRightExactly(linear(weight, [0, 0]), [1, 1, 1], 0)).toBe(true)
  expect(await isRightExactly(linear(weight, [0, 0]), [1, 1, 1], 1)).toBe(false)
  expect(await isRightExactly(linear(weight, [-(2 ** -500), 0]), [1, 1, 1], 0)).toBe(false)
  expect(await isRightExactly(linear(weight, [-(2 ** -500), 0]), [1, 1, 1], 1)).toBe(false)
})
