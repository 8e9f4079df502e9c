/** Progress of long work on stderr: a bar with rate and time left; without a terminal, plain lines now and then. */

import { MultiBar, type SingleBar } from 'cli-progress'
import { formatSeconds } from '../base/numbers.js'
import { note } from './output.js'

export interface Progress {
  label: string
  /** Images (or bytes, or what the display counts) done in this phase, and how many it has. */
  done: number
  total: number
  loss?: number
  /** Fraction of all the work. */
  fraction: number
}

export interface ProgressDisplay {
  update(progress: Progress): void
  /** A line that stays. */
  log(line: string): void
  stop(): void
}

const WIDTH = 1000
const PLAIN_INTERVAL_MS = 20_000

/** A display for one command; `stop` it before anything else is printed. */
export const progressDisplay = (
  unit: 'images' | 'bytes' | 'trials' | 'measurements' | 'tasks' = 'images',
): ProgressDisplay => (process.stderr.isTTY ? barDisplay(unit) : plainDisplay(unit))

const barDisplay = (unit: string): ProgressDisplay => {
  const bars = new MultiBar({
    format: '{label} [{bar}] {percentage} % | {rate} | {left}{loss}',
    stream: process.stderr,
    barCompleteChar: '█',
    barIncompleteChar: '░',
    barsize: 24,
    hideCursor: true,
    gracefulExit: false,
    clearOnComplete: true,
    fps: 8,
  })
  const pace = paceMeter(unit)
  let bar: SingleBar | undefined
  return {
    update: (progress) => {
      const { rate, left } = pace(progress)
      const loss = progress.loss === undefined ? '' : ` | loss ${progress.loss.toFixed(3)}`
      const payload = { label: progress.label, rate, left, loss }
      bar ??= bars.create(WIDTH, 0, payload)
      bar.update(Math.floor(progress.fraction * WIDTH), payload)
    },
    log: (line) => (bar === undefined ? note(line) : bars.log(`${line}\n`)),
    stop: () => bars.stop(),
  }
}

const plainDisplay = (unit: string): ProgressDisplay => {
  const pace = paceMeter(unit)
  let last = performance.now()
  return {
    update: (progress) => {
      const { rate, left } = pace(progress)
      if (performance.now() - last < PLAIN_INTERVAL_MS) return
      last = performance.now()
      note(`${progress.label}: ${Math.floor(progress.fraction * 100)} % of all, ${rate}, ${left}`)
    },
    log: note,
    stop: () => undefined,
  }
}

/** Rate over the last seconds of a phase, and the time left at the pace of this process so far. */
const paceMeter = (unit: string): ((progress: Progress) => { rate: string; left: string }) => {
  let first: { time: number; fraction: number } | undefined
  let label = ''
  let samples: { time: number; done: number }[] = []
  return (progress) => {
    const time = performance.now()
    first ??= { time, fraction: progress.fraction }
    if (progress.label !== label) {
      label = progress.label
      samples = []
    }
    samples = [...samples.filter((sample) => time - sample.time < 10_000), { time, done: progress.done }]
    const oldest = samples[0]
    const span = oldest === undefined ? 0 : (time - oldest.time) / 1000
    const rate = oldest === undefined || span < 0.2 ? undefined : (progress.done - oldest.done) / span
    const elapsed = (time - first.time) / 1000
    const gained = progress.fraction - first.fraction
    const left = elapsed < 2 || gained <= 0 ? undefined : (elapsed / gained) * (1 - progress.fraction)
    return {
      rate: rate === undefined || rate <= 0 ? '…' : `${significant(rate)} ${unit}/s`,
      left: left === undefined ? '…' : `${formatSeconds(left)} left`,
    }
  }
}

const significant = (value: number): string => {
  if (value >= 1e6) return `${(value / 1e6).toPrecision(3)} M`
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3)
}
