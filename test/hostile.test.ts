/** The short form of bench/hostile/files.mjs, which says what each damaged file must end in. */
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { packageFolder } from '../lib/base/version.js'

it('answers a hundred damaged files of all kinds with one line each, in bounded memory', async () => {
  const script = join(packageFolder, 'bench', 'hostile', 'files.mjs')
  const args = [script, '--files', '108', '--seed', '7', '--json', '--seconds', '120']
  const summary = await new Promise<string>((resolve) => {
    execFile(process.execPath, args, (error, stdout, stderr) =>
      resolve(stdout === '' ? `${error} ${stderr}` : stdout),
    )
  })
  const { faults, refused, files } = JSON.parse(summary) as Record<string, unknown>
  expect(faults).toEqual([])
  expect(files).toBe(108)
  expect(refused).toBeGreaterThan(60)
})
