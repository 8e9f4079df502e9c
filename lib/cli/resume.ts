/** `coppice resume DIR`: goes on with an interrupted run. */

import { existsSync } from 'node:fs'
import { Command } from 'commander'
import type { Device } from '../../bindings/native.js'
import { LIMITS } from '../base/limits.js'
import { resumeRun } from '../compression/pipeline.js'
import { resultTable } from '../report/tables.js'
import { resultPath } from '../runs/run.js'
import { devicesFlag, integerFlag } from './flags.js'
import { note, printResult } from './output.js'
import { tensorBoard, watched } from './run.js'

interface Flags {
  device?: [Device, ...Device[]]
  threads?: number
  checkpointSeconds?: number
  tensorboard?: boolean
  json?: boolean
}

export const resumeCommand = (): Command =>
  new Command('resume')
    .description('go on with an interrupted run, bit for bit')
    .argument('<dir>', 'run directory')
    .option('--device <device>', 'another device than before, or several: cuda:0-3', devicesFlag)
    .option('--threads <n>', 'another number of CPU threads than before', integerFlag(1, LIMITS.threads))
    .option(
      '--checkpoint-seconds <n>',
      'time between checkpoints (default: 60)',
      integerFlag(0, LIMITS.seconds),
    )
    .option('--tensorboard', 'write event files for TensorBoard too, into the run directory')
    .option('--json', 'print the result as JSON')
    .action(
      async (path: string, { device: devices, threads, checkpointSeconds, tensorboard, json }: Flags) => {
        const [device, ...moreDevices] = devices ?? [undefined]
        const finished = existsSync(resultPath(path))
        const result = await watched(
          path,
          checkpointSeconds,
          (hooks) => resumeRun(path, { ...hooks, device, moreDevices: devices && moreDevices, threads }),
          tensorboard === true && !finished ? tensorBoard(path) : undefined,
        )
        if (finished) note(`${path} is finished already`)
        printResult(json, result, () => resultTable(result))
      },
    )
