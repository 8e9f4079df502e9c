/** Where a run was computed: everything besides the recipe that could change its bits or its speed. */
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { cpus, hostname } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { z } from 'zod'
import { addon, binding } from '../../bindings/load.js'
import type { Device } from '../../bindings/native.js'
import { packageFolder, version } from '../base/version.js'

export interface Environment {
  coppice: string
  /** Commit of the sources, where they are a git checkout; `+` marks local changes. */
  commit?: string
  node: string
  /** Version of libtorch. */
  torch: string
  /** SIMD level of Coppice's CPU kernels. */
  cpuCapability: string
  cpu: string
  device: Device
  /** How many devices shared the batches of training, where there were several. */
  devices?: number
  /** Name of the GPU. */
  gpu?: string
  threads: number
  host: string
  platform: string
}

/** Of what a file says; what a later version adds is kept. */
export const environmentSchema = z.looseObject({
  coppice: z.string(),
  commit: z.exactOptional(z.string()),
  node: z.string(),
  torch: z.string(),
  cpuCapability: z.string(),
  cpu: z.string(),
  device: z.custom<Device>((value) => typeof value === 'string', 'expected a device'),
  devices: z.exactOptional(z.int()),
  gpu: z.exactOptional(z.string()),
  threads: z.int(),
  host: z.string(),
  platform: z.string(),
}) satisfies z.ZodType<Environment>

export async function describeEnvironment(
  device: Device,
  moreDevices: readonly Device[] = [],
): Promise<Environment> {
  const info = addon().info()
  const name = device === 'cuda' ? 'cuda:0' : device
  const gpu = info.cudaDevices.find((candidate) => candidate.device === name)
  const commit = await sourceCommit()
  return {
    coppice: version,
    ...(commit !== undefined && { commit }),
    node: process.version,
    torch: binding().torch,
    cpuCapability: info.cpuCapability,
    cpu: cpus()[0]?.model ?? 'unknown',
    device,
    ...(moreDevices.length > 0 && { devices: 1 + moreDevices.length }),
    ...(gpu !== undefined && { gpu: gpu.name }),
    threads: addon().getThreads(),
    host: hostname(),
    platform: `${process.platform}-${process.arch}`,
  }
}

/**
 * What differs between two environments in ways that may change the bits of the result. Which of a machine's GPUs it is
 * does not, if they are alike.
 */
export const environmentChanges = (before: Environment, now: Environment): string[] =>
  (['coppice', 'torch', 'device', 'devices', 'gpu', 'threads', 'cpuCapability'] as const)
    .filter((key) => numberless(before[key]) !== numberless(now[key]))
    .map((key) => `${key} ${before[key] ?? 'none'} → ${now[key] ?? 'none'}`)

const numberless = (value: string | number | undefined): string | number | undefined =>
  typeof value === 'string' ? value.replace(/^cuda:\d+$/, 'cuda') : value

const sourceCommit = async (): Promise<string | undefined> => {
  if (!existsSync(join(packageFolder, '.git'))) return undefined
  const git = promisify(execFile)
  try {
    const { stdout: commit } = await git('git', ['rev-parse', 'HEAD'], { cwd: packageFolder })
    const { stdout: changes } = await git('git', ['status', '--porcelain', '-uno'], { cwd: packageFolder })
    return commit.trim() + (changes === '' ? '' : '+')
  } catch {
    return undefined
  }
}
