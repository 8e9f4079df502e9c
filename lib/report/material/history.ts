/** What the log of a run tells of its training, in bounded memory however long it is. */
import type { RunEvent } from '../../runs/events.js'
import type { ResultRow } from '../../runs/result.js'

/** An epoch of pre-training. */
export interface EpochPoint {
  epoch: number
  loss: number
  /** Percent, on what the objective trained on. */
  accuracy: number
  learningRate: number
  time?: string | undefined
}

/** A step of pruning, with the fine-tuning after it where there was any. */
export interface StepPoint {
  branch: string
  step: number
  steps: number
  /** Fraction of the prunable weights that is zero. */
  sparsity: number
  loss?: number | undefined
  accuracy?: number | undefined
  time?: string | undefined
}

/** What happened in a run so far. */
export interface History {
  epochs: EpochPoint[]
  steps: StepPoint[]
  /** The networks that were evaluated. */
  rows: ResultRow[]
  warnings: string[]
  /** Times at which it was resumed. */
  resumes: number
  started?: string | undefined
  /** Time of the latest event. */
  latest?: string | undefined
  /** What is wrong with the log: the first few faults, and how many there are. */
  faults: string[]
  faultCount: number
  /** Whether only every so many-th point was kept. */
  thinned: boolean
}

/** Points of a kind that are kept: beyond, every second one is dropped, and again. */
const MOST_POINTS = 4096
const MOST_TOLD = 3
const MOST_ROWS = 1000

export const emptyHistory = (): History => ({
  ...{ epochs: [], steps: [], rows: [], warnings: [], faults: [] },
  ...{ resumes: 0, faultCount: 0, thinned: false },
})

/** Gathers the events of a log as they come. */
export class HistoryReader {
  readonly history = emptyHistory()
  /** Of `stride` points one is kept. */
  private kept = {
    epochs: { seen: 0, stride: 1, lastStays: true },
    steps: { seen: 0, stride: 1, lastStays: true },
  }

  fault(message: string): void {
    const { history } = this
    history.faultCount++
    if (history.faults.length < MOST_TOLD) history.faults.push(message)
  }

  event(event: RunEvent): void {
    const { history } = this
    const time = typeof event.time === 'string' ? event.time.slice(0, 40) : undefined
    history.latest = time ?? history.latest
    switch (event.event) {
      case 'start':
        history.started = time
        break
      case 'epoch':
        this.keep('epochs', { ...(event as unknown as EpochPoint), time })
        break
      case 'step':
        this.keep('steps', { ...(event as unknown as StepPoint), time })
        break
      case 'evaluation':
        if (history.rows.length < MOST_ROWS) history.rows.push(event as unknown as ResultRow)
        break
      case 'warning':
        if (history.warnings.length < MOST_ROWS) history.warnings.push(String(event.message))
        break
      case 'resume':
        history.resumes++
        break
    }
  }

  private keep<Kind extends 'epochs' | 'steps'>(kind: Kind, point: History[Kind][number]): void {
    const points = this.history[kind] as History[Kind][number][]
    const state = this.kept[kind]
    // The last point is always the latest one, also between those that stay.
    if (!state.lastStays) points.pop()
    state.lastStays = state.seen++ % state.stride === 0
    points.push(point)
    if (points.length < MOST_POINTS) return
    points.splice(0, points.length, ...points.filter((_, index) => index % 2 === 0), point)
    state.stride *= 2
    state.lastStays = false
    this.history.thinned = true
  }
}
