/** Makes an inference engine of a network: the fastest of several programs, found by measuring each on this machine. */

import { z } from 'zod'
import { settle } from '../../bindings/jobs.js'
import { addon } from '../../bindings/load.js'
import { optionsOf } from '../base/arguments.js'
import { invalid } from '../base/errors.js'
import { LIMITS } from '../base/limits.js'
import { choice, integer, parse, strict } from '../base/schemas.js'
import type { OnWarning } from '../base/warnings.js'
import { type Network, requireNetwork } from '../models/network.js'
import { addToCache, readCache } from './cache.js'
import { SparseEngine } from './engine.js'
import { type Candidates, candidateNames, type Dtype, dtypes, type Instructions } from './options.js'

/** How an engine is made. */
export interface CompileOptions {
  /** Images that come together, from 1 to 65,536; any other number works too, less fast. */
  batch: number
  /** Default `fp32`. */
  dtype?: Dtype | undefined
  /** Where it runs: the network's device, which is the default. */
  device?: string | undefined
  /** CPU threads; default: as many as training and evaluation use. */
  threads?: number | undefined
  /** Default `all`, but `dense` for a network without a zero weight: there is nothing to skip. */
  candidates?: Candidates | undefined
  /**
   * Default `best`: what this CPU has. For checks, and slow: `portable`, what any x86-64 CPU runs, fp16 imitated;
   * `imitated`: the same, and what AMX would do with bf16.
   */
  instructions?: Instructions | undefined
  signal?: AbortSignal | undefined
  /** Takes warnings about the tuning cache; default: Node's `process.emitWarning`. */
  onWarning?: OnWarning | undefined
}

const schema = strict({
  batch: integer(1, LIMITS.engineBatch),
  dtype: choice(dtypes).default('fp32'),
  device: z.string('expected cpu, cuda or cuda:1').optional(),
  threads: integer(1, LIMITS.threads).optional(),
  candidates: choice(candidateNames).optional(),
  instructions: choice(['best', 'portable', 'imitated']).default('best'),
})

/** The names of the options, for completion. */
export const compileOptionNames: readonly string[] = [...Object.keys(schema.shape), 'signal', 'onWarning']

/**
 * Compiles a network, as it is now, for inference: batch norm is folded, what follows a layer element by element is
 * fused into it, the weights that are left are packed, and for every layer the fastest of several kernels is measured;
 * then whole programs are, libtorch's dense ones among them, so that the engine is not slower than dense.
 *
 * What was measured is kept for the next time, see `COPPICE_CACHE`; a cache that cannot be used is rebuilt.
 *
 * @throws CoppiceError `ERR_INVALID_ARGUMENT` for wrong options and networks that are not in float32;
 * `ERR_DISPOSED`; the signal's reason when aborted.
 */
export async function compile(network: Network, options: CompileOptions): Promise<SparseEngine> {
  requireNetwork(network, 'compile')
  const { signal, onWarning, ...rest } = optionsOf(options, 'compile')
  const { batch, dtype, device, threads, candidates, instructions } = parse(schema, rest, 'compile')
  requireSameDevice(device, network)
  if (network.type !== 'float32') {
    throw invalid(`compile: "${network.name}" is of type ${network.type}; engines need float32 networks`)
  }
  const density = await weightsLeft(network)
  const compete = candidates ?? (density === 1 ? 'dense' : 'all')
  const known = await readCache('tuning', z.string(), onWarning)
  const request = {
    ...{ batch, type: dtype, threads: threads ?? addon().getThreads(), instructions },
    dense: compete !== 'sparse',
    sparse: compete === 'all' || compete === 'sparse',
    exact: compete === 'denseInType',
    tuning: known,
  }
  const handle = await settle(() => addon().compile(network.handle, request), signal)
  const fresh = Object.entries(handle.tuning).filter(([key, value]) => known[key] !== value)
  await addToCache('tuning', z.string(), Object.fromEntries(fresh), onWarning)
  return new SparseEngine(handle, {
    ...{ name: network.name, input: network.spec.input, classes: network.classes, density },
    ...{ batch, dtype, threads: request.threads, candidates: compete, tuned: fresh.length },
  })
}

/** An engine runs where its network is. */
const requireSameDevice = (device: string | undefined, network: Network): void => {
  if (device === undefined || device === network.device) return
  throw invalid(
    `compile.device: "${network.name}" is on ${network.device}, and an engine runs where its network is; ` +
      `load it with device: '${device}'`,
  )
}

/** Fraction of the convolution and linear weights that are not zero, masked or not. */
const weightsLeft = async (network: Network): Promise<number> => {
  const parameters = await settle(() => network.handle.read('parameters'))
  let [total, left] = [0, 0]
  for (const { offset, size, prunable } of network.parameterLayout) {
    if (!prunable) continue
    total += size
    for (let index = offset; index < offset + size; index++) if (parameters[index] !== 0) left++
  }
  return total === 0 ? 1 : left / total
}
