/** The prompt: Node's own, with the API in scope, a live line under running jobs, and a Ctrl-C that stops them. */
import { mkdirSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, isAbsolute, join } from 'node:path'
import { type REPLServer, start } from 'node:repl'
import { text } from 'node:stream/consumers'
import { inspect } from 'node:util'
import { CoppiceError } from '../../base/errors.js'
import { type Job, runningJobs } from '../../base/job.js'
import { version } from '../../base/version.js'
import * as api from '../../index.js'
import { note } from '../output.js'
import { commands } from './commands.js'
import { completions } from './completion.js'
import { liveLine } from './liveLine.js'

/** Numbers of an array that are printed. */
const SHOWN = 8

/** Runs the prompt on the terminal until it is left; standard input that is no terminal is run as a script. */
export const startPrompt = async (): Promise<void> => {
  if (!process.stdin.isTTY) return runScript(await text(process.stdin))
  note(`Coppice ${version} on Node ${process.versions.node}; .help explains, Ctrl-D leaves.`)
  const server = start({
    prompt: 'coppice> ',
    useColors: process.stdout.hasColors?.() ?? false,
    preview: false,
    breakEvalOnSigint: true,
    writer: (value) => printed(value, server.useColors ? process.stdout.columns : 80, server.useColors),
  })
  const left = new Promise<void>((resolve) => server.once('exit', resolve))
  Object.assign(server.context, api)
  for (const [name, command] of Object.entries(commands)) server.defineCommand(name, command)
  stopOnInterrupt(server, watchEvaluation(server))
  completeNames(server)
  liveLine(server)
  await keepHistory(server)
  await left
  for (const job of runningJobs()) job.abort()
}

/**
 * The API is in scope, and `await` can be used everywhere.
 *
 * @throws CoppiceError of Coppice's functions as it is; `ERR_FILE` for what else the script throws, or if it is none
 */
const runScript = async (source: string): Promise<void> => {
  const AsyncFunction = (async () => {}).constructor as FunctionConstructor
  try {
    const script = new AsyncFunction(...Object.keys(api), source) as (...values: unknown[]) => Promise<void>
    await script(...Object.values(api))
  } catch (error) {
    if (error instanceof CoppiceError) throw error
    throw new CoppiceError('ERR_FILE', `the script failed: ${error}`, { cause: error })
  }
}

const printed = (value: unknown, breakLength: number, colors: boolean): string =>
  value instanceof CoppiceError
    ? `${value.code}: ${value.message}`
    : inspect(value, { colors, breakLength, maxArrayLength: SHOWN, maxStringLength: 10_000 })

/** Ctrl-C stops what runs, and says how to go on; a second one drops it. Where nothing runs it is Node's own. */
const stopOnInterrupt = (server: REPLServer, evaluating: () => boolean): void => {
  const own = server.listeners('SIGINT') as (() => void)[]
  server.removeAllListeners('SIGINT')
  let last: Job<unknown, unknown> | undefined
  Object.assign(server.context, {
    /** Goes on with the job that Ctrl-C stopped last. */
    resume: () => {
      if (last === undefined) throw new CoppiceError('ERR_INVALID_ARGUMENT', 'resume: no job was stopped')
      return last.resume()
    },
  })
  server.on('SIGINT', () => {
    const running = runningJobs()
    const waiting = running.filter(({ state }) => state === 'running')
    if (running.length === 0) for (const listener of own) listener.call(server)
    else if (waiting.length === 0) for (const job of running) job.abort()
    for (const job of waiting) {
      server.output.write(`\n${job.name}: stopping after the batch under way; Ctrl-C again drops it\n`)
      last = job
      job.stop().then(
        () => {
          if (job.state !== 'stopped') return
          server.output.write('stopped; go on with: await resume()\n')
          if (!evaluating()) server.displayPrompt(true)
        },
        () => undefined,
      )
    }
  })
}

/** Tells whether an input is being evaluated, or waited for. */
const watchEvaluation = (server: REPLServer): (() => boolean) => {
  const evaluate = server.eval
  let pending = 0
  Object.assign(server, {
    eval: function (this: REPLServer, ...[code, context, file, done]: Parameters<typeof evaluate>) {
      pending++
      evaluate.call(this, code, context, file, (error, result) => {
        pending--
        done(error, result)
      })
    },
  })
  return () => pending > 0
}

const completeNames = (server: REPLServer): void => {
  const standard = server.completer
  Object.assign(server, {
    completer: (line: string, done: (error: null, result: [string[], string]) => void) => {
      const own = completions(line)
      if (own === undefined) standard(line, done as never)
      else done(null, own)
    },
  })
}

/** No state of the file may hinder the prompt. */
const keepHistory = async (server: REPLServer): Promise<void> => {
  const file = historyFile(process.env)
  if (file === undefined) return
  try {
    mkdirSync(dirname(file), { recursive: true })
  } catch {
    return
  }
  await new Promise<void>((resolve) => server.setupHistory(file, () => resolve()))
}

const historyFile = ({ COPPICE_HISTORY: own, XDG_STATE_HOME: shared }: NodeJS.ProcessEnv) => {
  if (own !== undefined) return own === '' || own === 'off' ? undefined : own
  const folder = shared !== undefined && isAbsolute(shared) ? shared : join(homedir(), '.local', 'state')
  return join(folder, 'coppice', 'history')
}
