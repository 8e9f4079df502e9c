/**
 * Finds libtorch: one answer for the build scripts and for the loader at run time. Every place looked at is a
 * candidate, with the reason why it was refused. Imports node built-ins only, since the build uses it first.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'

/** Places in the order in which they are looked at; `build` is the one the addon was built against. */
export type LibtorchSource = 'COPPICE_LIBTORCH' | 'LIBTORCH' | 'python' | 'system' | 'project' | 'build'

/** A place where libtorch may be. It can be used unless `refused` says why not. */
export interface LibtorchCandidate {
  source: LibtorchSource
  /** Folder that holds include/ and lib/; absent when the source names no folder. */
  path?: string
  /** Folder of the shared libraries. */
  lib?: string
  /** As libtorch states it, for example `2.13.0+cpu`. */
  version?: string
  /** Whether it can drive CUDA devices, and the CUDA version it was compiled for, where it states one. */
  cuda: boolean
  cudaVersion?: string
  /** Why it cannot be used, as the end of a sentence. */
  refused?: string
}

/** A candidate that was not refused. */
export type Libtorch = LibtorchCandidate & { path: string; lib: string; version: string }

/** What an addon was compiled against; stored beside it as coppice.json. */
export interface BuiltAgainst {
  torch: string
  /** Folder of the libtorch it was compiled with; absent in prebuilt addons. */
  libtorch?: string
  /** Whether Coppice's own CUDA kernels are in it, which need a CUDA libtorch. */
  cuda: boolean
}

export interface LocateOptions {
  /** Folder of Coppice's package.json. */
  root: string
  /** `build` needs headers too. */
  purpose: 'build' | 'run'
  /** The addon that is to run on it. Without it every supported version is accepted. */
  builtAgainst?: BuiltAgainst
  env?: Readonly<Record<string, string | undefined>>
  /** Folders in which a system-wide libtorch may be. */
  system?: readonly string[]
}

/** The libtorch versions that Coppice supports, inclusive, as [major, minor]. */
export const supportedTorch = { first: [2, 9], last: [2, 13] } as const

const supportedText = `${supportedTorch.first.join('.')} to ${supportedTorch.last.join('.')}`

const systemFolders = [
  '/usr/lib/libtorch',
  '/usr/local/lib/libtorch',
  '/usr/local/libtorch',
  '/opt/libtorch',
  '/usr/local',
  '/usr',
]

/** All places, lazily: a caller that takes the first usable one does not ask Python needlessly. */
export function* libtorchCandidates(options: LocateOptions): Generator<LibtorchCandidate> {
  const env = options.env ?? process.env
  for (const name of ['COPPICE_LIBTORCH', 'LIBTORCH'] as const) {
    const value = env[name]
    yield value ? inspect(name, resolve(value), options) : refuse(name, 'not set')
  }
  yield pythonCandidate(env, options)

  const folders = options.system ?? systemFolders
  const present = folders.filter((folder) => libFolder(folder) !== undefined)
  for (const folder of present) yield inspect('system', folder, options)
  if (present.length === 0) yield refuse('system', `no libtorch in ${folders.join(', ')}`)

  const own = join(options.root, '.libtorch', 'torch')
  yield existsSync(own) ? inspect('project', own, options) : refuse('project', `${own} is not there`)

  const built = options.builtAgainst?.libtorch
  if (built !== undefined) yield inspect('build', built, options)
}

/** The first usable libtorch, and all candidates up to it. */
export function locateLibtorch(options: LocateOptions): { found?: Libtorch; tried: LibtorchCandidate[] } {
  const tried: LibtorchCandidate[] = []
  for (const candidate of libtorchCandidates(options)) {
    tried.push(candidate)
    if (isUsable(candidate)) return { found: candidate, tried }
  }
  return { tried }
}

/** Narrows a candidate that was not refused. */
export const isUsable = (candidate: LibtorchCandidate): candidate is Libtorch =>
  candidate.refused === undefined

/** One line for people: `python: /opt/venv/.../torch, libtorch 2.13.0+cpu`, or the reason why not. */
export function describeCandidate(candidate: LibtorchCandidate): string {
  const { source, path, version, refused } = candidate
  if (path === undefined) return `${source}: ${refused}`
  if (refused !== undefined) return `${source}: ${path}: refused, ${refused}`
  return `${source}: ${path}: libtorch ${version}${candidate.cuda ? ' with CUDA' : ''}`
}

/** `2.13` of `2.13.0+cpu`. */
export const majorMinor = (version: string): string => version.split('.').slice(0, 2).join('.')

/** Why an addon cannot run on this libtorch, or undefined if it can. */
export function mismatch(version: string, cuda: boolean, built: BuiltAgainst): string | undefined {
  const wanted = majorMinor(built.torch)
  if (majorMinor(version) !== wanted)
    return `it is libtorch ${version}, but the addon was built against ${wanted}; point COPPICE_LIBTORCH to a ${wanted} or run 'npm run build:native'`
  if (built.cuda && !cuda)
    return `it is a CPU build, but the addon was built with CUDA kernels; point COPPICE_LIBTORCH to a CUDA build of ${wanted} or run 'npm run build:native'`
  return undefined
}

const refuse = (source: LibtorchSource, refused: string): LibtorchCandidate => ({
  source,
  cuda: false,
  refused,
})

function inspect(source: LibtorchSource, path: string, options: LocateOptions): LibtorchCandidate {
  const lib = libFolder(path)
  if (lib === undefined) return { source, path, cuda: false, refused: whyNoLibrary(path) }
  const cuda = existsSync(join(lib, 'libtorch_cuda.so'))
  const stated = readVersion(path)
  if (stated === undefined)
    return {
      source,
      path,
      lib,
      cuda,
      refused: 'neither version.py, build-version nor its headers state a version',
    }
  const refused = whyRefused(path, lib, stated.version, cuda, options)
  return { source, path, lib, cuda, ...stated, ...(refused === undefined ? {} : { refused }) }
}

function whyRefused(
  path: string,
  lib: string,
  version: string,
  cuda: boolean,
  { purpose, builtAgainst }: LocateOptions,
): string | undefined {
  if (!existsSync(join(lib, 'libc10.so'))) return `${join(lib, 'libc10.so')} is missing`
  if (!isSupported(version)) return `it is libtorch ${version}; ${supportedText} are supported`
  if (purpose === 'build' && !existsSync(join(path, 'include/torch/csrc/api/include/torch/torch.h')))
    return 'its C++ headers are missing (include/torch/csrc/api/include/torch/torch.h)'
  return builtAgainst === undefined ? undefined : mismatch(version, cuda, builtAgainst)
}

function whyNoLibrary(path: string): string {
  if (!existsSync(path)) return 'the folder is not there'
  if (!statSync(path).isDirectory()) return 'it is not a folder'
  for (const nearby of [join(path, 'torch'), join(path, 'libtorch'), dirname(path)])
    if (libFolder(nearby) !== undefined) return `lib/libtorch_cpu.so is missing; ${nearby} has it`
  return 'lib/libtorch_cpu.so is missing'
}

function libFolder(path: string): string | undefined {
  return ['lib', 'lib/x86_64-linux-gnu', 'lib64']
    .map((name) => join(path, name))
    .find((folder) => existsSync(join(folder, 'libtorch_cpu.so')))
}

function isSupported(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map((part) => Number.parseInt(part, 10))
  const { first, last } = supportedTorch
  return major === first[0] && minor >= first[1] && minor <= last[1]
}

/** Read as text, no interpreter needed: pip's wheels have version.py, libtorch archives build-version. */
function readVersion(path: string): { version: string; cudaVersion?: string } | undefined {
  const python = readText(join(path, 'version.py'))
  const version = /^__version__ = '([^']+)'/m.exec(python)?.[1]
  if (version !== undefined) {
    const cuda = /^cuda\b[^=]*= '([^']+)'/m.exec(python)?.[1]
    return cuda === undefined ? { version } : { version, cudaVersion: cuda }
  }
  const archive = readText(join(path, 'build-version')).trim()
  if (/^\d+\.\d+/.test(archive)) {
    const digits = /\+cu(\d+)(\d)$/.exec(archive)
    return digits ? { version: archive, cudaVersion: `${digits[1]}.${digits[2]}` } : { version: archive }
  }
  for (const header of ['torch/headeronly/version.h', 'torch/csrc/api/include/torch/version.h']) {
    const stated = /#define TORCH_VERSION\b\s*\\?\s*"([^"]+)"/.exec(
      readText(join(path, 'include', header)),
    )?.[1]
    if (stated !== undefined) return { version: stated }
  }
  return undefined
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}

/** Asks the active Python where torch is, without importing it. The working directory must not count. */
const findTorch = `import sys
sys.path = [p for p in sys.path if p]
import importlib.util
spec = importlib.util.find_spec('torch')
print(sys.executable)
print(next(iter(spec.submodule_search_locations or []), '') if spec else '')`

function pythonCandidate(env: NonNullable<LocateOptions['env']>, options: LocateOptions): LibtorchCandidate {
  const active = env.VIRTUAL_ENV
  const python = active ? join(active, 'bin', 'python3') : 'python3'
  try {
    const [executable = python, path = ''] = ask(python, { ...env }).split('\n')
    return path === '' ? refuse('python', `${executable} has no torch`) : inspect('python', path, options)
  } catch (error) {
    return refuse('python', `${python}: ${error instanceof Error ? error.message : String(error)}`)
  }
}

function ask(python: string, env: Record<string, string | undefined>): string {
  const { error, status, stdout, stderr } = spawnSync(python, ['-c', findTorch], {
    env,
    encoding: 'utf8',
    timeout: 20_000,
  })
  if (error !== undefined) throw 'code' in error && error.code === 'ENOENT' ? new Error('not found') : error
  if (status !== 0) throw new Error(`failed, ${stderr.trim().split('\n').at(-1)}`)
  return stdout.trim()
}

/** CUDA libraries that pip installs apart from torch, in the order in which torch maps them (_preload_cuda_deps). */
const cudaLibraries = [
  'libcublasLt',
  'libcublas',
  'libcudnn',
  'libnvrtc',
  'libnvrtc-builtins',
  'libcudart',
  'libcupti',
  'libcufft',
  'libcurand',
  'libnvJitLink',
  'libcusparse',
  'libcusparseLt',
  'libcusolver',
  'libnccl',
  'libnvshmem_host',
  'libcufile',
  'libnvToolsExt',
]

/** Absolute paths of the libraries to map before a pip-installed CUDA libtorch; empty for other layouts. */
export function cudaPreloads(path: string): string[] {
  const vendor = join(dirname(path), 'nvidia')
  if (!existsSync(vendor)) return []
  const files = readdirSync(vendor)
    .map((name) => join(vendor, name, 'lib'))
    .filter((folder) => existsSync(folder))
    .flatMap((folder) => readdirSync(folder).map((name) => join(folder, name)))
  return cudaLibraries.flatMap((library) => {
    const versioned = files.find((file) => file.includes(`/${library}.so.`))
    return versioned === undefined ? [] : [versioned]
  })
}
