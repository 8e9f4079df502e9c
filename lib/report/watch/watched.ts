/** Runs as they go on: what is new is read from time to time, and nothing is ever written. */
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { metricsPath } from '../../runs/run.js'
import { readTail, START, type Tail } from '../../runs/tail.js'
import { findPlaces, withNames } from '../material/find.js'
import { HistoryReader } from '../material/history.js'
import { type RunFiles, readRunFiles, recordOf, sentence } from '../material/readRun.js'
import type { RunRecord } from '../material/record.js'

/** Readings between two looks for new runs. */
const LOOK_EVERY = 5

/** The runs that arguments name, also those that begin later. */
export class WatchedRuns {
  private readonly runs = new Map<string, WatchedRun>()
  private readings = 0
  /** Counts the changes that were seen. */
  version = 0
  records: readonly RunRecord[] = []

  constructor(private readonly paths: readonly string[]) {}

  /** Reads what is new. Resolves with whether anything is. */
  async read(): Promise<boolean> {
    let changed = false
    if (this.readings++ % LOOK_EVERY === 0 || this.runs.size === 0) changed = await this.look()
    for (const run of this.runs.values()) changed = (await run.read()) || changed
    if (!changed) return false
    this.records = withNames(
      [...this.runs.values()].map((run) => run.record),
      'run',
    )
    this.version++
    return true
  }

  /** Looks for runs that have begun, or are gone. */
  private async look(): Promise<boolean> {
    const found = new Set<string>()
    for (const path of this.paths) {
      // A run that is about to begin has no folder yet.
      const places = await findPlaces([path]).catch(() => undefined)
      for (const run of places?.runs ?? []) found.add(run)
    }
    const before = this.runs.size
    for (const path of this.runs.keys()) if (!found.has(path)) this.runs.delete(path)
    const left = this.runs.size
    for (const path of found) if (!this.runs.has(path)) this.runs.set(path, new WatchedRun(path))
    return left < before || this.runs.size > left
  }
}

/** One of them. */
class WatchedRun {
  private reader = new HistoryReader()
  private tail: Tail = START
  /** When the files besides the log changed, and whether a process works on the run. */
  private stamp = ''
  private files: RunFiles

  constructor(private readonly path: string) {
    this.files = {
      path,
      name: path,
      state: 'stopped',
      recipe: undefined,
      environment: undefined,
      result: undefined,
      faults: [],
    }
  }

  get record(): Omit<RunRecord, 'id'> {
    return recordOf(this.files, this.reader.history)
  }

  async read(): Promise<boolean> {
    const files = await readRunFiles(this.path)
    const stamp = `${files.state} ${['recipe.json', 'environment.json', 'result.json'].map((file) => modified(join(this.path, file)))}`
    const changed = stamp !== this.stamp
    if (changed) {
      this.stamp = stamp
      this.files = files
    }
    return (await this.readLog()) || changed
  }

  private async readLog(): Promise<boolean> {
    const path = metricsPath(this.path)
    if (modified(path) === 0) return false
    try {
      const tail = await this.readOn(path)
      if (tail !== undefined) {
        const grown = tail.bytes > this.tail.bytes
        this.tail = tail
        return grown
      }
      // The run went on from a checkpoint: what came after it is written again.
      this.reader = new HistoryReader()
      this.tail = START
      this.tail = (await this.readOn(path)) ?? START
      return true
    } catch (error) {
      const known = this.files.faults.includes(sentence(error))
      if (!known) this.files.faults.push(sentence(error))
      return !known
    }
  }

  private readOn(path: string): Promise<Tail | undefined> {
    return readTail(
      path,
      this.tail,
      (event) => this.reader.event(event),
      (fault) => this.reader.fault(fault),
    )
  }
}

const modified = (path: string): number => statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0
