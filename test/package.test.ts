import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, rmSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { packageFolder } from '../lib/base/version.js'
import { temporaryFolder, writeFiles } from './bindings/folders.js'

const isCompiled = existsSync(join(packageFolder, 'dist/lib/index.js'))
if (!isCompiled) console.warn("Tests of the compiled package are skipped: run 'npm run setup' first.")

describe.runIf(isCompiled)('the package in a project of a user', () => {
  let project = ''
  beforeAll(() => {
    project = temporaryFolder()
    mkdirSync(join(project, 'node_modules'))
    symlinkSync(packageFolder, join(project, 'node_modules/coppice'))
    const print = `
      const spec = networkSpec('cifarLarge', { scale: 0.25 })
      console.log(JSON.stringify([typeof vgg16, adversarial().kind, new CoppiceError('ERR_FILE', 'x').code, spec.name]))`
    const names = 'adversarial, CoppiceError, networkSpec, vgg16'
    writeFiles(project, {
      'a.mjs': `import { ${names} } from 'coppice'\n${print}`,
      'a.cjs': `const { ${names} } = require('coppice')\n${print}`,
      'maps.mjs': `
        import 'coppice'
        import { readFileSync } from 'node:fs'
        console.log(/libtorch|coppice[^/]*\\.node/.test(readFileSync('/proc/self/maps', 'utf8')))`,
      'names.mjs': `import * as all from 'coppice'; console.log(Object.keys(all).sort().join())`,
      'names.cjs': `console.log(Object.keys(require('coppice')).sort().join())`,
    })
  })
  afterAll(() => rmSync(project, { recursive: true, force: true }))

  const node = (file: string): string =>
    execFileSync(process.execPath, [file], { cwd: project, encoding: 'utf8' }).trim()

  it.each(['a.mjs', 'a.cjs'])('can be used by name: %s', (file) => {
    expect(JSON.parse(node(file))).toEqual(['function', 'adversarial', 'ERR_FILE', 'cifarLarge'])
  })

  it('gives import and require the same names', () => {
    // what Node adds to a CommonJS module that is imported differs between its versions
    const own = (names: string) =>
      names.split(',').filter((name) => !['default', 'module.exports', '__esModule'].includes(name))
    const required = own(node('names.cjs'))
    expect(own(node('names.mjs'))).toEqual(required)
    expect(required.length).toBeGreaterThan(20)
  })

  it('loads nothing native when it is imported', () => {
    expect(node('maps.mjs')).toBe('false')
  })
})
