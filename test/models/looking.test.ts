import { inspect } from 'node:util'
import { expect, it } from 'vitest'
import { proportion } from '../../lib/base/wilson.js'
import { Network } from '../../lib/models/network.js'
import { adversarial, objective } from '../../lib/objectives/index.js'
import { tinySpec } from '../helpers.js'

const fresh = () => Network.create(tinySpec(), { seed: 1 })

it('tensors are read and written by the names of layers, and of themselves', async () => {
  using network = await fresh()
  const { name, shape, data } = await network.weights('conv')
  expect([name, shape]).toEqual(['conv.weight', [6, 3, 3, 3]])
  const { parameters } = await network.read()
  expect(data).toEqual(parameters.slice(0, 162))
  await network.setWeights(
    'conv',
    data.map((value) => 2 * value),
  )
  const changed = await network.weights('conv.weight')
  expect(changed.at(5, 2, 2, 2)).toBe(2 * (data[161] ?? 0))
  expect(changed.at(6, 0, 0, 0)).toBeUndefined()
  await network.setWeights('norm.running_mean', new Float32Array(6).fill(3))
  expect((await network.weights('norm.running_mean')).data).toEqual(new Float32Array(6).fill(3))
  await expect(network.weights('conv1')).rejects.toThrow('did you mean "conv"?')
  await expect(network.setWeights('conv', [1])).rejects.toThrow('conv.weight has 162 values, received 1')
})

it('a mask that is set by name holds, and layers tell their sparsity', async () => {
  using network = await fresh()
  expect(network.layers.map(({ sparsity }) => sparsity)).toEqual([0, 0, 0])
  const half = Uint8Array.from({ length: 162 }, (_, index) => index % 2)
  await network.setMask('conv', half)
  expect((await network.mask('conv')).data).toEqual(half)
  expect(network.layers[0]).toMatchObject({ name: 'conv', shape: [6, 3, 3, 3], sparsity: 0.5 })
  expect((await network.weights('conv')).data.filter((value) => value === 0).length).toBe(81)
  expect(await network.sparsity()).toBeCloseTo(81 / (162 + 12 * 96 + 48), 12)
  const { sparsity } = await network.prune({ sparsity: 0.75, scope: 'global' })
  expect(sparsity).toBeCloseTo(0.75, 3)
  expect((await network.mask('conv')).data.every((kept, index) => kept <= (half[index] ?? 0))).toBe(true)
  const all = await network.mask()
  await network.setMask(all.fill(1))
  expect(network.layers.every((layer) => layer.sparsity === 0)).toBe(true)
  // What was removed is zero all the same.
  expect((await network.weights('conv')).data.filter((value) => value === 0).length).toBeGreaterThanOrEqual(
    81,
  )
})

it('prints in a few words or lines', async () => {
  using network = await fresh()
  await network.setMask('fc2', new Uint8Array(48))
  expect(inspect(network).split('\n').length).toBe(5)
  expect(inspect(network)).toMatch(/fc2 +4×12 +4 +52 +48 +100 % +█{20}/)
  expect(inspect({ network })).toMatch(/^\{\n? *network: Network "tiny" \{[^\n]*\}\n?\s*\}$/)
  expect(inspect(await network.mask())).toMatch(/all +3\.52 %$/)
  expect(inspect(await network.weights('fc2'))).toMatch(/^Tensor "fc2.weight" 4×12 \{ 100 % zeros; mean 0, /)
  expect(inspect(await network.read())).toMatch(/^NetworkState "tiny" \{.*\}$/)
  expect(inspect(proportion(853, 1000))).toBe('85.3 [83.0, 87.4]')
  expect(inspect(adversarial())).toBe('adversarial PGD-10, eps 8/255, step 2/255')
  expect(inspect([objective('trades')])).toContain('eps 8/255')
})
