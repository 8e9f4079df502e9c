/** One trial of a benchmark, in a process of its own: takes a request as its only argument, prints one line of JSON. */

import { addon } from '../../../bindings/load.js'
import type { EngineCandidate, EngineStage } from '../../../bindings/native.js'
import { CoppiceError, type ErrorCode } from '../../base/errors.js'
import { Network } from '../../models/network.js'
import { compile } from '../compile.js'
import type { Candidates, Dtype } from '../options.js'

export interface TrialRequest {
  /** Model file. */
  model: string
  candidates: Candidates
  dtype: Dtype
  batch: number
  threads: number
  /** Measures stages too, and the CPU's peak. */
  layers: boolean
  /** Most seconds for warm runs, and for flushed ones. */
  seconds: number
}

export interface TrialResult {
  /** Seconds of each run. */
  warm: number[]
  /** With the caches emptied before each run. */
  flushed: number[]
  program: string
  candidates: EngineCandidate[]
  /** Packed weights and activations, and the most that the process had resident. */
  bytes: number
  residentBytes: number
  compileSeconds: number
  /** Layers that were tuned, rather than found in the tuning cache. */
  tuned: number
  stages?: EngineStage[]
  /** Multiply-adds a second of one thread at best, in the arithmetic of the program. */
  peak?: number
}

/** What a trial prints. */
export type TrialOutput = { result: TrialResult } | { error: { code: ErrorCode; message: string } }

const runTrial = async (request: TrialRequest): Promise<TrialResult> => {
  const { model, seconds, layers, ...options } = request
  addon().setThreads(options.threads)
  const network = await Network.load(model)
  const engine = await compile(network, { ...options, onWarning: () => undefined })
  network.dispose()
  const { program, typical } = { program: engine.chosen.name, typical: engine.chosen.seconds }
  const runs = (most: number) => Math.min(most, Math.max(5, Math.ceil(seconds / typical)))
  const warm = [...(await engine.time(undefined, { warmup: 3, runs: runs(200) }))]
  const flushed = [...(await engine.time(undefined, { warmup: 1, runs: runs(20), flush: true }))]
  return {
    ...{ warm, flushed, program },
    candidates: [...engine.candidates],
    bytes: engine.bytes,
    residentBytes: process.resourceUsage().maxRSS * 1024,
    compileSeconds: engine.compileSeconds,
    tuned: engine.facts.tuned,
    ...(layers && {
      stages: await profiled(() => engine.profile()),
      peak: await addon().peak(arithmeticOf(program)).promise,
    }),
  }
}

/** The fastest of several profiles, stage by stage. */
const profiled = async (profile: () => Promise<EngineStage[]>): Promise<EngineStage[]> => {
  const stages = await profile()
  for (let run = 0; run < 5; run++) {
    for (const [index, { seconds }] of (await profile()).entries()) {
      const stage = stages[index]
      if (stage !== undefined) stage.seconds = Math.min(stage.seconds, seconds)
    }
  }
  return stages
}

/** The arithmetic that a program's name tells. */
export const arithmeticOf = (program: string): Dtype => {
  if (program.includes('fp16')) return 'fp16'
  return program.includes('bf16') ? 'bf16' : 'fp32'
}

const main = async (argument: string): Promise<TrialOutput> => {
  try {
    return { result: await runTrial(JSON.parse(argument) as TrialRequest) }
  } catch (error) {
    const code = error instanceof CoppiceError ? error.code : 'ERR_NATIVE'
    return { error: { code, message: (error as Error).message } }
  }
}

if (require.main === module) {
  void main(process.argv[2] ?? '').then((output) => process.stdout.write(`${JSON.stringify(output)}\n`))
}
