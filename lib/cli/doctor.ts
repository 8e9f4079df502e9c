/** `coppice doctor`: says what was found on this machine, for people or, with --json, for scripts. */
import { Command } from 'commander'
import { type Diagnosis, diagnose } from '../../bindings/doctor.js'
import { describeCandidate } from '../../bindings/libtorch.js'
import type { DeviceProbe } from '../../bindings/probe.js'

/** Exits with 1 when Coppice cannot be used here. */
export function doctorCommand(): Command {
  return new Command('doctor')
    .description('say what was found here: versions, libtorch, the addon, devices; and what is wrong')
    .option('--json', 'print one JSON object')
    .action(async ({ json }: { json?: boolean }) => {
      const diagnosis = await diagnose()
      const text = json ? JSON.stringify(diagnosis, null, 2) : describeDiagnosis(diagnosis).join('\n')
      process.stdout.write(`${text}\n`)
      if (!diagnosis.usable) process.exitCode = 1
    })
}

/** A diagnosis as lines of text. */
export function describeDiagnosis(diagnosis: Diagnosis): string[] {
  const { system, tools, environment, addon } = diagnosis
  return [
    `Coppice ${diagnosis.coppice}, Node ${diagnosis.node}, ${system.platform}, glibc ${system.glibc ?? 'none'}, kernel ${system.kernel}`,
    `${system.cpu}, ${system.cores} cores, ${gibibytes(system.memory)}`,
    `NVIDIA driver: ${system.nvidiaDriver ?? 'none'}`,
    '',
    'Tools',
    ...(['python', 'compiler', 'cmake', 'nvcc'] as const).map(
      (name) => `  ${name}: ${tools[name] ?? 'not found'}`,
    ),
    ...section(
      'Environment',
      Object.entries(environment).map(([name, value]) => `${name}=${value}`),
    ),
    ...section('libtorch', diagnosis.libtorch.map(describeCandidate)),
    ...section('Addon', 'problem' in addon ? ['not loaded'] : describeAddon(addon)),
    ...section('Devices', 'problem' in addon ? [] : addon.devices.map(describeDevice)),
    ...section(
      'Problems',
      diagnosis.problems.map((text) => text.replaceAll('\n', '\n  ')),
    ),
    '',
    diagnosis.usable ? 'Coppice can be used here.' : 'Coppice cannot be used here.',
  ]
}

function describeAddon(addon: Exclude<Diagnosis['addon'], { problem: string }>): string[] {
  const { file, info, libtorch, torch, threads } = addon
  return [
    file,
    `built against libtorch ${info.builtAgainst}, running on ${torch} in ${libtorch}`,
    `CUDA kernels: ${info.cudaKernels ? 'compiled in' : 'not compiled in'}; CUDA: ${info.cudaAvailable ? 'available' : 'not available'}`,
    `CPU kernels: ${info.cpuCapability}, ${threads} threads`,
  ]
}

const describeDevice = ({ device, name, memory, free, exercises, problem }: DeviceProbe): string => {
  const size = free === undefined ? gibibytes(memory) : `${gibibytes(free)} of ${gibibytes(memory)} free`
  const state =
    problem === undefined ? `works, ${exercises.length} things tried` : `does not work: ${problem}`
  return `${device}: ${name}, ${size}, ${state}`
}

const section = (title: string, lines: string[]): string[] =>
  lines.length === 0 ? [] : ['', title, ...lines.map((line) => `  ${line}`)]

const gibibytes = (bytes: number): string => `${(bytes / 2 ** 30).toFixed(1)} GiB`
