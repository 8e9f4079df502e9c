/**
 * The benchmark of inference engines: a pruned network against three dense ones, which are libtorch in the same type,
 * libtorch at its best, and a narrower network of equal multiply-accumulates. Every trial is a process of its own; the
 * sides take turns, one trial each; the tuning cache starts empty.
 */

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { EngineStage } from '../../../bindings/native.js'
import { fileHash } from '../../files/hash.js'
import { fileLayout, type Model, readModel } from '../../models/modelFile.js'
import { Network } from '../../models/network.js'
import { describeNetwork } from '../../networks/describe.js'
import { narrowerNetwork } from '../../networks/narrower.js'
import type { NetworkSpec } from '../../networks/spec.js'
import { remainingMacs, sparsity } from '../../pruning/sparsity.js'
import { structureOf } from '../../pruning/structureOf.js'
import type { Dtype } from '../options.js'
import { runTrial } from './runTrial.js'
import { type Times, timesOf } from './statistics.js'
import type { TrialRequest, TrialResult } from './trial.js'

export interface BenchOptions {
  batches: readonly number[]
  dtypes: readonly Dtype[]
  threads: number
  /** Processes a side. */
  trials: number
  /** About how long each trial runs warm, and again flushed. */
  seconds: number
  /** Measures the engine's stages. */
  layers: boolean
  /** The dense network that a model came from: a model file. Needed where the model was compacted. */
  dense?: string | undefined
  signal?: AbortSignal | undefined
  onProgress?: ((progress: { label: string; done: number; total: number }) => void) | undefined
  /** Results of an interrupted benchmark: cases that are there are not measured again. */
  kept?: readonly ModelResult[] | undefined
  /** Called after each case, with all that the model has so far. */
  onCase?: ((soFar: ModelResult) => Promise<void>) | undefined
}

/** What one side took. */
export interface SideResult {
  /** The program that ran, one of libtorch's for the dense sides. */
  program: string
  /** For a batch, in seconds. */
  warm: Times
  /** With the caches emptied before each run. */
  flushed: Times
  /** Of the first trial, with an empty tuning cache, and of the last one. */
  compileSeconds: { first: number; cached: number }
  /** Packed weights and activations as the engine counts them, and the process's peak. */
  bytes: number
  residentBytes: number
}

/** How many times faster the engine is: dense median / engine median. Below 1 it loses. */
export interface Ratios {
  warm: number
  flushed: number
}

export interface BenchRow {
  batch: number
  dtype: Dtype
  engine: SideResult
  /** Against libtorch in the same type; for fp16, which has no dense program, in bf16. */
  sameType: { side: SideResult; ratios: Ratios }
  /** Against libtorch at its best: fp32 or bf16, whatever is faster. */
  best: { side: SideResult; ratios: Ratios }
  /** Against a narrower dense network of about as many multiply-accumulates, in any type that the engine may use. */
  equalMacs: { side: SideResult; ratios: Ratios; macs: number } | null
  layers?: LayerRow[]
}

export interface LayerRow extends EngineStage {
  /** Multiply-adds that are left, done in a second, as a fraction of the peak of all threads. */
  peakFraction: number
}

export interface ModelResult {
  model: string
  /** Of the file. */
  sha256: string
  network: string
  /** `unstructured`, `filter`, `v32x2` …, or `dense`. */
  structure: string
  /** Fraction of prunable weights that are zero. */
  sparsity: number
  /** Multiply-accumulates for one image: of the dense network, and what is left. */
  denseMacs: number
  macs: number
  rows: BenchRow[]
}

/**
 * @param path Model file.
 * @throws CoppiceError for files that are no models; the signal's reason when aborted
 */
export async function benchSparse(path: string, name: string, options: BenchOptions): Promise<ModelResult> {
  const scratch = await mkdtemp(join(tmpdir(), 'coppice-bench-'))
  try {
    const facts = await readFacts(path, options.dense)
    const narrower = narrowerNetwork(facts.denseSpec, facts.macs)
    const narrow = narrower && join(scratch, 'narrower.safetensors')
    if (narrower !== undefined && narrow !== undefined) {
      const network = await Network.create(narrower)
      await network.save(narrow)
      network.dispose()
    }
    const equal =
      narrower === undefined || narrow === undefined
        ? undefined
        : { path: narrow, macs: describeNetwork(narrower).macs }
    const place = { scratch, path, dense: options.dense ?? path, equal }
    const { network, structure, sparsity: zero, denseMacs, macs } = facts
    const sha256 = await fileHash(path)
    const kept = options.kept?.find((model) => model.sha256 === sha256)?.rows ?? []
    const result: ModelResult = {
      ...{ model: name, sha256, network, structure, sparsity: zero, denseMacs, macs },
      rows: [],
    }
    const cases = options.dtypes.flatMap((dtype) => options.batches.map((batch) => ({ dtype, batch })))
    for (const [index, { dtype, batch }] of cases.entries()) {
      const progress = (done: number, total: number) =>
        options.onProgress?.({
          label: `${name}, batch ${batch}, ${dtype}`,
          done: index * total + done,
          total: cases.length * total,
        })
      const known = kept.find((row) => row.dtype === dtype && row.batch === batch)
      result.rows.push(known ?? (await benchRow(place, dtype, batch, options, progress)))
      if (known === undefined) await options.onCase?.(result)
    }
    return result
  } finally {
    await rm(scratch, { recursive: true, force: true })
  }
}

const readFacts = async (path: string, dense: string | undefined) => {
  const model = await readModel(path)
  const whole = dense === undefined ? undefined : await readModel(dense)
  const denseSpec: NetworkSpec = (whole ?? model).spec
  const layout = parametersOf(model)
  const macs = remainingMacs(model.spec, layout, model.mask)
  const denseMacs = describeNetwork(denseSpec).macs
  const structure = structureOf(model.spec, layout, model.mask)
  return {
    network: denseSpec.name,
    // A compacted model has nothing pruned, but fewer multiply-accumulates than the network it came from.
    structure: structure === 'dense' && macs < denseMacs ? 'filter' : structure,
    sparsity: sparsity(model.mask, layout),
    ...{ denseSpec, denseMacs, macs },
  }
}

const parametersOf = ({ spec }: Model) => fileLayout(spec).filter(({ arena }) => arena === 'parameters')

interface Place {
  scratch: string
  path: string
  dense: string
  equal: { path: string; macs: number } | undefined
}

const benchRow = async (
  { scratch, path, dense, equal }: Place,
  dtype: Dtype,
  batch: number,
  { trials, threads, seconds, layers, signal }: BenchOptions,
  onProgress: (done: number, total: number) => void,
): Promise<BenchRow> => {
  const common = { batch, threads, seconds, layers: false }
  // fp16 has no dense program of its own; bf16 is what has as many bits.
  const same: Dtype = dtype === 'fp16' ? 'bf16' : dtype
  const sameType = { ...common, model: dense, candidates: 'denseInType', dtype: same } as const
  const sides: { name: string; request: TrialRequest; results: TrialResult[] }[] = [
    { name: 'engine', request: { ...common, model: path, candidates: 'all', dtype, layers }, results: [] },
    { name: 'best', request: { ...common, model: dense, candidates: 'dense', dtype: 'bf16' }, results: [] },
    { name: 'same', request: sameType, results: [] },
  ]
  if (equal)
    sides.push({
      name: 'equal',
      request: { ...common, model: equal.path, candidates: 'dense', dtype: same },
      results: [],
    })
  const order = [...sides]
  const results = (name: string) => sides.find((side) => side.name === name)?.results ?? []
  let done = 0
  for (let trial = 0; trial < trials; trial++) {
    for (const side of order) {
      onProgress(done++, trials * sides.length)
      const cache = join(scratch, `cache-${dtype}-${batch}`)
      side.results.push(await runTrial(side.request, { cache, signal }))
    }
    order.push(...order.splice(0, 1))
  }
  const side = (name: string): SideResult => sideOf(results(name))
  const engine = side('engine')
  const against = (other: SideResult) => ({ side: other, ratios: ratiosOf(engine, other) })
  const profiled = results('engine').at(-1)
  return {
    ...{ batch, dtype, engine },
    sameType: against(side('same')),
    best: against(side('best')),
    equalMacs: equal ? { ...against(side('equal')), macs: equal.macs } : null,
    ...(profiled?.stages && { layers: layerRows(profiled, profiled.stages, threads) }),
  }
}

const sideOf = (results: readonly TrialResult[]): SideResult => {
  const [first] = results
  const last = results.at(-1)
  if (first === undefined || last === undefined) throw new Error('a side without trials')
  return {
    program: mostFrequent(results.map(({ program }) => program)),
    warm: timesOf(results.flatMap(({ warm }) => warm)),
    flushed: timesOf(results.flatMap(({ flushed }) => flushed)),
    compileSeconds: { first: first.compileSeconds, cached: last.compileSeconds },
    bytes: Math.max(...results.map(({ bytes }) => bytes)),
    residentBytes: Math.max(...results.map(({ residentBytes }) => residentBytes)),
  }
}

const ratiosOf = (engine: SideResult, dense: SideResult): Ratios => ({
  warm: dense.warm.median / engine.warm.median,
  flushed: dense.flushed.median / engine.flushed.median,
})

const mostFrequent = (names: readonly string[]): string => {
  const count = (name: string) => names.filter((other) => other === name).length
  return names.toSorted((a, b) => count(b) - count(a))[0] ?? ''
}

const layerRows = (
  { peak = Number.NaN }: TrialResult,
  stages: readonly EngineStage[],
  threads: number,
): LayerRow[] =>
  stages.map((stage) => ({
    ...stage,
    peakFraction: (stage.macs * stage.images) / stage.seconds / (peak * threads),
  }))
