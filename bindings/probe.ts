/**
 * Loads the addon and tries on every device what training and verification use, as a child process of its own: a broken
 * CUDA build or driver that kills the process kills only this one. Forked by bindings/doctor.ts; answers by one message.
 */
import { cpus, totalmem } from 'node:os'
import { type Exercise, exercise } from './exercise.js'
import type { BuiltAgainst } from './libtorch.js'
import { binding } from './load.js'
import type { BuildInfo, Device, DeviceInfo, NativeAddon } from './native.js'

/** A device and what was tried on it. */
export interface DeviceProbe extends DeviceInfo {
  /** Bytes that nobody holds; absent where nothing could be tried. */
  free?: number
  exercises: Exercise[]
  /** The first thing that did not work, or was wrong, and the names of the others. */
  problem?: string
}

export interface Probe {
  file: string
  builtAgainst: BuiltAgainst
  libtorch: string
  torch: string
  cudaProblem?: string
  info: BuildInfo
  threads: number
  devices: DeviceProbe[]
}

/** What the child answers: the probe, or the error that stopped it. */
export type ProbeAnswer = { probe: Probe } | { error: string }

async function probe(): Promise<Probe> {
  const { addon, file, builtAgainst, libtorch, torch, cudaProblem } = binding()
  const info = addon.info()
  const cpu = { device: 'cpu', name: cpus()[0]?.model ?? 'CPU', memory: totalmem() }
  const devices: DeviceProbe[] = []
  for (const device of [cpu, ...info.cudaDevices]) devices.push(await tryDevice(addon, device))
  const problem = cudaProblem === undefined ? {} : { cudaProblem }
  return { file, builtAgainst, libtorch, torch, ...problem, info, threads: addon.getThreads(), devices }
}

async function tryDevice(addon: NativeAddon, found: DeviceInfo): Promise<DeviceProbe> {
  try {
    const exercises = await exercise(addon, found.device as Device)
    const { free } = addon.memory(found.device as Device)
    const wrong = exercises.flatMap(({ name, problem }) => (problem === undefined ? [] : [{ name, problem }]))
    const [first, ...others] = wrong
    if (first === undefined) return { ...found, free, exercises }
    const also = others.length === 0 ? '' : `; likewise ${others.map(({ name }) => name).join(', ')}`
    return { ...found, free, exercises, problem: `${first.name}: ${first.problem}${also}` }
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error)
    return { ...found, exercises: [], problem }
  }
}

if (process.send !== undefined && process.argv[2] === 'answer')
  probe()
    .then(
      (found): ProbeAnswer => ({ probe: found }),
      (error: unknown): ProbeAnswer => ({ error: error instanceof Error ? error.message : String(error) }),
    )
    .then((answer) => process.send?.(answer, () => process.disconnect()))
