/** `coppice repl`: a prompt with everything in scope, where Ctrl-C stops the running job and keeps what it has. */
import { Command } from 'commander'
import { addon } from '../../bindings/load.js'
import { LIMITS } from '../base/limits.js'
import { integerFlag } from './flags.js'
import { startPrompt } from './repl/prompt.js'

export const replCommand = (): Command =>
  new Command('repl')
    .description('a prompt with the whole API in scope: train, look, stop, go on')
    .option('--threads <n>', 'CPU threads', integerFlag(1, LIMITS.threads))
    .addHelpText(
      'after',
      `
Examples:
  $ coppice repl
  coppice> const data = await builtin({ train: 1000 })
  coppice> const net = await vgg16({ scale: 0.25 })
  coppice> await train(net, data.train, { epochs: 3 })     Ctrl-C stops it; await resume() goes on
  coppice> net                                             prints its layers
  coppice> .help train                                     explains, with examples

The history is in $XDG_STATE_HOME/coppice or ~/.local/state/coppice; COPPICE_HISTORY names another file, or off.`,
    )
    .action(async ({ threads }: { threads?: number }) => {
      if (threads !== undefined) addon().setThreads(threads)
      await startPrompt()
    })
