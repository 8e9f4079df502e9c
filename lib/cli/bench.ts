/** `coppice bench`: how fast pruned networks really are here, and how fast one would be. */
import { Command } from 'commander'
import { benchPredictCommand } from './benchPredict.js'
import { benchSparseCommand } from './benchSparse.js'

export const benchCommand = (): Command =>
  new Command('bench')
    .description('measure pruned networks against dense ones, or predict what pruning would gain')
    .addCommand(benchSparseCommand())
    .addCommand(benchPredictCommand())
