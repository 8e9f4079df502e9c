/** What every command shares: where output goes, how errors end the process, and what Ctrl-C does. */
import { existsSync } from 'node:fs'
import { CommanderError } from 'commander'
import { CoppiceError } from '../base/errors.js'

/**
 * Exit codes: 0 done · 1 failed (a file, a device, divergence …) · 2 wrong usage (a flag, an argument, a recipe) ·
 * 130 interrupted.
 */
export const EXIT = { done: 0, failed: 1, usage: 2, interrupted: 130 } as const

/** Results, for people or as JSON: the only thing that goes to stdout. */
export const printResult = (json: boolean | undefined, value: unknown, text: () => string): void => {
  process.stdout.write(`${json === true ? JSON.stringify(value, null, 2) : text()}\n`)
}

/** No command writes over a file. @throws CoppiceError `ERR_FILE` where there is one */
export const requireNew = (output: string): void => {
  if (!existsSync(output)) return
  throw new CoppiceError('ERR_FILE', `${output} exists already; choose another file with -o`)
}

/** Everything else goes to stderr. */
export const note = (text: string): void => {
  process.stderr.write(`${text}\n`)
}

/** Why a command was stopped by the user, and how to go on. */
export class Interrupted extends Error {
  constructor(readonly advice: string) {
    super(advice)
  }
}

/**
 * Runs work that Ctrl-C (or SIGTERM) stops in order: the first one aborts the signal, a second one ends the process at
 * once. `advice` says how to go on afterwards, `told` what happens meanwhile.
 */
export async function interruptible<T>(
  advice: () => string,
  work: (signal: AbortSignal) => Promise<T>,
  told = 'stopping after the current batch; press Ctrl-C again to stop at once',
): Promise<T> {
  const controller = new AbortController()
  let asked = 0
  const stop = () => {
    // npm and npx hand on the Ctrl-C that the terminal delivers too: two at the same time are one.
    const again = performance.now() - asked > 500
    if (controller.signal.aborted && again) process.exit(EXIT.interrupted)
    if (controller.signal.aborted) return
    asked = performance.now()
    note(told)
    controller.abort(new Interrupted(advice()))
  }
  process.on('SIGINT', stop)
  process.on('SIGTERM', stop)
  try {
    return await work(controller.signal)
  } finally {
    process.off('SIGINT', stop)
    process.off('SIGTERM', stop)
  }
}

/** Whatever a file or a name brought into a message, the terminal gets one line of plain characters. */
const onOneLine = (message: string): string => message.replace(/[\p{Cc}\u2028\u2029]+/gu, ' ')

/** Tells an error in one line and gives the exit code for it. */
export const reportError = (error: unknown): number => {
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.done : EXIT.usage
  if (error instanceof Interrupted) {
    note(`coppice: interrupted; ${error.advice}`)
    return EXIT.interrupted
  }
  const message = error instanceof Error ? error.message : String(error)
  // A missing addon is explained over several lines, all other errors on one.
  const explained = error instanceof CoppiceError && error.code === 'ERR_ADDON'
  note(`coppice: ${explained ? message : onOneLine(message)}`)
  if (process.env.COPPICE_DEBUG === '1') console.error(error)
  else if (!(error instanceof CoppiceError)) note('this is a defect of Coppice; COPPICE_DEBUG=1 shows where')
  return error instanceof CoppiceError && error.code === 'ERR_INVALID_ARGUMENT' ? EXIT.usage : EXIT.failed
}
