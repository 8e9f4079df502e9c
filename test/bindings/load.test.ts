import { cpSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { BuiltAgainst } from '../../bindings/libtorch.js'
import { loadBinding } from '../../bindings/load.js'
import { CoppiceError } from '../../lib/base/errors.js'
import { built, canLoad, fakeTorch, runNode, temporaryFolder, writeFiles } from './folders.js'

let folder = ''
beforeAll(() => {
  folder = temporaryFolder()
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

let count = 0
const fresh = (): string => join(folder, String(++count))

const caught = (action: () => unknown): CoppiceError => {
  try {
    action()
  } catch (error) {
    if (error instanceof CoppiceError) return error
    throw error
  }
  throw new Error('nothing was thrown')
}

/** What the built addon was built against. */
const real = canLoad
  ? (JSON.parse(readFileSync(join(built, 'coppice.json'), 'utf8')) as BuiltAgainst)
  : { torch: '2.13.0', cuda: false }

/** A copy of the built addon, said to be built against something else. */
const copyOfBuilt = (claim: Partial<BuiltAgainst> = {}): string => {
  const copy = fresh()
  cpSync(built, copy, { recursive: true })
  return writeFiles(copy, { 'coppice.json': JSON.stringify({ ...real, ...claim }) })
}

/** A script that prints the code and message of the error that loading throws. */
const printError = `
try { load.addon(); console.log('loaded') }
catch (error) { console.log(error.name, error.code, error.message) }`

describe('an addon that cannot be loaded', () => {
  it('is named with all that was tried and what to do, when none is built', () => {
    const error = caught(() => loadBinding({ root: fresh(), env: {}, system: [] }))
    expect(error.code).toBe('ERR_ADDON')
    expect(error.message).toMatch(/^Coppice's native addon could not be loaded\./)
    expect(error.message).toMatch(/build\/Release\/coppice\.node: coppice\.node is not there/)
    expect(error.message).toMatch(/What to do:\n {2}- .*npm run build:native/)
  })

  it('is the one of COPPICE_BINDING alone, if that is set', () => {
    const error = caught(() => loadBinding({ root: fresh(), env: { COPPICE_BINDING: `${folder}/my` } }))
    expect(error.message).toContain(`${folder}/my/coppice.node: coppice.node is not there`)
    expect(error.message).not.toContain('build/Release')
  })

  it('is refused when nothing says what it was built against', () => {
    const root = writeFiles(fresh(), { 'build/Release/coppice.node': '', 'build/Release/coppice.json': '{' })
    expect(caught(() => loadBinding({ root, env: {} })).message).toMatch(
      /coppice\.json .* is missing or broken/,
    )
  })

  it('advises set-up in a clone and ./install.sh in a bundle', () => {
    const clone = writeFiles(fresh(), { 'package-lock.json': '{}' })
    expect(caught(() => loadBinding({ root: clone, env: {} })).message).toContain("'npm run setup'")
    const bundle = writeFiles(fresh(), { 'install.sh': '' })
    expect(caught(() => loadBinding({ root: bundle, env: {} })).message).toContain('./install.sh')
  })
})

describe.runIf(canLoad)('the built addon', () => {
  it('refuses a libtorch of another version with a sentence for every place', () => {
    const torch = fakeTorch(fresh(), '2.13.0')
    const { status, stdout } = runNode(printError, {
      COPPICE_BINDING: copyOfBuilt({ torch: '2.9.1' }),
      COPPICE_LIBTORCH: torch,
      LIBTORCH: fresh(),
    })
    expect(status).toBe(0)
    expect(stdout).toMatch(/^CoppiceError ERR_ADDON/)
    expect(stdout).toContain(
      `COPPICE_LIBTORCH: ${torch}: refused, it is libtorch 2.13.0, but the addon was built against 2.9;`,
    )
    expect(stdout).toMatch(/LIBTORCH: .*: refused, the folder is not there/)
    expect(stdout).toMatch(/coppice\.node: it was built against libtorch 2\.9\.1, and none fits/)
  })

  it('reports damaged libraries instead of crashing', () => {
    const torch = fakeTorch(fresh(), '2.13.0')
    writeFiles(torch, {
      'lib/libc10.so': 'not a library, but long enough to be read as an ELF header '.repeat(9),
    })
    const { status, stdout } = runNode(printError, {
      COPPICE_BINDING: copyOfBuilt({ cuda: false }),
      COPPICE_LIBTORCH: torch,
    })
    expect(status).toBe(0)
    expect(stdout).toMatch(/^CoppiceError ERR_ADDON/)
    expect(stdout).toContain(`${torch}/lib/libc10.so: invalid ELF header`)
    expect(stdout).toMatch(/install that libtorch again/)
  })

  it('believes the mapped libtorch more than the text beside it', () => {
    const { stdout: lib } = runNode('console.log(load.binding().libtorch)')
    const torch = fakeTorch(fresh(), '2.10.0')
    rmSync(join(torch, 'lib'), { recursive: true })
    symlinkSync(lib.trim(), join(torch, 'lib'))
    const env = { COPPICE_BINDING: copyOfBuilt({ torch: '2.10.0', cuda: false }), COPPICE_LIBTORCH: torch }
    const { status, stdout } = runNode(printError, env)
    expect(status).toBe(0)
    expect(stdout).toMatch(/^CoppiceError ERR_ADDON .* states another version than it has/)
  })

  it('reports an addon that is no library', () => {
    const broken = writeFiles(copyOfBuilt(), { 'coppice.node': 'no library' })
    const { status, stdout } = runNode(printError, { COPPICE_BINDING: broken })
    expect(status).toBe(0)
    expect(stdout).toMatch(/^CoppiceError ERR_ADDON/)
    expect(stdout).toContain(`${broken}/coppice.node: file too short`)
  })

  it('is named when Node forbids addons', () => {
    const { stdout } = runNode(printError, { NODE_OPTIONS: '--no-addons' })
    expect(stdout).toMatch(/^CoppiceError ERR_ADDON/)
    expect(stdout).toContain('--allow-addons')
  })

  it('loads once, and tells what it runs on', () => {
    const { stdout } = runNode(`
      const { addon, builtAgainst, libtorch, torch } = load.binding()
      console.log(JSON.stringify([addon === load.addon(), builtAgainst.torch, libtorch, torch, addon.info()]))`)
    const [same, against, libtorch, torch, info] = JSON.parse(stdout) as [
      boolean,
      string,
      string,
      string,
      { builtAgainst: string },
    ]
    expect(same).toBe(true)
    expect(against).toMatch(/^2\.\d+\.\d+/)
    expect(torch.split('.').slice(0, 2)).toEqual(against.split('.').slice(0, 2))
    expect(info.builtAgainst.split('.').slice(0, 2)).toEqual(against.split('.').slice(0, 2))
    expect(libtorch).toMatch(/^\//)
  })

  it('makes idle OpenMP threads sleep, unless the user says otherwise', () => {
    const script = 'load.addon(); console.log(process.env.OMP_WAIT_POLICY)'
    expect(runNode(script, { OMP_WAIT_POLICY: undefined }).stdout).toBe('passive\n')
    expect(runNode(script, { OMP_WAIT_POLICY: 'active' }).stdout).toBe('active\n')
  })

  it('works in worker threads, alone and beside the main thread', () => {
    const { status, signal, stdout } = runNode(`
      const { Worker } = require('node:worker_threads')
      const file = require.resolve(${JSON.stringify(join(__dirname, '../../dist/bindings/load.js'))})
      const code = \`
        const { binding } = require('\${file}')
        require('node:worker_threads').parentPort.postMessage(binding().libtorch)\`
      const ask = () => new Promise((resolve, reject) => {
        new Worker(code, { eval: true }).once('message', resolve).once('error', reject)
      })
      ask().then(async (first) => {
        const others = [load.binding().libtorch, ...(await Promise.all([ask(), ask()]))]
        console.log(others.every((other) => other === first))
      })`)
    expect({ status, signal, stdout }).toEqual({ status: 0, signal: null, stdout: 'true\n' })
  })
})
