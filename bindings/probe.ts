/**
 * Loads the addon and runs a tiny network on every device, as a child process of its own: a broken CUDA build or
 * driver that kills the process kills only this one. Forked by lib/doctor.ts; answers by one message.
 */
import { cpus, totalmem } from 'node:os'
import type { BuiltAgainst } from './libtorch.js'
import { binding } from './load.js'
import type { BuildInfo, Device, NativeAddon } from './native.js'
import type { NetworkSpec } from './spec.js'

/** A device and whether a network ran on it. */
export interface DeviceProbe {
  device: string
  name: string
  /** Bytes. */
  memory: number
  /** Why the network did not run, or ran wrong. */
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

const spec: NetworkSpec = {
  name: 'probe',
  input: [1, 2, 2],
  nodes: [
    { name: 'flat', op: 'flatten', inputs: ['image'] },
    { name: 'out', op: 'linear', inputs: ['flat'], features: 2, bias: true, init: 'torch' },
  ],
}

async function probe(): Promise<Probe> {
  const { addon, file, builtAgainst, libtorch, torch, cudaProblem } = binding()
  const info = addon.info()
  const cpu = { device: 'cpu', name: cpus()[0]?.model ?? 'CPU', memory: totalmem() }
  const devices: DeviceProbe[] = []
  for (const device of [cpu, ...info.cudaDevices]) devices.push(await tryDevice(addon, device))
  const problem = cudaProblem === undefined ? {} : { cudaProblem }
  return { file, builtAgainst, libtorch, torch, ...problem, info, threads: addon.getThreads(), devices }
}

async function tryDevice(addon: NativeAddon, found: DeviceProbe): Promise<DeviceProbe> {
  try {
    const device = found.device as Device
    const network = await addon.createNetwork(spec, { device, type: 'float32' }).promise
    const weights = Float32Array.of(1, 2, 3, 4, -1, -1, -1, -1, 0.5, 0.25)
    await network.write('parameters', weights).promise
    const image = Float32Array.of(1, 0.5, 0.25, 0)
    const logits = await addon.forward(network, image, { precision: 'fp32', training: false }).promise
    network.dispose()
    const right = Math.abs((logits[0] ?? 0) - 3.25) < 1e-5 && Math.abs((logits[1] ?? 0) + 1.5) < 1e-5
    return right ? found : { ...found, problem: `it computed [${logits.join(', ')}], not [3.25, -1.5]` }
  } catch (error) {
    return { ...found, problem: error instanceof Error ? error.message : String(error) }
  }
}

if (process.send !== undefined && process.argv[2] === 'answer')
  probe()
    .then(
      (found): ProbeAnswer => ({ probe: found }),
      (error: unknown): ProbeAnswer => ({ error: error instanceof Error ? error.message : String(error) }),
    )
    .then((answer) => process.send?.(answer, () => process.disconnect()))
