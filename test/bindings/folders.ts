/** Folders that look like libtorch, and child processes that load the compiled package. */
import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { packageFolder } from '../../lib/base/version.js'

export const compiled = join(packageFolder, 'dist')
export const built = join(packageFolder, 'build', 'Release')
export const canLoad =
  existsSync(join(compiled, 'bindings/load.js')) && existsSync(join(built, 'coppice.node'))
if (!canLoad) console.warn("Tests that load the addon are skipped: run 'npm run setup' first.")

export const temporaryFolder = (): string => mkdtempSync(join(tmpdir(), 'coppice-bindings-'))

/** Writes files given by their paths inside `folder`; empty ones where the text is empty. */
export function writeFiles(folder: string, files: Record<string, string>): string {
  for (const [path, text] of Object.entries(files)) {
    const file = join(folder, path)
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, text)
  }
  return folder
}

/** A folder with what pip installs for the CPU, as far as it is looked at. */
export const fakeTorch = (folder: string, version: string): string =>
  writeFiles(folder, {
    'version.py': `from typing import Optional\n__version__ = '${version}'\ncuda: Optional[str] = None\n`,
    'lib/libtorch_cpu.so': '',
    'lib/libc10.so': '',
    'include/torch/csrc/api/include/torch/torch.h': '',
  })

/** A python3 that answers what it is told to, whatever it is asked. */
export function fakePython(folder: string, script: string): string {
  const file = join(folder, 'python3')
  writeFiles(folder, { python3: `#!/bin/sh\n${script}\n` })
  chmodSync(file, 0o755)
  return file
}

/** Runs JavaScript in a new process; `load` is the compiled bindings/load.js. */
export function runNode(script: string, env: Record<string, string | undefined> = {}) {
  const prelude = `const load = require(${JSON.stringify(join(compiled, 'bindings/load.js'))});`
  const child = spawnSync(process.execPath, ['-e', `${prelude}\n${script}`], {
    encoding: 'utf8',
    env: { ...process.env, ...env },
  })
  return { status: child.status, signal: child.signal, stdout: child.stdout, stderr: child.stderr }
}
