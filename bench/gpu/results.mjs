// What the stages find: rows by stage and name, kept in a file as they come.
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs'

export class Results {
  /** Whether something was left for the next call, or failed. */
  unfinished = false

  /** `deadline`, in milliseconds of performance.now(): nothing begins after it. */
  constructor(file, stage, deadline) {
    this.file = file
    this.stage = stage
    this.deadline = deadline
  }

  static read(file) {
    return existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : {}
  }

  static write(file, stage, name, row) {
    const all = Results.read(file)
    all[stage] = { ...all[stage], [name]: row }
    writeFileSync(`${file}.partial`, `${JSON.stringify(all, null, 2)}\n`)
    renameSync(`${file}.partial`, file)
  }

  /** Why a stage ended before its time, if it did. */
  static note(file, stage, problem) {
    Results.write(file, stage, 'stage', problem === undefined ? undefined : { problem })
  }

  /** Seconds that are left. */
  left() {
    return (this.deadline - performance.now()) / 1000
  }

  /** A row: the one that is there, or what `work` gives now, or an object with the problem; undefined if time is up. */
  async row(name, work) {
    const known = Results.read(this.file)[this.stage]?.[name]
    if (known !== undefined && known.problem === undefined) return known
    if (this.left() <= 0) {
      this.unfinished = true
      return undefined
    }
    let row
    try {
      row = await work()
    } catch (error) {
      this.unfinished = true
      row = { problem: String(error.message).split('\n')[0] }
    }
    console.error(`  ${name}: ${row.problem ?? 'done'}`)
    Results.write(this.file, this.stage, name, row)
    return row
  }
}

export const median = (numbers) => {
  const sorted = numbers.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}
