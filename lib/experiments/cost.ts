/** What a plan will cost, before it starts: time from a short calibration on this machine, and room on the disk. */
import { existsSync } from 'node:fs'
import { statfs } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { addon } from '../../bindings/load.js'
import type { Device } from '../../bindings/native.js'
import { CoppiceError } from '../base/errors.js'
import { hashOf } from '../base/json.js'
import { totalWork } from '../compression/work.js'
import { Network } from '../models/network.js'
import { describeNetwork } from '../networks/describe.js'
import { natural, objectiveWork } from '../objectives/index.js'
import { train } from '../training/train.js'
import type { PlannedRun } from './plan.js'

export interface RunCost {
  readonly seconds: number
  readonly bytes: number
}

export interface Cost extends RunCost {
  readonly runs: ReadonlyMap<PlannedRun, RunCost>
}

interface Calibration {
  readonly device: Device
  /** CPU threads of a run. */
  readonly threads?: number | undefined
}

/**
 * What runs will take, one after the other. A network of each kind is trained on a few images; what an attack or a bound
 * costs besides is counted in passes through the network, so that where bounds are loose it may be twice as much.
 */
export async function costOf(runs: readonly PlannedRun[], calibration: Calibration): Promise<Cost> {
  const paces = new Map<string, number>()
  const costs = new Map<PlannedRun, RunCost>()
  for (const run of runs) {
    const key = hashOf(run.spec)
    const pace = paces.get(key) ?? (await secondsOfPass(run, calibration))
    paces.set(key, pace)
    costs.set(run, { seconds: pace * workOf(run), bytes: bytesOf(run) })
  }
  const sum = (of: (cost: RunCost) => number) => [...costs.values()].reduce((all, cost) => all + of(cost), 0)
  return { runs: costs, seconds: sum(({ seconds }) => seconds), bytes: sum(({ bytes }) => bytes) }
}

/** Images of a calibration: one batch to warm up, and those that count. */
const BATCH = 32
const TIMED = 64

/** Seconds of one image's pass through a network, as training takes it. */
const secondsOfPass = async (
  { spec, images }: PlannedRun,
  { device, threads }: Calibration,
): Promise<number> => {
  if (threads !== undefined) addon().setThreads(threads)
  const network = await Network.create(spec, { device, seed: 0 })
  try {
    const settings = { objective: natural(), epochs: 1, batchSize: BATCH, onWarning: () => undefined }
    await train(network, images.take(Math.min(BATCH, images.length)), settings)
    const timed = images.take(Math.min(TIMED, images.length))
    const start = performance.now()
    await train(network, timed, settings)
    return (performance.now() - start) / 1000 / timed.length / objectiveWork(natural())
  } finally {
    network.dispose()
  }
}

/** Passes of a run; one that takes its dense network from another neither trains nor evaluates it. */
const workOf = ({ resolved, task, images: { length } }: PlannedRun): number => {
  const images = { train: length, validation: 0 }
  const { prune: _, ...dense } = resolved
  const before = task.pretrained === undefined ? 0 : totalWork(dense, images)
  return totalWork(resolved, images) - before
}

/** Bytes of a run directory when the run is done: its networks, weights and masks, and what became of every image. */
const bytesOf = ({ resolved: { prune, evaluate, finetune }, spec }: PlannedRun): number => {
  const { parameters } = describeNetwork(spec)
  const networks = 1 + (prune === undefined ? 0 : finetune.length * (prune.milestones.length + 1))
  return networks * (5 * parameters + 60 * evaluate.images) + 65_536
}

/** @throws CoppiceError `ERR_FILE` where the disk of the folder has not enough room left */
export async function requireRoom(folder: string, bytes: number): Promise<void> {
  let place = resolve(folder)
  while (!existsSync(place)) place = dirname(place)
  const { bavail, bsize } = await statfs(place)
  const free = bavail * bsize
  if (bytes <= free) return
  throw new CoppiceError(
    'ERR_FILE',
    `the runs need ${gibibytes(bytes)}, but the disk of ${folder} has ${gibibytes(free)} left; choose another with -o`,
  )
}

const gibibytes = (bytes: number): string => `${(bytes / 2 ** 30).toFixed(1)} GiB`
