// Programs that print their result as a line of JSON.
import { execFile } from 'node:child_process'

/** Runs one to its end, or for so many seconds; rejects with its last words. */
export const trial = (command, args, seconds) =>
  new Promise((fulfil, reject) =>
    execFile(
      command,
      args,
      { timeout: Math.max(1, Math.round(1000 * seconds)), killSignal: 'SIGKILL', maxBuffer: 2 ** 26 },
      (error, stdout, stderr) => {
        if (error === null) return fulfil(JSON.parse(stdout.trim().split('\n').at(-1)))
        const said = stderr.trim().split('\n').at(-1)
        reject(new Error(error.killed ? `took longer than ${seconds.toFixed(0)} s` : said || error.message))
      },
    ),
  )
