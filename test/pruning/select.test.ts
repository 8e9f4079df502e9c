import { describe, expect, it } from 'vitest'
import { FREE, KEPT, PRUNED } from '../../lib/pruning/layers.js'
import { pruneLowest, type Ranking } from '../../lib/pruning/select.js'
import { random } from './networks.js'

const ranking = (scores: Ranking['scores'], sizes: Ranking['sizes'] = 1): Ranking => ({
  scores,
  sizes,
  flags: new Uint8Array(scores.length),
})

/** What a stable sort would prune. */
const bySorting = (rankings: Ranking[], amount: number): number[][] => {
  const all = rankings.flatMap(({ scores, flags }, layer) =>
    Array.from(scores, (score, group) => ({ score, layer, group })).filter(
      ({ group }) => flags[group] === FREE,
    ),
  )
  const lowest = all.sort((a, b) => a.score - b.score).slice(0, amount)
  return rankings.map((_, layer) =>
    lowest
      .filter((entry) => entry.layer === layer)
      .map(({ group }) => group)
      .sort((a, b) => a - b),
  )
}

const pruned = (rankings: Ranking[]): number[][] =>
  rankings.map(({ flags }) => Array.from(flags.keys()).filter((group) => flags[group] === PRUNED))

describe('pruneLowest', () => {
  it.each([Float32Array, Float64Array])('prunes what a stable sort would, %o', async (Type) => {
    for (let seed = 0; seed < 60; seed++) {
      const draw = random(seed)
      // Few distinct values make many ties; tiny differences need the last bits.
      const value =
        [
          () => draw(),
          () => Math.floor(draw() * 4),
          () => 1 + Math.floor(draw() * 9) * 2 ** -23,
          () => 10 ** (draw() * 80 - 45),
          () => 0,
        ][seed % 5] ?? draw
      const rankings = [17, 1, 40].map((size) => ranking(new Type(Array.from({ length: size }, value))))
      for (const amount of [0, 1, 20, 57, 58]) {
        const copies = rankings.map(({ scores }) => ranking(scores))
        await pruneLowest(copies, amount)
        expect(pruned(copies)).toEqual(bySorting(rankings, amount))
      }
    }
  })

  it('tells apart doubles that differ in the last bit only', async () => {
    const one = ranking(Float64Array.of(1 + Number.EPSILON, 1, 1 + 2 * Number.EPSILON))
    await pruneLowest([one], 1)
    expect(pruned([one])).toEqual([[1]])
  })

  it('leaves groups alone that must stay, and counts those gone not again', async () => {
    const one = ranking(Float32Array.of(0, 1, 2, 3, 4))
    one.flags.set([KEPT, PRUNED, FREE, FREE, FREE])
    await pruneLowest([one], 2)
    expect(Array.from(one.flags)).toEqual([KEPT, PRUNED, PRUNED, PRUNED, FREE])
    await pruneLowest([one], 100)
    expect(Array.from(one.flags)).toEqual([KEPT, PRUNED, PRUNED, PRUNED, PRUNED])
  })

  it('comes as near to the amount as whole groups in their order allow', async () => {
    const sizes = Uint32Array.of(5, 3, 4)
    const removed = async (amount: number) => {
      const one = ranking(Float64Array.of(2, 1, 1), sizes)
      await pruneLowest([one], amount)
      return pruned([one])[0]
    }
    expect(await removed(1)).toEqual([])
    expect(await removed(2)).toEqual([1])
    expect(await removed(5)).toEqual([1])
    expect(await removed(6)).toEqual([1, 2])
    expect(await removed(9)).toEqual([1, 2])
    expect(await removed(10)).toEqual([0, 1, 2])
  })

  it('reads scores that lie in the middle of a buffer', async () => {
    const one = ranking(Float32Array.of(0, 0, 3, 1, 2).subarray(2))
    await pruneLowest([one], 1)
    expect(pruned([one])).toEqual([[1]])
  })
})
