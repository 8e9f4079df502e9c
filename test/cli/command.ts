/** The compiled command line as a child process. `npm test` compiles it before. */
import { execFile, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { packageFolder } from '../../lib/base/version.js'

export const commandFile = join(packageFolder, 'dist', 'lib', 'cli', 'main.js')
if (!existsSync(commandFile)) throw new Error(`${commandFile} is missing: run npm run build:ts`)

export interface Ended {
  code: number | null
  signal: NodeJS.Signals | null
  stdout: string
  stderr: string
}

/** Runs `coppice` to its end. */
export const coppice = (...args: string[]): Promise<Ended> =>
  new Promise((resolve) => {
    const child = execFile(process.execPath, [commandFile, ...args], (_error, stdout, stderr) =>
      resolve({ code: child.exitCode, signal: child.signalCode, stdout, stderr }),
    )
  })

/** Starts `coppice`; `line` resolves when stderr has a line that matches. */
export const startCoppice = (...args: string[]) => {
  const child = spawn(process.execPath, [commandFile, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  let [stdout, stderr] = ['', '']
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
  })
  child.stderr.setEncoding('utf8')
  const ended = new Promise<Ended>((resolve) => {
    child.on('close', (code, signal) => resolve({ code, signal, stdout, stderr }))
  })
  const line = (pattern: RegExp): Promise<void> =>
    new Promise((resolve) => {
      const look = () => pattern.test(stderr) && resolve()
      child.stderr.on('data', look)
      child.on('close', () => resolve())
      look()
    })
  child.stderr.on('data', (text: string) => {
    stderr += text
  })
  return { child, ended, line }
}
