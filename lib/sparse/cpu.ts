/** What identifies this machine's CPU and these kernels: measured times hold for no others. */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { binding } from '../../bindings/load.js'
import { version } from '../base/version.js'

/** The CPU and the addon that something was measured on. */
export interface Machine {
  /** For people: `AMD EPYC`. */
  cpu: string
  /** Short hash of all that tells CPUs apart; virtual machines give several the same name. */
  cpuHash: string
  /** `0.1.0-1a2b3c4d`: the package's version, and a hash of the addon's file. */
  addon: string
}

let known: Machine | undefined

/** This machine; read once. */
export const machine = (): Machine => {
  known ??= { ...thisCpu(), addon: `${version}-${hash(readFileSync(binding().file))}` }
  return known
}

const TELLING = ['vendor_id', 'cpu family', 'model', 'model name', 'stepping', 'cache size', 'flags']

const thisCpu = (): Pick<Machine, 'cpu' | 'cpuHash'> => {
  const cpu = cpus()[0]?.model.trim() || 'unknown CPU'
  return { cpu, cpuHash: hash(`${facts() ?? cpu} ${cpus().length}`) }
}

/** What Linux says of the first processor. */
const facts = (): string | undefined => {
  try {
    const lines = (readFileSync('/proc/cpuinfo', 'utf8').split('\n\n')[0] ?? '').split('\n')
    return lines.filter((line) => TELLING.includes(line.split('\t')[0]?.trim() ?? '')).join('\n')
  } catch {
    return undefined
  }
}

const hash = (data: string | Uint8Array): string =>
  createHash('sha256').update(data).digest('hex').slice(0, 8)
