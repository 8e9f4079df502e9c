/**
 * Loads the native addon on first use: picks an addon and a libtorch that fit each other, maps libtorch by absolute
 * path through the loader addon, then requires the addon. When that fails the error says what was tried and why not.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, resolve } from 'node:path'
import { CoppiceError } from '../lib/base/errors.js'
import { packageFolder } from '../lib/base/version.js'
import { type AddonCandidate, loadFailure } from './explain.js'
import { type BuiltAgainst, cudaPreloads, locateLibtorch, mismatch } from './libtorch.js'
import type { NativeAddon } from './native.js'

/** The addon in use, and what it runs on. */
export interface Binding {
  addon: NativeAddon
  /** The addon's file. */
  file: string
  builtAgainst: BuiltAgainst
  /** Folder of the mapped libtorch's libraries, and its version. */
  libtorch: string
  torch: string
  /** Why a CUDA libtorch could not map its CUDA libraries, so that only the CPU can be used. */
  cudaProblem?: string
}

/** The addon that maps libtorch (native/loader). */
interface Loader {
  open(path: string): void
  mapped(soname: string): string | null
  torchVersion(): string | null
  setDefault(name: string, value: string): void
}

let loaded: Binding | undefined

/** The native addon; loaded once, on the first call. Throws a CoppiceError `ERR_ADDON` that says what to do. */
export const addon = (): NativeAddon => binding().addon

/** The addon with what is known of it; loaded once, on the first call. */
export function binding(): Binding {
  loaded ??= loadBinding({ root: packageFolder, env: process.env })
  return loaded
}

/** Loads without keeping the result: `binding` with other places to look at. */
export function loadBinding(places: {
  root: string
  env: Readonly<Record<string, string | undefined>>
  system?: readonly string[]
}): Binding {
  checkPlatform()
  const tried: AddonCandidate[] = []
  for (const candidate of addonCandidates(places.root, places.env)) {
    tried.push(candidate)
    const { folder, builtAgainst } = candidate
    if (builtAgainst === undefined) continue
    const loader = requireAddon<Loader>(join(folder, 'loader', 'coppice-loader.node'), tried)
    const lib = mappedFolder(loader, candidate) ?? locate(places, candidate)
    if (lib === undefined) continue
    const cudaProblem = mapLibtorch(loader, lib, builtAgainst, tried)
    const file = join(folder, 'coppice.node')
    const native = requireAddon<NativeAddon>(file, tried)
    native.useErrorClass(CoppiceError)
    // process.exit() destroys libtorch's statics under a running job unless it is stopped first.
    process.once('exit', () => native.close())
    return {
      addon: native,
      file,
      builtAgainst,
      libtorch: lib,
      torch: loader.torchVersion() ?? builtAgainst.torch,
      ...(cudaProblem === undefined ? {} : { cudaProblem }),
    }
  }
  throw loadFailure(places.root, tried)
}

function checkPlatform(): void {
  const { platform, arch } = process
  if (platform !== 'linux' || arch !== 'x64')
    throw new CoppiceError('ERR_ADDON', `Coppice runs on Linux x64 with glibc; this is ${platform} ${arch}.`)
}

/** COPPICE_BINDING alone if set; else the local build, then the prebuilt addons, newest libtorch first. */
function addonCandidates(root: string, env: Readonly<Record<string, string | undefined>>): AddonCandidate[] {
  const override = env.COPPICE_BINDING
  if (override) {
    const path = resolve(override)
    return [addonCandidate(path.endsWith('.node') ? dirname(path) : path)]
  }
  const prebuilds = join(root, 'prebuilds', 'linux-x64')
  const names = existsSync(prebuilds)
    ? readdirSync(prebuilds).filter((name) => name.startsWith('torch-'))
    : []
  names.sort((a, b) => b.localeCompare(a, 'en', { numeric: true }))
  return [join(root, 'build', 'Release'), ...names.map((name) => join(prebuilds, name))].map(addonCandidate)
}

function addonCandidate(folder: string): AddonCandidate {
  if (!existsSync(join(folder, 'coppice.node'))) return { folder, refused: 'coppice.node is not there' }
  const builtAgainst = readBuiltAgainst(join(folder, 'coppice.json'))
  if (builtAgainst === undefined)
    return {
      folder,
      refused: 'coppice.json beside it, which says what it was built against, is missing or broken',
    }
  return { folder, builtAgainst }
}

function readBuiltAgainst(file: string): BuiltAgainst | undefined {
  try {
    const value: unknown = JSON.parse(readFileSync(file, 'utf8'))
    if (typeof value !== 'object' || value === null) return undefined
    const { torch, libtorch, cuda } = value as Record<string, unknown>
    if (typeof torch !== 'string' || typeof cuda !== 'boolean') return undefined
    return { torch, cuda, ...(typeof libtorch === 'string' ? { libtorch } : {}) }
  } catch {
    return undefined
  }
}

function locate(
  places: Parameters<typeof loadBinding>[0],
  candidate: AddonCandidate & { builtAgainst?: BuiltAgainst },
): string | undefined {
  const { builtAgainst } = candidate
  if (builtAgainst === undefined) return undefined
  const { found, tried } = locateLibtorch({ ...places, purpose: 'run', builtAgainst })
  candidate.libtorch = tried
  if (found === undefined)
    candidate.refused = `it was built against libtorch ${builtAgainst.torch}, and none fits`
  return found?.lib
}

/** A process has one libtorch: a worker thread takes the one that is mapped already. */
function mappedFolder(loader: Loader, candidate: AddonCandidate): string | undefined {
  const file = loader.mapped('libtorch_cpu.so')
  if (file === null || candidate.builtAgainst === undefined) return undefined
  const lib = dirname(file)
  const version = loader.torchVersion()
  const cuda = existsSync(join(lib, 'libtorch_cuda.so'))
  const problem = version === null ? undefined : mismatch(version, cuda, candidate.builtAgainst)
  if (problem !== undefined)
    throw new CoppiceError('ERR_ADDON', `This process has already mapped ${file}: ${problem}.`)
  return lib
}

/** Maps libtorch and all it needs; returns why its CUDA part could not be mapped, where that can be borne. */
function mapLibtorch(
  loader: Loader,
  lib: string,
  built: BuiltAgainst,
  tried: AddonCandidate[],
): string | undefined {
  // Spinning OpenMP threads cost more than half of the throughput when the machine is busy.
  loader.setDefault('OMP_WAIT_POLICY', 'passive')
  // Products of matrices have the same bits every time only with workspaces of a size that is stated.
  loader.setDefault('CUBLAS_WORKSPACE_CONFIG', ':4096:8')
  const cuda = existsSync(join(lib, 'libtorch_cuda.so'))
  if (cuda) for (const library of cudaPreloads(dirname(lib))) attempt(() => loader.open(library))
  try {
    // libtorch's own OpenMP runtime before the system's: there must be only one.
    for (const name of ['libgomp.so.1', 'libc10.so', 'libtorch_cpu.so'])
      if (name !== 'libgomp.so.1' || existsSync(join(lib, name))) loader.open(join(lib, name))
  } catch (error) {
    throw loadFailure(packageFolder, tried, error)
  }
  const version = loader.torchVersion()
  const problem = version === null ? undefined : mismatch(version, cuda, built)
  if (problem !== undefined)
    throw new CoppiceError('ERR_ADDON', `${lib} states another version than it has: ${problem}.`)
  if (!cuda) return undefined
  const cudaError = attempt(() => {
    for (const name of ['libc10_cuda.so', 'libtorch_cuda.so']) loader.open(join(lib, name))
  })
  if (cudaError !== undefined && built.cuda) throw loadFailure(packageFolder, tried, cudaError)
  return cudaError?.message
}

function attempt(action: () => void): Error | undefined {
  try {
    action()
    return undefined
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error))
  }
}

function requireAddon<T>(file: string, tried: AddonCandidate[]): T {
  try {
    return createRequire(join(packageFolder, 'package.json'))(file) as T
  } catch (error) {
    throw loadFailure(packageFolder, tried, error)
  }
}
