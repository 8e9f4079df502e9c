/** `coppice watch RUN|FOLDER…`: runs as they go on, in the browser or in the terminal. */
import { setTimeout as sleep } from 'node:timers/promises'
import { Command } from 'commander'
import { findPlaces } from '../report/material/find.js'
import { plainText } from '../report/watch/plain.js'
import { serveRuns } from '../report/watch/server.js'
import { WatchedRuns } from '../report/watch/watched.js'
import { integerFlag } from './flags.js'
import { interruptible, note } from './output.js'

interface Flags {
  port?: number
  plain?: boolean
}

const INTERVAL_MS = 1000

export const watchCommand = (): Command =>
  new Command('watch')
    .description('runs as they go on: a page for this machine alone, or lines in the terminal')
    .argument('<run...>', 'run directories, or folders in which some lie or will lie')
    .option(
      '--port <n>',
      'port of the page (default: 8137, or the next that is free)',
      integerFlag(1, 65_535),
    )
    .option('--plain', 'draw in the terminal')
    .action(async (paths: string[], { port, plain }: Flags) => {
      // A wrong path is told at once; a folder without a run may get one.
      for (const path of paths) await findPlaces([path]).catch(unlessEmpty)
      const runs = new WatchedRuns(paths)
      await interruptible(
        () => 'the runs go on',
        (signal) => (plain ? drawn(runs, signal) : served(runs, port, signal)),
        'no longer watching',
      )
    })

const unlessEmpty = (error: Error): void => {
  if (!error.message.includes('holds no run')) throw error
}

const served = async (runs: WatchedRuns, port: number | undefined, signal: AbortSignal): Promise<void> => {
  const watching = await serveRuns(runs, { port })
  note(
    `watching: ${watching.url}${port === undefined || watching.url.endsWith(`:${port}/`) ? '' : ` (port ${port} is taken)`}`,
  )
  try {
    await aborted(signal)
  } finally {
    await watching.close()
  }
}

/** Draws when something is new: over the last drawing in a terminal, else below it. Ends when nothing runs. */
const drawn = async (runs: WatchedRuns, signal: AbortSignal): Promise<void> => {
  let lines = 0
  for (;;) {
    if (await runs.read()) {
      const text = plainText(runs.records)
      process.stdout.write(`${process.stdout.isTTY && lines > 0 ? `\u001b[${lines}F\u001b[0J` : ''}${text}\n`)
      lines = text.split('\n').length
    }
    if (runs.records.length > 0 && runs.records.every(({ state }) => state === 'finished')) return
    await sleep(INTERVAL_MS, undefined, { signal }).catch(() => signal.throwIfAborted())
  }
}

const aborted = (signal: AbortSignal): Promise<never> =>
  new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true }))
