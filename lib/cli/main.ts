#!/usr/bin/env node
/** The `coppice` command. One file per subcommand; this one only puts them together. */
import { Command } from 'commander'
import { version } from '../base/version.js'
import { benchCommand } from './bench.js'
import { compactCommand } from './compact.js'
import { dataCommand } from './data.js'
import { describeCommand } from './describe.js'
import { doctorCommand } from './doctor.js'
import { evaluateCommand } from './evaluate.js'
import { exportCommand } from './export.js'
import { gridCommand } from './grid.js'
import { importCommand } from './import.js'
import { modelsCommand } from './models.js'
import { reportError } from './output.js'
import { replCommand } from './repl.js'
import { reportCommand } from './report.js'
import { reproduceCommand } from './reproduce.js'
import { resumeCommand } from './resume.js'
import { runCommand } from './run.js'
import { verifyCommand } from './verify.js'
import { watchCommand } from './watch.js'

const EXIT_CODES = `
Exit codes: 0 done, 1 failed, 2 wrong usage (a flag, an argument, a recipe), 130 interrupted.
ε is always in pixels of the [0,1] image; fractions such as 8/255 can be used wherever a number can.`

/** The command line as a commander program. */
export const program = (): Command => {
  const coppice = new Command('coppice')
    .description('Prunes robust neural networks without losing their robustness.')
    .version(version)
    .addHelpText('after', EXIT_CODES)
  const commands = [
    runCommand(),
    resumeCommand(),
    gridCommand(),
    reproduceCommand(),
    evaluateCommand(),
    verifyCommand(),
    modelsCommand(),
    describeCommand(),
    compactCommand(),
    reportCommand(),
    watchCommand(),
    benchCommand(),
    importCommand(),
    exportCommand(),
    dataCommand(),
    replCommand(),
    doctorCommand(),
  ]
  for (const command of commands) coppice.addCommand(command)
  return strictly(coppice)
}

/** Errors are thrown instead of ending the process, and told on one line in our own words. */
const strictly = (command: Command): Command => {
  command.exitOverride().configureOutput({
    outputError: (text, write) =>
      write(
        `${text
          .trim()
          .replace(/^error: /, 'coppice: ')
          .replaceAll('\n', ' ')}\n`,
      ),
  })
  for (const inner of command.commands) strictly(inner)
  return command
}

/** Runs the command line; resolves with the exit code. */
export async function main(argv: readonly string[]): Promise<number> {
  const coppice = program()
  if (argv.length === 0) {
    coppice.outputHelp()
    return 0
  }
  try {
    await coppice.parseAsync(argv, { from: 'user' })
    return Number(process.exitCode ?? 0)
  } catch (error) {
    return reportError(error)
  }
}

if (require.main === module) {
  // A reader that closes early, such as `head`, is no failure.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1))
  void main(process.argv.slice(2)).then((code) => {
    process.exitCode = code
  })
}
