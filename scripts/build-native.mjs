// Builds the native addon against the libtorch that bindings/libtorch.ts finds:
//   node scripts/build-native.mjs [--libtorch FOLDER] [--cuda | --no-cuda] [--out FOLDER] [--prebuild] [--debug]
// Uses cmake-js where it is installed, and cmake alone where it is not (the offline bundle).
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import {
  capture,
  compileJobs,
  Failure,
  libtorchModule,
  main,
  require,
  root,
  run,
  say,
  unlessStamped,
  which,
} from './common.mjs'

/**
 * Builds against the libtorch `found`; resolves with the folder that holds coppice.node. `cuda`: 'auto' compiles the
 * CUDA kernels when libtorch is a CUDA build and nvcc works; 'on' fails where they cannot be compiled; 'off' leaves
 * them out.
 */
export async function buildNative({ found, cuda = 'auto', out = 'build', prebuild = false, debug = false }) {
  const workFolder = resolve(root, out)
  const type = debug ? 'Debug' : 'Release'
  const decision = await decideCuda(found, cuda)
  say(`CUDA kernels: ${decision.on ? `yes, ${decision.reason}` : `no, ${decision.reason}`}`)

  const builtAgainst = {
    torch: found.version,
    cuda: decision.on,
    ...(prebuild ? {} : { libtorch: found.path }),
  }
  const definitions = {
    COPPICE_LIBTORCH: found.path,
    COPPICE_LIBTORCH_LIB: found.lib,
    COPPICE_BUILT_AGAINST: JSON.stringify(builtAgainst),
    COPPICE_CUDA: decision.on ? 'ON' : 'OFF',
    COPPICE_PREBUILD: prebuild ? 'ON' : 'OFF',
    ...(decision.on ? { CMAKE_CUDA_COMPILER: decision.nvcc } : {}),
    ...(process.env.COPPICE_CUDA_ARCHITECTURES
      ? { CMAKE_CUDA_ARCHITECTURES: process.env.COPPICE_CUDA_ARCHITECTURES }
      : {}),
  }
  const cmake = await cmakeDriver(workFolder, type, definitions)
  const stamp = JSON.stringify([definitions, type, cmake.name, process.env.CXX ?? ''])
  const stampFile = join(workFolder, '.configured')
  await unlessStamped(stampFile, stamp, async () => {
    // Another libtorch may lie at the same path, and cmake keeps what it found the first time.
    const known = !existsSync(workFolder) || existsSync(join(workFolder, 'CMakeCache.txt'))
    if (!known && readdirSync(workFolder).length > 0)
      throw new Failure(`${workFolder} holds something else than a build; name another folder with --out.`)
    rmSync(workFolder, { recursive: true, force: true })
    await cmake.configure()
  })
  await cmake.build()
  return join(workFolder, 'Release')
}

/** The first libtorch that can be built against; prints what was looked at. */
async function locate() {
  const { describeCandidate, locateLibtorch } = await libtorchModule()
  const { found, tried } = locateLibtorch({ root, purpose: 'build' })
  say('libtorch:')
  for (const candidate of tried) say(`  ${describeCandidate(candidate)}`)
  if (found === undefined) throw new Failure(`No usable libtorch: ${howToGetOne()}`)
  return found
}

const howToGetOne = () =>
  existsSync(join(root, 'scripts', 'setup.mjs'))
    ? "run 'npm run setup', which installs one, or set COPPICE_LIBTORCH to the torch folder of a Python."
    : 'set COPPICE_LIBTORCH to the torch folder of a Python that has one.'

/** The libtorch in a given folder, and no other. */
export async function libtorchIn(folder) {
  const { isUsable, libtorchCandidates } = await libtorchModule()
  const env = { COPPICE_LIBTORCH: folder }
  const [candidate] = libtorchCandidates({ root, purpose: 'build', env })
  if (!isUsable(candidate)) throw new Failure(`No usable libtorch in ${folder}: ${candidate.refused}.`)
  return candidate
}

async function decideCuda(libtorch, wish) {
  if (wish === 'off') return { on: false, reason: 'left out as asked' }
  const refuse = (reason) => {
    if (wish === 'on') throw new Failure(`The CUDA kernels cannot be compiled: ${reason}.`)
    return { on: false, reason }
  }
  if (!libtorch.cuda) return refuse('this libtorch is a CPU build')
  const nvcc = [process.env.CUDACXX, which('nvcc'), '/usr/local/cuda/bin/nvcc'].find(
    (path) => path && existsSync(path),
  )
  if (nvcc === undefined) return refuse('nvcc was not found (set CUDACXX to its path)')
  const version = /release (\d+)\.(\d+)/.exec((await capture(nvcc, ['--version'])).stdout)
  if (version === null) return refuse(`${nvcc} does not tell its version`)
  const wanted = libtorch.cudaVersion?.split('.')[0]
  if (wanted !== undefined && version[1] !== wanted)
    return refuse(
      `${nvcc} is CUDA ${version[1]}.${version[2]}, but this libtorch is for CUDA ${libtorch.cudaVersion}`,
    )
  const decided = { on: true, nvcc, reason: `with ${nvcc}, CUDA ${version[1]}.${version[2]}` }
  // nvcc refuses host compilers that are too new for it; ask it before cmake does.
  if (wish === 'auto') {
    const problem = await nvccProblem(nvcc)
    if (problem !== undefined) return refuse(`${nvcc} does not compile here: ${problem}`)
  }
  return decided
}

async function nvccProblem(nvcc) {
  const folder = mkdtempSync(join(tmpdir(), 'coppice-nvcc-'))
  try {
    writeFileSync(
      join(folder, 'probe.cu'),
      '#include <vector>\n__global__ void probe(float* x) { *x = 1; }\n',
    )
    const { ok, stderr } = await capture(nvcc, ['-std=c++17', '-c', 'probe.cu', '-o', 'probe.o'], {
      cwd: folder,
    })
    return ok
      ? undefined
      : (stderr.split('\n').find((line) => /error/i.test(line)) ?? stderr.slice(0, 200)).trim()
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** cmake-js where it is installed; otherwise the same two cmake commands. */
async function cmakeDriver(workFolder, type, definitions) {
  const env = { CMAKE_BUILD_PARALLEL_LEVEL: String(compileJobs()) }
  const cmakeJs = tryResolve('cmake-js/bin/cmake-js')
  if (cmakeJs !== undefined) {
    const common = ['--out', workFolder, '--config', type, '--log-level', 'warn', '--directory', root]
    const custom = Object.entries(definitions).map(([key, value]) => `--CD${key}=${value}`)
    const call = (verb, more) =>
      run(process.execPath, [cmakeJs, verb, ...common, ...more], { env, what: `cmake-js ${verb}` })
    return { name: 'cmake-js', configure: () => call('configure', custom), build: () => call('build', []) }
  }
  const includes = [
    require('node-api-headers').include_dir,
    dirname(require.resolve('node-addon-api/napi.h')),
  ]
  const generator = which('ninja') ? ['-G', 'Ninja'] : []
  const settings = { ...definitions, CMAKE_BUILD_TYPE: type, CMAKE_JS_INC: includes.join(';') }
  const flags = Object.entries(settings).map(([key, value]) => `-D${key}=${value}`)
  const call = (args) => run('cmake', args, { env })
  return {
    name: 'cmake',
    configure: () => call(['-S', root, '-B', workFolder, '--no-warn-unused-cli', ...generator, ...flags]),
    build: () => call(['--build', workFolder]),
  }
}

function tryResolve(name) {
  try {
    return require.resolve(name)
  } catch {
    return undefined
  }
}

/** What the command line asks of `buildNative`; prints the libtorch candidates. */
export async function nativeOptions() {
  const { values } = parseArgs({
    options: {
      libtorch: { type: 'string' },
      cuda: { type: 'boolean' },
      'no-cuda': { type: 'boolean' },
      out: { type: 'string' },
      prebuild: { type: 'boolean' },
      debug: { type: 'boolean' },
    },
  })
  const { libtorch, out, prebuild, debug } = values
  const cuda = values.cuda ? 'on' : values['no-cuda'] ? 'off' : 'auto'
  const found = libtorch === undefined ? await locate() : await libtorchIn(libtorch)
  return { found, cuda, out, prebuild, debug }
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(resolve(process.argv[1])).href)
  await main(async () => {
    const folder = await buildNative(await nativeOptions())
    say(`Built ${join(folder, 'coppice.node')}`)
  })
