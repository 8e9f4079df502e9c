/** What to say when the addon cannot be loaded: what was tried, why each was refused, and what to do. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { CoppiceError } from '../lib/base/errors.js'
import { type BuiltAgainst, describeCandidate, type LibtorchCandidate } from './libtorch.js'

/** An addon that may be there, the libtorches tried for it, and why it is not used. */
export interface AddonCandidate {
  folder: string
  builtAgainst?: BuiltAgainst
  libtorch?: LibtorchCandidate[]
  refused?: string
}

/** The error of a failed load. `cause` is what the dynamic linker or Node said, if it came to that. */
export function loadFailure(root: string, tried: AddonCandidate[], cause?: unknown): CoppiceError {
  const lines = ["Coppice's native addon could not be loaded."]
  const reason = cause instanceof Error ? cause.message : undefined
  if (reason !== undefined) lines.push(`  ${reason}`)
  lines.push('Tried:')
  for (const { folder, refused, libtorch = [] } of tried) {
    lines.push(`  ${join(folder, 'coppice.node')}${refused === undefined ? '' : `: ${refused}`}`)
    for (const candidate of libtorch) lines.push(`    ${describeCandidate(candidate)}`)
  }
  lines.push('What to do:', ...advice(root, reason).map((line) => `  - ${line}`))
  return new CoppiceError('ERR_ADDON', lines.join('\n'), cause === undefined ? undefined : { cause })
}

function advice(root: string, reason = ''): string[] {
  if (glibcVersion() === undefined)
    return ['use a system with glibc: this one has another C library (musl?), for which there is no libtorch']
  if (/ERR_DLOPEN_DISABLED|Cannot load native addon because loading addons is disabled/.test(reason))
    return ['run node with --allow-addons']
  if (/GLIBC_|GLIBCXX_|CXXABI_/.test(reason))
    return [
      `this system's C or C++ runtime is too old for it (glibc ${glibcVersion()}): build the addon here with 'npm run build:native'`,
      'if libtorch is what asks for it, install an older libtorch or a newer system',
    ]
  if (/undefined symbol/.test(reason))
    return ["the addon was compiled with other headers than this libtorch's: run 'npm run build:native'"]
  if (/file too short|invalid ELF|cannot open shared object/.test(reason))
    return [
      'a library is damaged or missing: install that libtorch again, or point COPPICE_LIBTORCH to another',
    ]
  return [
    setupCommand(root),
    'or point COPPICE_LIBTORCH to a fitting libtorch (the torch folder of a Python, or an unpacked libtorch)',
  ]
}

/** A clone, an unpacked bundle and an installed package are set up differently. */
function setupCommand(root: string): string {
  if (existsSync(join(root, 'install.sh')))
    return `run ./install.sh in ${root}: it builds the addon against the torch of python3`
  if (existsSync(join(root, 'package-lock.json')))
    return `run 'npm run setup' in ${root}: it installs a libtorch if none is found, and builds the addon against it`
  return `install a torch (python3 -m pip install torch), then run 'npm run build:native' in ${root}`
}

function glibcVersion(): string | undefined {
  const report: unknown = process.report?.getReport()
  const header =
    typeof report === 'object' && report !== null ? (report as { header?: unknown }).header : undefined
  const version = (header as { glibcVersionRuntime?: unknown } | undefined)?.glibcVersionRuntime
  return typeof version === 'string' ? version : undefined
}
