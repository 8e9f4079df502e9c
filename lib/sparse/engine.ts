/** An inference engine: a network compiled for this machine. */

import { inspect } from 'node:util'
import { z } from 'zod'
import { settle } from '../../bindings/jobs.js'
import type { EngineCandidate, EngineStage, Floats, NativeSparseEngine } from '../../bindings/native.js'
import { optionsOf } from '../base/arguments.js'
import { CoppiceError, invalid } from '../base/errors.js'
import { hash32 } from '../base/hash.js'
import { LIMITS } from '../base/limits.js'
import { show } from '../base/numbers.js'
import { integer, parse, strict } from '../base/schemas.js'
import type { ImageShape } from '../networks/spec.js'
import type { Candidates, Dtype } from './options.js'

/** What an engine was compiled for. */
export interface EngineFacts {
  /** Of the network. */
  readonly name: string
  /** [channels, height, width] of one image. */
  readonly input: ImageShape
  /** Number of logits. */
  readonly classes: number
  /** Fraction of convolution and linear weights that are not zero. */
  readonly density: number
  /** Images that come together. */
  readonly batch: number
  readonly dtype: Dtype
  readonly threads: number
  /** Which programs competed. */
  readonly candidates: Candidates
  /** Layers that were measured anew, for which the tuning cache had no entry. */
  readonly tuned: number
}

export interface RunOptions {
  signal?: AbortSignal | undefined
}

export interface TimeOptions extends RunOptions {
  /** Runs that are not counted; default 3. */
  warmup?: number | undefined
  /** Default 10. */
  runs?: number | undefined
  /** Empties the CPU's caches before each run, as other work would; default false. */
  flush?: boolean | undefined
}

const timeSchema = strict({
  warmup: integer(0, LIMITS.runs).default(3),
  runs: integer(1, LIMITS.runs).default(10),
  flush: z.boolean('expected true or false').default(false),
})

/** A handle; `dispose()` (or `using`) frees its memory at once. Made by `compile`. */
export class SparseEngine {
  constructor(
    /** The native handle, for the jobs of bindings/native.ts. */
    readonly handle: NativeSparseEngine,
    /** What it was compiled for. */
    readonly facts: EngineFacts,
  ) {}

  /** The programs that competed, with the median of what a batch took, in seconds. */
  get candidates(): readonly EngineCandidate[] {
    return this.handle.candidates
  }

  /** The fastest of them, which is what runs. */
  get chosen(): EngineCandidate {
    const chosen = this.candidates.find((candidate) => candidate.chosen)
    if (chosen === undefined) throw new CoppiceError('ERR_NATIVE', 'the engine chose no program')
    return chosen
  }

  /** Why it runs what it runs, in a sentence. */
  get reason(): string {
    return describeChoice(this.facts, this.candidates, this.chosen)
  }

  /** Bytes of packed weights and activations. */
  get bytes(): number {
    return this.handle.bytes
  }

  /** What packing and measuring took. */
  get compileSeconds(): number {
    return this.handle.compileSeconds
  }

  get disposed(): boolean {
    return this.handle.disposed
  }

  /**
   * Logits [n, classes] of pixels in [0,1], [n, channels, height, width] flat, for any n.
   *
   * @throws CoppiceError for another type, or a length that is not a whole number of images; `ERR_DISPOSED`.
   */
  async run(images: Floats, options: RunOptions = {}): Promise<Float32Array> {
    this.check(images)
    const { signal } = optionsOf(options, 'run')
    return settle(() => this.handle.run(images), signal)
  }

  /** The class with the largest logit of each image; of equals, the first; −1 where a logit is NaN or infinite. */
  async predict(images: Floats, options: RunOptions = {}): Promise<Int32Array> {
    return largest(await this.run(images, options), this.facts.classes)
  }

  /**
   * Seconds of each run on all `images`, the conversion of layouts included.
   *
   * @param images Default: a batch of noise.
   */
  async time(images: Floats | undefined = undefined, options: TimeOptions = {}): Promise<Float64Array> {
    const { signal, ...rest } = optionsOf(options, 'time')
    const settings = parse(timeSchema, rest, 'time')
    const pixels = images === undefined ? this.noise() : images
    this.check(pixels)
    return settle(() => this.handle.time(pixels, settings), signal)
  }

  /**
   * Runs once and measures each stage, which is a layer with all that is fused into it. Of a program of two parts only
   * the first is measured, with the images that it takes: `images` of each stage.
   *
   * @param images Default: a batch of noise.
   */
  async profile(images: Floats | undefined = undefined, options: RunOptions = {}): Promise<EngineStage[]> {
    const pixels = images === undefined ? this.noise() : images
    this.check(pixels)
    const { signal } = optionsOf(options, 'profile')
    return settle(() => this.handle.profile(pixels), signal)
  }

  /** Frees the memory now; using the engine afterwards is an error. Idempotent. */
  dispose(): void {
    this.handle.dispose()
  }

  [Symbol.dispose](): void {
    this.dispose()
  }

  [inspect.custom](): string {
    const { name, batch, dtype, threads, density } = this.facts
    if (this.disposed) return `SparseEngine "${name}" { disposed }`
    const { seconds, name: program } = this.chosen
    const facts = [
      `${percentLeft(density)} of the weights left`,
      ...[`batch ${batch}`, dtype, `${threads} threads`, `${program}: ${milliseconds(seconds)} a batch`],
      `${(this.bytes / 2 ** 20).toFixed(1)} MiB`,
    ]
    return `SparseEngine "${name}" { ${facts.join(', ')} }`
  }

  /** One batch of noise. */
  private noise(): Float32Array {
    return noiseImages(this.facts.batch, this.facts.input)
  }

  private check(images: unknown): asserts images is Floats {
    const { input, name } = this.facts
    if (this.disposed) {
      throw new CoppiceError(
        'ERR_DISPOSED',
        `the engine of "${name}" was disposed; compile the network again`,
      )
    }
    if (!(images instanceof Float32Array || images instanceof Float64Array)) {
      throw invalid(
        `images: expected a Float32Array or Float64Array of pixels in [0,1], received ${show(images)}`,
      )
    }
    const size = input[0] * input[1] * input[2]
    if (images.length > 0 && images.length % size === 0) return
    throw invalid(
      `images: ${images.length} values are not a whole number of images; "${name}" takes images of ` +
        `${input.join('×')}, ${size} values each`,
    )
  }
}

/** `count` images of noise, the same ones each time. */
export const noiseImages = (count: number, input: ImageShape): Float32Array =>
  Float32Array.from({ length: count * input[0] * input[1] * input[2] }, (_, index) => hash32(index) / 2 ** 32)

/** Place of the largest of each `classes` logits; −1 where one is NaN or infinite. */
export const largest = (logits: Floats, classes: number): Int32Array =>
  Int32Array.from({ length: logits.length / classes }, (_, image) => {
    let best = 0
    for (let index = 0; index < classes; index++) {
      if (!Number.isFinite(logits[image * classes + index])) return -1
      if ((logits[image * classes + index] ?? 0) > (logits[image * classes + best] ?? 0)) best = index
    }
    return best
  })

const describeChoice = (
  { density, candidates: allowed, batch }: EngineFacts,
  candidates: readonly EngineCandidate[],
  chosen: EngineCandidate,
): string => {
  const took = `${milliseconds(chosen.seconds)} for a batch of ${batch}`
  const [other] = candidates
    .filter(({ name }) => isDense(name) !== isDense(chosen.name))
    .toSorted((a, b) => a.seconds - b.seconds)
  const rival =
    other &&
    `; the best ${isDense(other.name) ? 'dense' : 'other'} one, ${other.name}, took ${milliseconds(other.seconds)}`
  if (density === 1 && allowed === 'dense') {
    return `nothing is pruned, so there is nothing to skip: ${chosen.name}, ${took}`
  }
  const only =
    allowed === 'all' ? '' : ` (only ${allowed === 'sparse' ? 'sparse' : 'dense'} programs competed)`
  return `${chosen.name} was the fastest of ${candidates.length} programs${only}: ${took}${rival ?? ''}`
}

/** Whether a program is one of libtorch's. */
export const isDense = (program: string): boolean => program.startsWith('dense ')

const milliseconds = (seconds: number): string => `${(1000 * seconds).toPrecision(3)} ms`
const percentLeft = (density: number): string => `${Number((100 * density).toPrecision(3))} %`
