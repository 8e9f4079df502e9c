/** What reduced precision and other kernels cost: accuracy of an engine compiled as for timing, beside its network's. */

import type { Attack } from '../attacks/attack.js'
import type { Proportion } from '../base/wilson.js'
import type { Dataset } from '../data/dataset.js'
import { loadNetwork } from '../models/network.js'
import { compile } from '../sparse/compile.js'
import { largest } from '../sparse/engine.js'
import type { Dtype } from '../sparse/options.js'
import { evaluateEngine } from './evaluateEngine.js'

export interface AccuracyRow {
  model: string
  dtype: Dtype
  batch: number
  program: string
  n: number
  /** Of the engine. */
  accuracy: Proportion
  /** Of the engine, on examples crafted against the network in fp32. */
  era: Proportion
  /** Of the network in fp32, on the same examples. */
  network: { accuracy: Proportion; era: Proportion }
  /** ‖engine's logits − network's‖ / ‖network's‖ in fp32. */
  logitsError: number
  /** Predictions that differ from fp32's: the engine's, and those of libtorch's own dense bf16. */
  changed: number
  changedDenseBf16: number
}

export interface AccuracyOptions {
  dtypes: readonly Dtype[]
  batch: number
  threads: number
  images: number
  attack: Attack
  signal?: AbortSignal | undefined
  onProgress?: ((progress: { label: string; done: number; total: number }) => void) | undefined
}

/** One row for each type. */
export async function measureAccuracy(
  path: string,
  model: string,
  dataset: Dataset,
  options: AccuracyOptions,
): Promise<AccuracyRow[]> {
  const { dtypes, batch, threads, images, attack, signal, onProgress } = options
  const network = await loadNetwork(path)
  try {
    const changedDenseBf16 = await changedBy(network, dataset, images)
    const rows: AccuracyRow[] = []
    for (const [index, dtype] of dtypes.entries()) {
      using engine = await compile(network, { batch, dtype, threads, candidates: 'all', signal })
      const progress = ({ samples, totalSamples }: { samples: number; totalSamples: number }) =>
        onProgress?.({
          label: `accuracy of ${model}, ${dtype}`,
          done: index * totalSamples + samples,
          total: dtypes.length * totalSamples,
        })
      const result = await evaluateEngine(engine, dataset, {
        network,
        attack,
        images,
        signal,
        onProgress: progress,
      })
      const { n, accuracy, era, network: own, changed = 0, logitsError = 0 } = result
      if (era === undefined || own?.era === undefined) throw new Error('no attack was made')
      rows.push({
        ...{ model, dtype, batch, program: engine.chosen.name, n, accuracy, era, logitsError, changed },
        network: { accuracy: own.accuracy, era: own.era },
        changedDenseBf16,
      })
    }
    return rows
  } finally {
    network.dispose()
  }
}

/** Images that libtorch's bf16 classifies differently than its fp32. */
const changedBy = async (
  network: Awaited<ReturnType<typeof loadNetwork>>,
  dataset: Dataset,
  images: number,
): Promise<number> => {
  let changed = 0
  for (let start = 0; start < images; start += 250) {
    const pixels = dataset.pixels(start, Math.min(images, start + 250))
    const exact = largest(await network.logits(pixels), network.classes)
    const rounded = largest(await network.logits(pixels, { precision: 'bf16' }), network.classes)
    changed += exact.filter((label, index) => label !== rounded[index]).length
  }
  return changed
}
