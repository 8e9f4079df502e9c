/**
 * What pruning would gain, before it is done: a cost model of a network's layers, calibrated on this machine.
 *
 * Masks of the wanted structure are drawn at random at the densities of a grid next to the wanted one, compiled and
 * measured stage by stage. A layer's seconds t are interpolated over the multiply-adds m that are left, log t linear in
 * log m; what a whole batch takes beyond its stages likewise. Dense is libtorch at its best, measured. All points are
 * kept, so that the same network, batch, type and threads are measured once on a machine.
 */
import { z } from 'zod'
import { addon } from '../../bindings/load.js'
import type { EngineStage } from '../../bindings/native.js'
import { optionsOf } from '../base/arguments.js'
import { invalid } from '../base/errors.js'
import { hashOf } from '../base/json.js'
import { LIMITS } from '../base/limits.js'
import { choice, integer, parse, strict } from '../base/schemas.js'
import type { OnWarning } from '../base/warnings.js'
import { Network } from '../models/network.js'
import { describeNetwork } from '../networks/describe.js'
import { networkSpec } from '../networks/index.js'
import { parseSpec } from '../networks/parse.js'
import type { NetworkSpec } from '../networks/spec.js'
import { type Residual, residualNames } from '../pruning/layers.js'
import { pruneMask } from '../pruning/mask.js'
import { remainingMacs } from '../pruning/sparsity.js'
import { requireReachable, type Structure, structureNames, structures } from '../pruning/structures.js'
import { addToCache, readCache } from './cache.js'
import { compile } from './compile.js'
import { type Dtype, dtypes } from './options.js'

export interface PredictOptions {
  structure: Structure
  /** Fraction to be pruned, in [0, 1): of the weights of every layer, or for `filter` of its filters. */
  sparsity: number
  /** Images that come together; default 64. */
  batch?: number | undefined
  /** The least precise arithmetic that may be used, for dense too; default `fp32`. */
  dtype?: Dtype | undefined
  /** CPU threads; default: as many as training and evaluation use. */
  threads?: number | undefined
  /** For `filter`: what becomes of filters tied by an addition; default `inner`. */
  residual?: Residual | undefined
  signal?: AbortSignal | undefined
  /** Measurements made of those that are needed; none are where all are known. */
  onProgress?: ((progress: { label: string; done: number; total: number }) => void) | undefined
  /** Takes warnings about the caches; default: Node's `process.emitWarning`. */
  onWarning?: OnWarning | undefined
}

export interface LayerPrediction {
  /** The convolution or linear layer; null for what is not part of one. */
  node: string | null
  /** Multiply-adds for one image: of the dense layer, and those that would be left. */
  denseMacs: number
  macs: number
  /** For a batch. */
  seconds: number
}

export interface Prediction {
  network: string
  structure: Structure
  sparsity: number
  batch: number
  dtype: Dtype
  threads: number
  /** Dense seconds / predicted seconds; at least 1, as the engine runs dense programs where those are faster. */
  speedup: number
  /** The program that would run it; one of libtorch's dense ones where nothing is faster. */
  program: string
  /** For a batch: libtorch at its best on the dense network, and the engine on the pruned one. */
  denseSeconds: number
  seconds: number
  /** Of the dense network and of what would be left, for one image. */
  denseMacs: number
  macs: number
  layers: LayerPrediction[]
  /** Measurements that this call made, and how long that took; 0 where all were known. */
  calibration: { measured: number; seconds: number }
}

/** Densities that are measured. */
const GRID = [1, 0.75, 0.5, 0.3, 0.16, 0.08, 0.04, 0.02, 0.01, 0.005]

const schema = strict({
  structure: choice(structureNames),
  sparsity: z.number('expected a fraction').min(0).lt(1, 'must be below 1'),
  batch: integer(1, LIMITS.engineBatch).default(64),
  dtype: choice(dtypes).default('fp32'),
  threads: integer(1, LIMITS.threads).optional(),
  residual: choice(residualNames).default('inner'),
})

const stageSchema = z.object({
  node: z.string().nullable(),
  denseMacs: z.number(),
  macs: z.number(),
  seconds: z.number().nonnegative(),
})

/** What a network takes at one density. */
const pointSchema = z.object({
  /** Of a whole batch. */
  seconds: z.number().positive(),
  macs: z.number(),
  program: z.string(),
  /** By stage; empty for the dense network. */
  stages: z.array(stageSchema),
})
type Point = z.infer<typeof pointSchema>

/**
 * Predicts what pruning a network would gain at inference.
 *
 * @param network A network (its weights do not matter), a spec, or the name of a known one.
 * @throws CoppiceError for wrong options and sparsities that the structure cannot reach; the signal's reason when
 * aborted, after which what was measured so far is kept
 */
export async function predictSpeedup(
  network: Network | NetworkSpec | string,
  options: PredictOptions,
): Promise<Prediction> {
  const { signal, onProgress, onWarning, ...rest } = optionsOf(options, 'predictSpeedup')
  const settings = parse(schema, rest, 'predictSpeedup')
  requireReachable(settings.structure, settings.sparsity)
  const spec = specOf(network)
  const threads = settings.threads ?? addon().getThreads()
  const model = { ...settings, spec, threads }
  const density = 1 - settings.sparsity
  const started = performance.now()
  const known = await readCache('calibration', pointSchema, onWarning)
  const needed = [undefined, ...neighbours(density, settings.structure)]
  const missing = needed.filter((place) => known[keyOf(model, place)] === undefined)
  const points: Point[] = []
  let done = 0
  for (const place of needed) {
    const key = keyOf(model, place)
    const label = place === undefined ? 'dense' : `${Number((100 * place).toPrecision(3))} % left`
    if (known[key] === undefined) onProgress?.({ label, done: done++, total: missing.length })
    const point = known[key] ?? (await measure(model, place, { signal, onWarning }))
    if (known[key] === undefined) await addToCache('calibration', pointSchema, { [key]: point }, onWarning)
    points.push(point)
  }
  if (missing.length > 0) onProgress?.({ label: 'done', done, total: missing.length })
  const [dense, low, high = low] = points
  const [, first = density, last = first] = needed
  if (dense === undefined || low === undefined || high === undefined) throw invalid('nothing was measured')
  const predicted = between([first, low], [last, high], density)
  const whole = new Map<string | null, number>(
    describeNetwork(spec).nodes.map(({ name, macs }) => [name, macs]),
  )
  const gains = predicted.seconds < dense.seconds
  const seconds = Math.min(predicted.seconds, dense.seconds)
  return {
    network: spec.name,
    structure: settings.structure,
    sparsity: settings.sparsity,
    batch: settings.batch,
    dtype: settings.dtype,
    threads,
    speedup: dense.seconds / seconds,
    program: gains ? predicted.program : dense.program,
    denseSeconds: dense.seconds,
    seconds,
    denseMacs: dense.macs,
    macs: predicted.macs,
    layers: predicted.stages.map((stage) => ({ ...stage, denseMacs: whole.get(stage.node) ?? 0 })),
    calibration: {
      measured: missing.length,
      seconds: missing.length === 0 ? 0 : (performance.now() - started) / 1000,
    },
  }
}

interface Model {
  spec: NetworkSpec
  structure: Structure
  batch: number
  dtype: Dtype
  threads: number
  residual: Residual
}

const specOf = (network: Network | NetworkSpec | string): NetworkSpec => {
  if (network instanceof Network) return network.spec
  return typeof network === 'string' ? networkSpec(network) : parseSpec(network)
}

/** The densities of the grid on both sides of one, or the one where it is in the grid. */
const neighbours = (density: number, structure: Structure): number[] => {
  // A pattern such as 2:4 leaves a half of every layer at least.
  const least = 1 - (structures[structure].limit?.sparsity ?? 1)
  const grid = GRID.filter((place) => place >= least)
  const same = grid.find((place) => Math.abs(place / density - 1) < 0.01)
  if (same !== undefined) return [same]
  const above = grid.filter((place) => place > density).at(-1)
  const below = grid.find((place) => place < density)
  // Below the least one the line through the last two goes on.
  return below === undefined
    ? grid.slice(-2).reverse()
    : [below, above].filter((place) => place !== undefined)
}

/** `undefined` stands for the dense network under libtorch. */
const keyOf = ({ spec, structure, batch, dtype, threads, residual }: Model, density?: number): string => {
  const { input, nodes } = spec
  const shape = hashOf({ input, nodes }).slice(0, 16)
  const place = `${spec.name} ${shape} batch ${batch} ${dtype} threads ${threads}`
  if (density === undefined) return `${place} dense`
  return `${place} ${structure}${structure === 'filter' ? ` ${residual}` : ''} ${density}`
}

/** Profiles and runs of each point; other work on the machine only ever adds time, so the fastest counts. */
const PROFILES = 8
const RUNS = 15

const measure = async (
  model: Model,
  density: number | undefined,
  hooks: { signal: AbortSignal | undefined; onWarning: OnWarning | undefined },
): Promise<Point> => {
  const { batch, dtype, threads } = model
  const network = await prunedAtRandom(model, density)
  try {
    // A compacted network is a dense one.
    const pruned = model.structure === 'filter' ? 'all' : 'sparse'
    const candidates = density === undefined ? 'dense' : pruned
    const engine = await compile(network, { batch, dtype, threads, candidates, ...hooks })
    try {
      const profiles: EngineStage[][] = []
      for (let run = 0; run <= PROFILES && density !== undefined; run++) {
        const stages = await engine.profile(undefined, { signal: hooks.signal })
        if (run > 0) profiles.push(stages)
      }
      const stages = (profiles[0] ?? []).map(({ node, denseMacs, macs }, index) => ({
        ...{ node, denseMacs, macs },
        seconds: Math.min(...profiles.map((stage) => stage[index]?.seconds ?? 0)),
      }))
      const { spec, mask } = await network.read()
      // The fastest of many where they are short: other work on the machine comes in bursts.
      const count = Math.min(200, Math.max(RUNS, Math.ceil(0.1 / engine.chosen.seconds)))
      const runs = await engine.time(undefined, { signal: hooks.signal, warmup: 1, runs: count })
      const macs = remainingMacs(spec, network.parameterLayout, mask)
      return { seconds: Math.min(...runs), macs, program: engine.chosen.name, stages }
    } finally {
      engine.dispose()
    }
  } finally {
    network.dispose()
  }
}

/** A network with random weights and a random mask; filters are compacted away. */
const prunedAtRandom = async ({ spec, structure, residual }: Model, density = 1): Promise<Network> => {
  const network = await Network.create(spec)
  if (density === 1) return network
  try {
    const { layout, parameters } = await network.read()
    const { mask } = await pruneMask({
      ...{ spec, layout, parameters, structure, residual },
      ...{ score: 'random', sparsity: 1 - density },
    })
    await network.writeMask(mask)
    if (structure !== 'filter') return network
    const smaller = await network.compact()
    network.dispose()
    return smaller
  } catch (error) {
    network.dispose()
    throw error
  }
}

/** The point at a density between two measured ones (outside of both, the line goes on). */
const between = ([low, a]: [number, Point], [high, b]: [number, Point], density: number): Point => {
  const share = high === low ? 0 : Math.log(density / low) / Math.log(high / low)
  const power = (x: number, y: number): number =>
    x > 0 && y > 0 ? x * (y / x) ** share : x + (y - x) * share
  const stages = a.stages.map((stage, index) => {
    const other = b.stages[index] ?? stage
    return {
      node: stage.node,
      denseMacs: Math.round(power(stage.denseMacs, other.denseMacs)),
      macs: Math.round(power(stage.macs, other.macs)),
      seconds: power(stage.seconds, other.seconds),
    }
  })
  const total = ({ stages: all }: Point) => all.reduce((sum, { seconds }) => sum + seconds, 0)
  const scale = power(a.seconds / total(a), b.seconds / total(b))
  return {
    seconds: scale * total({ ...a, stages }),
    macs: Math.round(power(a.macs, b.macs)),
    program: a.program,
    stages,
  }
}
