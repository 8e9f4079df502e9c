import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  cudaPreloads,
  describeCandidate,
  isUsable,
  type LibtorchCandidate,
  type LocateOptions,
  libtorchCandidates,
  locateLibtorch,
} from '../../bindings/libtorch.js'
import { fakePython, fakeTorch, temporaryFolder, writeFiles } from './folders.js'

let folder = ''
beforeAll(() => {
  folder = temporaryFolder()
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

let count = 0
const fresh = (): string => join(folder, String(++count))

/** Nothing is found anywhere unless a test puts it there. */
const nowhere = (): LocateOptions => ({ root: fresh(), purpose: 'run', env: { PATH: fresh() }, system: [] })

const all = (options: Partial<LocateOptions>): LibtorchCandidate[] => [
  ...libtorchCandidates({ ...nowhere(), ...options }),
]

const given = (path: string, options: Partial<LocateOptions> = {}): LibtorchCandidate => {
  const [first] = all({ ...options, env: { COPPICE_LIBTORCH: path } })
  if (first === undefined) throw new Error('no candidate')
  return first
}

const reason = (path: string, options?: Partial<LocateOptions>): string | undefined =>
  given(path, options).refused

describe('where libtorch is looked for', () => {
  it('goes from the variables over Python and the system to the own copy', () => {
    const sources = all({ builtAgainst: { torch: '2.13.0', cuda: false, libtorch: fresh() } })
    expect(sources.map(({ source }) => source)).toEqual([
      'COPPICE_LIBTORCH',
      'LIBTORCH',
      'python',
      'system',
      'project',
      'build',
    ])
    for (const candidate of sources) expect(candidate.refused).toBeTruthy()
  })

  it('takes the first usable one and asks no further', () => {
    const env = { COPPICE_LIBTORCH: fresh(), LIBTORCH: fakeTorch(fresh(), '2.13.0+cpu'), PATH: fresh() }
    const { found, tried } = locateLibtorch({ ...nowhere(), env })
    expect(found).toMatchObject({ source: 'LIBTORCH', version: '2.13.0+cpu', cuda: false })
    expect(tried.map(({ source }) => source)).toEqual(['COPPICE_LIBTORCH', 'LIBTORCH'])
  })

  it('finds a system-wide one, whose libraries may lie in a multiarch folder', () => {
    const system = writeFiles(fresh(), {
      'lib/x86_64-linux-gnu/libtorch_cpu.so': '',
      'lib/x86_64-linux-gnu/libc10.so': '',
      'include/torch/headeronly/version.h': '#define TORCH_VERSION \\\n  "2.10.1"\n',
    })
    const { found } = locateLibtorch({ ...nowhere(), system: [fresh(), system] })
    expect(found).toMatchObject({ source: 'system', path: system, version: '2.10.1' })
    expect(found?.lib).toBe(join(system, 'lib/x86_64-linux-gnu'))
  })

  it("finds the project's own copy, and the one the addon was built against", () => {
    const options = nowhere()
    const path = fakeTorch(join(options.root, '.libtorch/torch'), '2.13.0+cpu')
    expect(locateLibtorch(options).found).toMatchObject({ source: 'project', path })

    const builtWith = fakeTorch(fresh(), '2.12.0')
    const builtAgainst = { torch: '2.12.0', cuda: false, libtorch: builtWith }
    const { found, tried } = locateLibtorch({ ...options, builtAgainst })
    expect(found).toMatchObject({ source: 'build', path: builtWith })
    expect(tried.find(({ source }) => source === 'project')?.refused).toMatch(/2\.13\.0\+cpu.*against 2\.12/)
  })
})

describe('the active Python', () => {
  const python = (env: Record<string, string>) =>
    all({ env: { PATH: '/usr/bin:/bin', ...env } }).find(({ source }) => source === 'python')

  it('is the one of the virtual environment', () => {
    const torch = fakeTorch(fresh(), '2.9.1')
    const venv = fresh()
    fakePython(join(venv, 'bin'), `echo ${venv}/bin/python3; echo ${torch}`)
    expect(python({ VIRTUAL_ENV: venv })).toMatchObject({ path: torch, version: '2.9.1' })
    expect(python({ VIRTUAL_ENV: venv })?.refused).toBeUndefined()
  })

  it('is otherwise the first python3 on the PATH, named when it has no torch', () => {
    const bin = fresh()
    const file = fakePython(bin, `echo ${join(bin, 'python3')}; echo`)
    expect(python({ PATH: `${bin}:/usr/bin:/bin` })?.refused).toBe(`${file} has no torch`)
  })

  it('that fails or is missing is a reason, not an error', () => {
    const bin = fresh()
    fakePython(bin, 'echo "SyntaxError: too old" >&2; exit 3')
    expect(python({ PATH: `${bin}:/usr/bin:/bin` })?.refused).toMatch(/failed, SyntaxError: too old/)
    expect(python({ PATH: fresh() })?.refused).toMatch(/not found/)
  })

  it('is not made to import torch, nor misled by a folder named torch', () => {
    const packages = fresh()
    const torch = fakeTorch(join(packages, 'torch'), '2.11.0')
    writeFiles(torch, { '__init__.py': 'raise RuntimeError("imported")\n' })
    const found = python({ PYTHONPATH: packages, PATH: process.env.PATH ?? '' })
    expect(found).toMatchObject({ path: torch, version: '2.11.0' })
  })
})

describe('why a candidate is refused', () => {
  it('says that the folder is missing, or no folder', () => {
    expect(reason(fresh())).toBe('the folder is not there')
    const file = join(writeFiles(fresh(), { 'a.txt': '' }), 'a.txt')
    expect(reason(file)).toBe('it is not a folder')
  })

  it('names a missing library, and the folder nearby that has it', () => {
    const empty = fresh()
    mkdirSync(empty)
    expect(reason(empty)).toBe('lib/libtorch_cpu.so is missing')
    const site = fresh()
    const torch = fakeTorch(join(site, 'torch'), '2.13.0')
    expect(reason(site)).toContain(`${torch} has it`)
    expect(reason(join(torch, 'lib'))).toContain(`${torch} has it`)
    rmSync(join(torch, 'lib/libc10.so'))
    expect(reason(torch)).toBe(`${join(torch, 'lib/libc10.so')} is missing`)
  })

  it('says that no version is stated', () => {
    const torch = writeFiles(fresh(), { 'lib/libtorch_cpu.so': '', 'lib/libc10.so': '' })
    expect(reason(torch)).toMatch(/state a version/)
  })

  it.each(['2.8.1', '2.14.0+cu130', '1.13.1', '3.0.0'])('refuses libtorch %s as unsupported', (version) => {
    expect(reason(fakeTorch(fresh(), version))).toBe(`it is libtorch ${version}; 2.9 to 2.13 are supported`)
  })

  it.each(['2.9.0', '2.10.0+cpu', '2.13.7'])('accepts libtorch %s', (version) => {
    expect(reason(fakeTorch(fresh(), version))).toBeUndefined()
  })

  it('misses the headers when building, and only then', () => {
    const torch = fakeTorch(fresh(), '2.13.0')
    rmSync(join(torch, 'include'), { recursive: true })
    expect(reason(torch, { purpose: 'build' })).toMatch(/headers are missing/)
    expect(reason(torch, { purpose: 'run' })).toBeUndefined()
  })

  it('says in a sentence that the addon was built against another version', () => {
    const torch = fakeTorch(fresh(), '2.12.1+cpu')
    expect(reason(torch, { builtAgainst: { torch: '2.13.0', cuda: false } })).toBe(
      "it is libtorch 2.12.1+cpu, but the addon was built against 2.13; point COPPICE_LIBTORCH to a 2.13 or run 'npm run build:native'",
    )
    expect(reason(torch, { builtAgainst: { torch: '2.12.0', cuda: false } })).toBeUndefined()
  })

  it('refuses a CPU build for an addon with CUDA kernels, but not the other way round', () => {
    const cpu = fakeTorch(fresh(), '2.13.0')
    const cuda = writeFiles(fakeTorch(fresh(), '2.13.0'), { 'lib/libtorch_cuda.so': '' })
    const builtAgainst = { torch: '2.13.0', cuda: true }
    expect(reason(cpu, { builtAgainst })).toMatch(/^it is a CPU build, but the addon was built with CUDA/)
    expect(reason(cuda, { builtAgainst })).toBeUndefined()
    expect(reason(cuda, { builtAgainst: { ...builtAgainst, cuda: false } })).toBeUndefined()
  })
})

describe('the version', () => {
  it('of a pip wheel is read from version.py, with the CUDA version', () => {
    const torch = writeFiles(fakeTorch(fresh(), '2.13.0'), {
      'version.py': "__version__ = '2.13.0+cu130'\ncuda: Optional[str] = '13.0'\n",
      'lib/libtorch_cuda.so': '',
    })
    expect(given(torch)).toMatchObject({ version: '2.13.0+cu130', cuda: true, cudaVersion: '13.0' })
  })

  it('of an unpacked archive is read from build-version', () => {
    const torch = fakeTorch(fresh(), '2.13.0')
    rmSync(join(torch, 'version.py'))
    writeFiles(torch, { 'build-version': '2.10.0+cu128\n', 'lib/libtorch_cuda.so': '' })
    expect(given(torch)).toMatchObject({ version: '2.10.0+cu128', cudaVersion: '12.8' })
  })
})

it('describes a candidate in one line', () => {
  const torch = fakeTorch(fresh(), '2.13.0')
  expect(describeCandidate(given(torch))).toBe(`COPPICE_LIBTORCH: ${torch}: libtorch 2.13.0`)
  expect(describeCandidate(given(`${torch}/no`))).toMatch(/: refused, the folder is not there$/)
  const [, second] = all({})
  expect(second && describeCandidate(second)).toBe('LIBTORCH: not set')
  expect(second && isUsable(second)).toBe(false)
})

it('maps the CUDA libraries beside a pip-installed torch in the order of their dependencies', () => {
  const site = writeFiles(fresh(), {
    'nvidia/cudnn/lib/libcudnn.so.9': '',
    'nvidia/cudnn/lib/libcudnn_ops.so.9': '',
    'nvidia/cu13/lib/libcudart.so.13': '',
    'nvidia/cu13/lib/libcublas.so.13': '',
    'nvidia/cu13/lib/libcublasLt.so.13': '',
    'nvidia/cu13/include/cuda.h': '',
  })
  const names = cudaPreloads(join(site, 'torch')).map((file) => file.slice(file.lastIndexOf('/') + 1))
  expect(names).toEqual(['libcublasLt.so.13', 'libcublas.so.13', 'libcudnn.so.9', 'libcudart.so.13'])
  expect(cudaPreloads(fresh())).toEqual([])
})
