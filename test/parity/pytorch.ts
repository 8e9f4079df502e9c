/** Finds a Python that can run reference.py. */
import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { binding } from '../../bindings/load.js'

/** A Python with torch and numpy: $COPPICE_PYTHON, the one libtorch belongs to, or python3; undefined if none has them. */
export function pythonWithTorch(): string | undefined {
  // …/lib/python3.11/site-packages/torch/lib belongs to …/bin/python
  const owner = resolve(binding().libtorch, '../../../../../bin/python')
  return [process.env.COPPICE_PYTHON, owner, 'python3'].find((python) => {
    if (!python || (python.includes('/') && !existsSync(python))) return false
    try {
      execFileSync(python, ['-c', 'import torch, numpy'], { stdio: 'ignore' })
      return true
    } catch {
      return false
    }
  })
}

/** Runs reference.py on `input`. */
export function reference(python: string, input: string, output: string): void {
  execFileSync(python, [join(__dirname, 'reference.py'), input, output], {
    stdio: ['ignore', 'inherit', 'inherit'],
  })
}
