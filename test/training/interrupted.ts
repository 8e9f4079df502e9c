/** Training that is stopped after every step, and taken up each time by another network. */

import { expect } from 'vitest'
import { settle } from '../../bindings/jobs.js'
import type { Dataset } from '../../lib/data/dataset.js'
import { Network } from '../../lib/models/network.js'
import type { NetworkState } from '../../lib/models/state.js'
import type { TrainCursor } from '../../lib/training/plan.js'
import { type TrainOptions, type TrainSummary, train } from '../../lib/training/train.js'

/** What a checkpoint holds besides the network. */
const ARENAS = ['moment1', 'moment2', 'average'] as const

export async function trainInterrupted(
  fresh: NetworkState,
  data: Dataset,
  options: TrainOptions,
): Promise<{ state: NetworkState; summary: TrainSummary }> {
  let state = fresh
  let moments: Float32Array[] = []
  let start: TrainCursor | undefined
  let summary: TrainSummary | undefined
  for (let attempts = 0; summary === undefined; attempts++) {
    expect(attempts).toBeLessThan(40)
    const network = await Network.from(state)
    for (const [index, arena] of ARENAS.entries()) {
      const values = moments[index]
      if (values !== undefined) await settle(() => network.handle.write(arena, values))
    }
    const controller = new AbortController()
    const save = async (cursor: TrainCursor) => {
      start = JSON.parse(JSON.stringify(cursor)) as TrainCursor
      state = await network.read()
      moments = await Promise.all(
        ARENAS.map(async (arena) => (await settle(() => network.handle.read(arena))) as Float32Array),
      )
      controller.abort()
    }
    try {
      summary = await train(network, data, {
        ...options,
        start,
        signal: controller.signal,
        checkpoint: { dueIn: () => 0, save },
      })
      state = await network.read()
    } catch (error) {
      expect(error).toBe(controller.signal.reason)
    }
    network.dispose()
  }
  return { state, summary }
}
