/** What a report is made of: runs and benchmarks as they were found, with what is wrong with them. */
import type { LayerWeights } from '../../models/layerWeights.js'
import type { OutcomeFile, ResultRow, RunResult } from '../../runs/result.js'
import type { RunEnvironment } from '../../runs/run.js'
import type { BenchReport } from '../benchText.js'
import type { History } from './history.js'
import type { ReproductionRecord } from './reproductions.js'

/** A run directory, as far as it could be read. */
export interface RunRecord {
  /** Names it in anchors: `run-1`. */
  id: string
  /** Names it for people; no two runs of a report have the same one. */
  name: string
  path: string
  /** `running` while a process holds its lock. */
  state: 'finished' | 'running' | 'stopped'
  /** As it was written. */
  recipe?: Readonly<Record<string, unknown>> | undefined
  environment?: RunEnvironment | undefined
  result?: RunResult | undefined
  /** The networks that were evaluated so far, the dense one first. */
  rows: readonly ResultRow[]
  history: History
  /** By the networks' names: what happened to every image. */
  outcomes: ReadonlyMap<string, OutcomeFile>
  /** By the networks' names: what pruning left of each layer. */
  layers: ReadonlyMap<string, readonly LayerWeights[]>
  /** What is missing, damaged or odd, a sentence each. */
  faults: readonly string[]
}

/** A folder that `coppice bench sparse` wrote. */
export interface BenchRecord {
  id: string
  name: string
  path: string
  report: BenchReport & { unfinished?: true | undefined }
}

/** All that a report tells. */
export interface Material {
  runs: readonly RunRecord[]
  benches: readonly BenchRecord[]
  /** Tables and figures of a paper, ours beside the paper's. */
  reproductions: readonly ReproductionRecord[]
  /** Faults of what is neither: folders that could not be read. */
  faults: readonly string[]
}
