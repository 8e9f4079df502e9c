/**
 * A run on disk: recipe.json, environment.json, metrics.ndjson, checkpoints/, outcomes/ and result.json. Everything but
 * the metrics is written whole or not at all, so that a run killed at any moment resumes.
 */
import { existsSync } from 'node:fs'
import { mkdir, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { CoppiceError } from '../base/errors.js'
import { fileError, makeFolder } from '../files/files.js'
import { LONGEST_RECIPE, readJson, writeJson } from '../files/json.js'
import { type Lock, takeLock } from '../files/lock.js'
import { parseRecipe, type Recipe } from '../recipes/recipe.js'
import type { ResolvedRecipe } from '../recipes/resolve.js'
import { type Environment, environmentSchema } from './environment.js'
import { Metrics } from './metrics.js'
import { readFileAs } from './parseFile.js'

/** environment.json. */
export interface RunEnvironment extends Environment {
  /** Hash of what determines the run. */
  identity: string
  /** Hash of what determines its dense network; runs of versions that could not share one lack it. */
  pretraining?: string
  seed: number
  data: { name: string; train: string; validation: string; test: string }
}

const runEnvironmentSchema: z.ZodType<RunEnvironment> = environmentSchema.extend({
  identity: z.string(),
  pretraining: z.exactOptional(z.string()),
  seed: z.int(),
  data: z.looseObject({ name: z.string(), train: z.string(), validation: z.string(), test: z.string() }),
})

/** A run directory that this process holds the lock of. */
export class Run {
  private constructor(
    readonly path: string,
    private readonly lock: Lock,
    private log: Metrics | undefined,
  ) {}

  /**
   * Makes a new run directory.
   * @throws CoppiceError `ERR_FILE` if there is a run already, or anything else; nothing is overwritten
   */
  static async create(path: string, recipe: ResolvedRecipe, environment: RunEnvironment): Promise<Run> {
    await requireFree(path)
    try {
      await makeFolder(path)
    } catch (error) {
      throw fileError('cannot make the run directory', path, error)
    }
    const lock = await takeLock(join(path, LOCK), path)
    try {
      // Another process may have been quicker.
      await requireFree(path)
      await mkdir(join(path, 'checkpoints'), { recursive: true })
      await mkdir(join(path, 'outcomes'), { recursive: true })
      await writeJson(join(path, 'environment.json'), environment)
      // The recipe comes last: with it, the directory is a run.
      await writeJson(join(path, RECIPE), recipe)
      return new Run(path, lock, await Metrics.open(join(path, METRICS)))
    } catch (error) {
      await lock.release()
      throw fileError('cannot make the run directory', path, error)
    }
  }

  /** Opens the directory of a run to go on with it; `metrics` follows once it is known from where. */
  static async open(path: string): Promise<Run> {
    requireRun(path)
    const run = new Run(path, await takeLock(join(path, LOCK), path), undefined)
    await run.sweep()
    return run
  }

  get metrics(): Metrics {
    if (this.log === undefined) throw new CoppiceError('ERR_FILE', `the metrics of ${this.path} are not open`)
    return this.log
  }

  /** Opens the metrics, cut back to their first `keep` bytes. */
  async openMetrics(keep: number): Promise<Metrics> {
    this.log = await Metrics.open(join(this.path, METRICS), keep)
    return this.log
  }

  readEnvironment(): Promise<RunEnvironment> {
    return readRunEnvironment(this.path)
  }

  checkpoint(name: string): string {
    return checkpointPath(this.path, name)
  }

  outcomes(name: string): string {
    return outcomesPath(this.path, name)
  }

  get result(): string {
    return join(this.path, RESULT)
  }

  async close(): Promise<void> {
    await this.log?.close()
    await this.lock.release()
  }

  /** Removes temporary files of a killed process. */
  private async sweep(): Promise<void> {
    for (const folder of ['', 'checkpoints', 'outcomes']) {
      const names = await readdir(join(this.path, folder)).catch(() => [])
      const left = names.filter((name) => name.endsWith('.tmp'))
      await Promise.all(left.map((name) => rm(join(this.path, folder, name), { force: true })))
    }
  }
}

/** The recipe of a run. */
export async function readRunRecipe(path: string): Promise<Recipe> {
  requireRun(path)
  const file = join(path, RECIPE)
  const value = await readJson(file, LONGEST_RECIPE)
  try {
    return parseRecipe(value)
  } catch (error) {
    throw new CoppiceError('ERR_FILE', `${file} is damaged, or no such file: ${(error as Error).message}`, {
      cause: error,
    })
  }
}

export async function readRunEnvironment(path: string): Promise<RunEnvironment> {
  return readFileAs(join(path, 'environment.json'), runEnvironmentSchema)
}

/** Whether a folder holds a run. */
export const isRun = (path: string): boolean => existsSync(join(path, RECIPE))

export const checkpointPath = (run: string, name: string): string =>
  join(run, 'checkpoints', `${name}.safetensors`)

export const outcomesPath = (run: string, name: string): string => join(run, 'outcomes', `${name}.json`)

export const metricsPath = (run: string): string => join(run, METRICS)

export const resultPath = (run: string): string => join(run, RESULT)

/** @throws CoppiceError unless the folder is free for a new run */
export async function requireFree(path: string): Promise<void> {
  if (isRun(path)) {
    throw new CoppiceError(
      'ERR_FILE',
      `${path} already holds a run; go on with it by "coppice resume ${path}", or choose another folder with -o`,
    )
  }
  let names: string[]
  try {
    names = await readdir(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return
    throw fileError('cannot use the folder', path, error)
  }
  // What a creation that was killed half-way leaves behind.
  const foreign = names.filter((name) => !OWN.test(name))
  if (foreign.length > 0) {
    throw new CoppiceError(
      'ERR_FILE',
      `${path} is not empty (it holds ${foreign[0]}); choose another folder with -o`,
    )
  }
}

const requireRun = (path: string): void => {
  if (isRun(path)) return
  const what = existsSync(path) ? 'holds no run: it has no recipe.json' : 'does not exist'
  throw new CoppiceError('ERR_FILE', `${path} ${what}`)
}

const RECIPE = 'recipe.json'
const METRICS = 'metrics.ndjson'
const RESULT = 'result.json'
const LOCK = 'lock'
const OWN = /^(lock.*|environment\.json.*|recipe\.json\..*|checkpoints|outcomes|metrics\.ndjson)$/
