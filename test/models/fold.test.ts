import { expect, it } from 'vitest'
import { hash32 } from '../../lib/base/hash.js'
import { foldBatchNorm } from '../../lib/models/fold.js'
import { Network } from '../../lib/models/network.js'
import { parseSpec } from '../../lib/networks/parse.js'
import { wideResNetSpec } from '../../lib/networks/wideResNet.js'
import { everyOperation } from '../parity/everyOperation.js'
import { shaken } from './shaken.js'

const images = (spec: { input: readonly number[] }, count: number): Float64Array =>
  Float64Array.from(
    { length: count * spec.input.reduce((product, size) => product * size, 1) },
    (_, index) => (hash32(9, index) % 256) / 255,
  )

it('keeps the logits, but for rounding, and takes every batch norm behind a convolution away', async () => {
  const network = await shaken(everyOperation, 'float64')
  const folded = foldBatchNorm(await network.read())
  expect(folded.spec.nodes.filter(({ op }) => op === 'batchNorm2d').map(({ name }) => name)).toEqual(['bn3'])
  expect(parseSpec(folded.spec)).toEqual(folded.spec)
  const pixels = images(everyOperation, 20)
  const [before, after] = [await network.logits(pixels), await (await Network.from(folded)).logits(pixels)]
  after.forEach((logit, place) => {
    expect(logit).toBeCloseTo(before[place] ?? Number.NaN, 10)
  })
})

it('leaves the batch norms of pre-activated blocks that read a sum, or what others read', async () => {
  const spec = wideResNetSpec({ depth: 10, widen: 1, scale: 0.25 })
  const { nodes } = foldBatchNorm(await (await Network.create(spec)).read()).spec
  const left = nodes.filter(({ op }) => op === 'batchNorm2d').map(({ name }) => name)
  expect(left).toEqual(['block1.1.bn1', 'block2.1.bn1', 'block3.1.bn1', 'bn'])
})

it('leaves zeros where weights were pruned', async () => {
  const network = await shaken(everyOperation, 'float32')
  const state = await network.read()
  const mask = state.mask.map((_, place) => (place < 8 * 27 ? place % 2 : 1))
  const folded = foldBatchNorm({ ...state, mask })
  const first = folded.parameters.subarray(0, 8 * 27)
  first.forEach((weight, place) => {
    expect(weight === 0).toBe(mask[place] === 0)
  })
})
