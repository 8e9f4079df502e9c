/** What a bug report needs: versions, every libtorch and why it was refused, the addon, and which devices work. */
import { fork, spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { availableParallelism, cpus, release, totalmem } from 'node:os'
import { join } from 'node:path'
import { packageFolder, version } from '../lib/base/version.js'
import { type LibtorchCandidate, libtorchCandidates } from './libtorch.js'
import type { Probe, ProbeAnswer } from './probe.js'

export interface Diagnosis {
  /** Whether networks can be trained here, on the CPU at least. */
  usable: boolean
  /** What is wrong, and what to do; empty when all is well. */
  problems: string[]
  coppice: string
  node: string
  system: {
    platform: string
    kernel: string
    /** Absent where the C library is another one. */
    glibc?: string
    cpu: string
    cores: number
    /** Bytes. */
    memory: number
    /** As the NVIDIA driver states it; absent without one. */
    nvidiaDriver?: string
  }
  /** First line of each tool's version; absent where it is not on the PATH. */
  tools: { python?: string; compiler?: string; cmake?: string; nvcc?: string }
  /** Variables that change what is found or how fast it runs. */
  environment: Record<string, string>
  /** Every place where libtorch was looked for, in order, with the reason why it was refused. */
  libtorch: LibtorchCandidate[]
  /** The addon as it loaded in a child process, with the devices tried; or why it did not load. */
  addon: Probe | { problem: string }
}

/** Examines this machine and installation. Never throws for what it finds: that is in `problems`. */
export async function diagnose(): Promise<Diagnosis> {
  const addon = await probeInChild()
  const loaded = 'problem' in addon ? undefined : addon
  const builtAgainst = loaded === undefined ? {} : { builtAgainst: loaded.builtAgainst }
  const libtorch = [...libtorchCandidates({ root: packageFolder, purpose: 'run', ...builtAgainst })]
  const system = examineSystem()
  return {
    usable: loaded?.devices.some(({ device, problem }) => device === 'cpu' && problem === undefined) ?? false,
    problems: problemsOf(addon, system.nvidiaDriver !== undefined),
    coppice: version,
    node: process.version,
    system,
    tools: examineTools(),
    environment: relevantEnvironment(),
    libtorch,
    addon,
  }
}

/** Loads the addon in a child process, so that one that crashes cannot take the caller with it. */
async function probeInChild(): Promise<Probe | { problem: string }> {
  const script = join(packageFolder, 'dist', 'bindings', 'probe.js')
  if (!existsSync(script))
    return { problem: `${script} is not there: run 'npm run setup' in ${packageFolder}.` }
  const child = fork(script, ['answer'], { stdio: ['ignore', 'ignore', 'pipe', 'ipc'], timeout: 300_000 })
  let answer: ProbeAnswer | undefined
  let complaints = ''
  child.on('message', (message) => {
    answer = message as ProbeAnswer
  })
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    complaints += text
  })
  const [code, signal] = await new Promise<[number | null, NodeJS.Signals | null]>((resolve) => {
    child.once('error', () => resolve([null, null]))
    child.once('close', (exitCode, exitSignal) => resolve([exitCode, exitSignal]))
  })
  if (answer !== undefined) return 'probe' in answer ? answer.probe : { problem: answer.error }
  const how = signal === null ? `exit code ${code}` : signal
  return {
    problem: `The process that loaded the addon ended with ${how}. ${complaints.trim().slice(-2000)}`.trim(),
  }
}

function problemsOf(addon: Probe | { problem: string }, hasDriver: boolean): string[] {
  if ('problem' in addon) return [addon.problem]
  const problems = addon.devices.flatMap(({ device, name, problem }) =>
    problem === undefined ? [] : [`${device} (${name}) does not work: ${problem}`],
  )
  if (addon.cudaProblem !== undefined)
    problems.push(
      `libtorch's CUDA libraries could not be mapped, so only the CPU is used: ${addon.cudaProblem}`,
    )
  if (addon.info.cudaAvailable && !addon.info.cudaKernels)
    problems.push(
      "CUDA is available, but Coppice's CUDA kernels are not compiled in: install nvcc, then run 'npm run build:native -- --cuda'.",
    )
  if (!hasDriver || addon.info.cudaAvailable) return problems
  problems.push(
    existsSync(join(addon.libtorch, 'libtorch_cuda.so'))
      ? 'An NVIDIA driver is here, but libtorch sees no device: the driver may be too old for this CUDA version, or CUDA_VISIBLE_DEVICES hides them.'
      : "An NVIDIA driver is here, but this libtorch is a CPU build: run 'npm run setup -- --cuda', or point COPPICE_LIBTORCH to a CUDA build.",
  )
  return problems
}

function examineSystem(): Diagnosis['system'] {
  const report: unknown = process.report?.getReport()
  const { header } = (report ?? {}) as { header?: { glibcVersionRuntime?: string } }
  const glibc = header?.glibcVersionRuntime
  const driver = readDriver()
  return {
    platform: `${process.platform} ${process.arch}`,
    kernel: release(),
    ...(glibc === undefined ? {} : { glibc }),
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: availableParallelism(),
    memory: totalmem(),
    ...(driver === undefined ? {} : { nvidiaDriver: driver }),
  }
}

function readDriver(): string | undefined {
  try {
    const text = readFileSync('/proc/driver/nvidia/version', 'utf8')
    return /Kernel Module\D*([\d.]+)/.exec(text)?.[1] ?? text.split('\n')[0]
  } catch {
    return undefined
  }
}

function examineTools(): Diagnosis['tools'] {
  const found = {
    python: versionOf('python3', /Python.*/),
    compiler: versionOf(process.env.CXX || 'c++', /.+/),
    cmake: versionOf('cmake', /cmake version.*/),
    nvcc: versionOf('nvcc', /release.*/),
  }
  return Object.fromEntries(Object.entries(found).filter(([, text]) => text !== undefined))
}

function versionOf(program: string, line: RegExp): string | undefined {
  const { status, stdout } = spawnSync(program, ['--version'], { encoding: 'utf8', timeout: 20_000 })
  return status === 0 ? line.exec(stdout)?.[0] : undefined
}

function relevantEnvironment(): Record<string, string> {
  const relevant =
    /^(COPPICE_|LIBTORCH$|CUDA|NVIDIA_VISIBLE|OMP_|MKL_|KMP_|GOMP_|LD_LIBRARY_PATH$|LD_PRELOAD$|VIRTUAL_ENV$|CONDA_PREFIX$|NODE_OPTIONS$|MALLOC_|PYTORCH_|TORCH)/
  const entries = Object.entries(process.env).flatMap(([name, value]) =>
    value !== undefined && relevant.test(name) ? [[name, value] as const] : [],
  )
  return Object.fromEntries(entries.sort(([a], [b]) => a.localeCompare(b)))
}
