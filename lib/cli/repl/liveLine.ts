/** The line under a job that the prompt waits for: what it does, how far it is, and how long it will take. */
import type { REPLServer } from 'node:repl'
import { type Job, runningJobs } from '../../base/job.js'
import { formatSeconds } from '../../base/numbers.js'
import { bar } from '../../base/printed.js'

const EVERY_MS = 200
const ERASE = '\r\x1b[K'

/** Shows the line while an input is evaluated, and takes it away before anything else is written. */
export const liveLine = (server: REPLServer): void => {
  const { output } = server
  const write = output.write.bind(output) as (text: string) => boolean
  let shown = false
  const erase = () => {
    if (shown) write(ERASE)
    shown = false
  }
  output.write = ((...args: Parameters<typeof write>) => {
    erase()
    return write(...args)
  }) as typeof output.write
  const evaluate = server.eval
  Object.assign(server, {
    eval: function (this: REPLServer, ...[code, context, file, done]: Parameters<typeof evaluate>) {
      const timer = setInterval(() => {
        const line = runningJobs().flatMap(describe).join('  ')
        erase()
        if (line === '') return
        write(line.slice(0, (process.stdout.columns ?? 80) - 1))
        shown = true
      }, EVERY_MS)
      evaluate.call(this, code, context, file, (error, result) => {
        clearInterval(timer)
        erase()
        done(error, result)
      })
    },
  })
}

const describe = ({ name, progress, secondsLeft }: Job<unknown, unknown>): string[] => {
  if (progress === undefined) return []
  const { label, fraction, loss } = progress
  const facts = [
    `${Math.floor(100 * fraction)} %`,
    ...(loss === undefined ? [] : [`loss ${loss.toFixed(3)}`]),
    ...(secondsLeft === undefined ? [] : [`${formatSeconds(secondsLeft)} left`]),
  ]
  return [`${name} ${label} [${bar(fraction).padEnd(20, '░')}] ${facts.join(' | ')}`]
}
