/** What begins with a dot at the prompt. */
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { REPLCommand, REPLServer } from 'node:repl'
import { inspect } from 'node:util'
import { addon, binding } from '../../../bindings/load.js'
import { runningJobs } from '../../base/job.js'
import { columns, percent } from '../../base/printed.js'
import { formatProportion } from '../../base/wilson.js'
import { readResult } from '../../runs/result.js'
import { isRun } from '../../runs/run.js'
import { explain } from './topics.js'

/** A command that prints text; what goes wrong is printed, too. */
const command = (help: string, text: (argument: string) => string | Promise<string>): REPLCommand => ({
  help,
  async action(this: REPLServer, argument: string): Promise<void> {
    this.clearBufferedCommand()
    try {
      this.output.write(`${await text(argument.trim())}\n`)
    } catch (error) {
      this.output.write(`${error instanceof Error ? error.message : String(error)}\n`)
    }
    this.displayPrompt()
  },
})

const device = (): string => {
  const { info } = { info: addon().info() }
  return [
    `cpu: ${info.cpuCapability}, ${addon().getThreads()} threads`,
    ...(info.cudaAvailable
      ? info.cudaDevices.map(({ device, name, memory }) => `${device}: ${name}, ${gibibytes(memory)}`)
      : ['cuda: none; networks and data are on the CPU']),
    `libtorch ${binding().torch}`,
  ].join('\n')
}

const memory = (): string => {
  const { cudaDevices } = addon().info()
  const rows = (['cpu', ...cudaDevices.map((each) => each.device as `cuda:${number}`)] as const).map(
    (name) => {
      const { allocated, peak, reserved } = addon().memory(name)
      return [name, ...[allocated, peak, reserved].map(gibibytes)]
    },
  )
  const own = process.memoryUsage()
  return [
    columns(['device', 'in use', 'peak', 'held'], rows, [1, 2, 3]),
    `process: ${gibibytes(own.rss)}, of which JavaScript ${gibibytes(own.heapUsed)}`,
  ].join('\n')
}

const jobs = (): string => {
  const running = runningJobs()
  return running.length === 0 ? 'no job is running' : running.map((job) => inspect(job)).join('\n')
}

const runs = async (argument: string): Promise<string> => {
  const folder = argument || 'runs'
  if (!existsSync(folder)) return `there is no folder ${folder}; name another: .runs FOLDER`
  const names = readdirSync(folder).filter((name) => isRun(join(folder, name)))
  if (names.length === 0) return `no runs in ${folder}`
  const rows = await Promise.all(
    names.map(async (name) => {
      const path = join(folder, name)
      if (!existsSync(join(path, 'result.json'))) return [[name, `not finished: coppice resume ${path}`]]
      const { rows } = await readResult(join(path, 'result.json'))
      return rows.map((row) => [
        ...[name, row.name, percent(row.sparsity), formatProportion(row.accuracy), formatProportion(row.era)],
        row.vra === undefined ? '' : formatProportion(row.vra),
      ])
    }),
  )
  return columns(['run', 'network', 'sparsity', 'benign %', 'ERA %', 'VRA %'], rows.flat())
}

const gibibytes = (bytes: number): string =>
  bytes < 2 ** 30 ? `${(bytes / 2 ** 20).toFixed(1)} MiB` : `${(bytes / 2 ** 30).toFixed(2)} GiB`

export const commands: Readonly<Record<string, REPLCommand>> = {
  help: command('What there is; .help TOPIC explains, with examples', explain),
  device: command('Devices, and the libtorch in use', device),
  memory: command('Memory of each device and of the process', memory),
  runs: command('Runs in a folder (default: runs) and their figures', runs),
  jobs: command('Jobs that are running', jobs),
}
