import { execFile } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import ts from 'typescript'
import { beforeAll, expect, it } from 'vitest'
import { packageFolder } from '../lib/base/version.js'
import { temporaryFolder } from './helpers.js'

const folder = join(packageFolder, 'examples')
const names = readdirSync(folder).filter((name) => name.endsWith('.mts'))

/** A project of a user, where the examples lie as JavaScript that every supported Node runs. */
const project = temporaryFolder('file')
beforeAll(() => {
  mkdirSync(join(project, 'node_modules'))
  symlinkSync(packageFolder, join(project, 'node_modules/coppice'))
  for (const name of names) {
    const { outputText } = ts.transpileModule(readFileSync(join(folder, name), 'utf8'), {
      compilerOptions: { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022 },
    })
    writeFileSync(join(project, name.replace('.mts', '.mjs')), outputText)
  }
})

it('there are ten, each short enough to be read at once', () => {
  expect(names.length).toBe(10)
  for (const name of names) {
    expect(readFileSync(join(folder, name), 'utf8').split('\n').length, name).toBeLessThan(60)
  }
})

it.each(names)('%s runs, on small settings', async (name) => {
  const { stdout } = await promisify(execFile)(process.execPath, [name.replace('.mts', '.mjs')], {
    cwd: project,
    env: {
      ...process.env,
      COPPICE_EXAMPLES: 'quick',
      COPPICE_EXAMPLES_FOLDER: project,
      COPPICE_CACHE: 'off',
    },
  })
  expect(stdout.trim().length).toBeGreaterThan(20)
})
