/** A run in progress: where it stands, what it tells, and the rolling checkpoint it would resume from. */

import { existsSync } from 'node:fs'
import { z } from 'zod'
import { settle } from '../../bindings/jobs.js'
import type { Floats } from '../../bindings/native.js'
import { optionsOf, pathOf } from '../base/arguments.js'
import { LIMITS } from '../base/limits.js'
import { fractionBetween } from '../base/numbers.js'
import { parse } from '../base/schemas.js'
import { type Extras, type Model, readModel, writeModel } from '../models/modelFile.js'
import type { RunEvent } from '../runs/events.js'
import { valueIn } from '../runs/parseFile.js'
import type { Run } from '../runs/run.js'
import { type Checkpointer, type TrainCursor, trainCursorSchema } from '../training/plan.js'
import { type CompressCursor, compressCursorSchema } from './compress.js'
import type { Prepared } from './prepare.js'
import { totalWork } from './work.js'

/** Where a run stands. A null cursor: at the beginning of the stage. */
export type Place =
  | { stage: 'pretrain'; train: TrainCursor | null }
  | { stage: 'branch'; branch: string; compress: CompressCursor | null }
  | { stage: 'evaluated' }

/** What the rolling checkpoint says of the run. */
interface RunCursor {
  place: Place
  /** Length of the metrics at that moment, in bytes: what comes after will be computed again. */
  metrics: number
  /** Time spent so far. */
  seconds: number
}

const cursorSchema: z.ZodType<RunCursor> = z.looseObject({
  place: z.discriminatedUnion('stage', [
    z.looseObject({ stage: z.literal('pretrain'), train: trainCursorSchema.nullable() }),
    z.looseObject({
      stage: z.literal('branch'),
      branch: z.string(),
      compress: compressCursorSchema.nullable(),
    }),
    z.looseObject({ stage: z.literal('evaluated') }),
  ]),
  metrics: z.int().min(0),
  seconds: z.number(),
})

export interface RunProgress {
  /** What is being done, in a few words: `pre-train 3/10`, `matched 7/40`. */
  label: string
  /** Images done in this phase, and images it has. */
  done: number
  total: number
  /** Mean loss of the latest batches, while training. */
  loss?: number
  /** Fraction of the whole run's work that is done. */
  fraction: number
}

export interface RunHooks {
  /** Stops the run within one batch; a checkpoint is saved, and the signal's reason thrown. */
  signal?: AbortSignal | undefined
  onEvent?: ((event: RunEvent) => void) | undefined
  onProgress?: ((progress: RunProgress) => void) | undefined
  /** Seconds between two checkpoints; default 60. */
  checkpointSeconds?: number | undefined
  /**
   * The directory of a finished run whose dense network this run would train too: it is taken from there, as are its
   * figures where they would be the same. The run ends in the same bits as if it had trained the network itself.
   */
  pretrained?: string | undefined
}

/** @throws CoppiceError for hooks of another kind */
export const requireHooks = (hooks: RunHooks, what: string): void => {
  const { checkpointSeconds, pretrained } = optionsOf(hooks, what)
  if (pretrained !== undefined) pathOf(pretrained, `${what}.pretrained`)
  parse(fractionBetween(0, LIMITS.seconds).optional(), checkpointSeconds, `${what}.checkpointSeconds`)
}

const LATEST = 'latest'

export class Session {
  /** Where the run was when this process took it up. */
  place: Place = { stage: 'pretrain', train: null }
  /** Learned scores that belong to `place`. */
  scores: Floats | undefined
  private readonly started = performance.now()
  private readonly work: number
  private workDone = 0
  private secondsBefore = 0
  private lastCheckpoint = performance.now()

  private constructor(
    readonly run: Run,
    readonly prepared: Prepared,
    readonly hooks: RunHooks,
  ) {
    const { train, validation } = prepared.data
    this.work = totalWork(prepared.recipe, { train: train.length, validation: validation.length })
  }

  static start(run: Run, prepared: Prepared, hooks: RunHooks): Session {
    return new Session(run, prepared, hooks)
  }

  /** Takes a run up where its rolling checkpoint left it. */
  static async resume(run: Run, prepared: Prepared, hooks: RunHooks): Promise<Session> {
    const session = new Session(run, prepared, hooks)
    const path = run.checkpoint(LATEST)
    const checkpoint = existsSync(path) ? await readModel(path) : undefined
    const written = checkpoint?.training?.cursor
    const cursor = written === undefined ? undefined : valueIn(path, cursorSchema, written)
    await run.openMetrics(cursor?.metrics ?? 0)
    if (checkpoint === undefined || cursor === undefined) return session
    session.place = cursor.place
    session.secondsBefore = cursor.seconds
    session.scores = checkpoint.training?.scores
    await session.restore(checkpoint)
    return session
  }

  get seconds(): number {
    return this.secondsBefore + (performance.now() - this.started) / 1000
  }

  /** Records an event in the metrics and tells it. */
  event(event: RunEvent): void {
    this.run.metrics.append(event)
    this.hooks.onEvent?.(event)
  }

  /** Records a warning once. */
  warn(message: string): void {
    const known = this.run.metrics.events.some((event) => event.message === message)
    if (!known) this.event({ event: 'warning', message })
  }

  /** Reports progress of a phase whose images cost `work` each, after other work `before` that is not counted yet. */
  progress(
    label: string,
    work: number,
    phase: { done: number; total: number; loss?: number },
    before = 0,
  ): void {
    const fraction = Math.min(1, (this.workDone + before + phase.done * work) / this.work)
    this.hooks.onProgress?.({ label, ...phase, fraction })
  }

  /** Counts work as done, here or by an earlier process. */
  advance(work: number): void {
    this.workDone += work
  }

  /** Writes the rolling checkpoint. */
  async save(place: Place, scores?: Floats): Promise<void> {
    const { network } = this.prepared
    const { handle } = network
    const cursor: RunCursor = { place, metrics: await this.run.metrics.flush(), seconds: this.seconds }
    await writeModel(this.run.checkpoint(LATEST), await network.read(), {
      training: {
        cursor,
        moment1: await settle(() => handle.read('moment1')),
        moment2: await settle(() => handle.read('moment2')),
        average: await settle(() => handle.read('average')),
        ...(scores !== undefined && { scores }),
      },
    })
    this.lastCheckpoint = performance.now()
  }

  /** Saves the rolling checkpoint whenever one is due. */
  checkpointer<Cursor>(placeOf: (cursor: Cursor) => Place): Checkpointer<Cursor> {
    const interval = 1000 * (this.hooks.checkpointSeconds ?? 60)
    return {
      dueIn: () => this.lastCheckpoint + interval - performance.now(),
      save: (cursor, scores) => this.save(placeOf(cursor), scores),
    }
  }

  private async restore({ training, ...model }: Model & Extras): Promise<void> {
    const { network } = this.prepared
    const { handle } = network
    await network.write(model)
    await settle(() => handle.resetMoments())
    for (const arena of ['moment1', 'moment2', 'average'] as const) {
      const values = training?.[arena]
      // Zeros are there already; writing them would make the network hold memory it may never need.
      if (values?.some((value) => value !== 0)) await settle(() => handle.write(arena, values))
    }
  }
}
