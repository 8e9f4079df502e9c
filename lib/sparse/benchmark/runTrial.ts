/** Starts a trial as a child process and waits for its line. */
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { CoppiceError } from '../../base/errors.js'
import { packageFolder } from '../../base/version.js'
import type { TrialOutput, TrialRequest, TrialResult } from './trial.js'

/**
 * @param cache Folder of the tuning cache.
 * @throws CoppiceError as the trial says; the signal's reason when aborted, which ends the child
 */
export async function runTrial(
  request: TrialRequest,
  { cache, signal }: { cache: string; signal: AbortSignal | undefined },
): Promise<TrialResult> {
  signal?.throwIfAborted()
  const file = join(packageFolder, 'dist', 'lib', 'sparse', 'benchmark', 'trial.js')
  const child = spawn(process.execPath, [file, JSON.stringify(request)], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, COPPICE_CACHE: cache },
  })
  const end = () => child.kill('SIGKILL')
  signal?.addEventListener('abort', end, { once: true })
  let [output, errors] = ['', '']
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    errors += text
  })
  try {
    const how = await new Promise<string>((resolve, reject) => {
      child.on('error', reject)
      child.on('close', (code, killed) => resolve(killed ?? `exit code ${code}`))
    })
    signal?.throwIfAborted()
    return read(output, `${how}; ${errors.trim().split('\n').at(-1)}`)
  } finally {
    signal?.removeEventListener('abort', end)
  }
}

const read = (output: string, otherwise: string): TrialResult => {
  const line = output.trim().split('\n').at(-1)
  if (line === undefined || line === '') {
    throw new CoppiceError('ERR_NATIVE', `a trial ended without a result (${otherwise})`)
  }
  const parsed = JSON.parse(line) as TrialOutput
  if ('error' in parsed) throw new CoppiceError(parsed.error.code, parsed.error.message)
  return parsed.result
}
