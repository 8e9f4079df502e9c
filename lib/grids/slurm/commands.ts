/** Slurm's own commands, run without a shell; what they complain about becomes one line. */
import { execFile } from 'node:child_process'
import { CoppiceError } from '../../base/errors.js'

/** Bytes of a queue that are read: ten times the longest there is. */
const LONGEST = 256 * 2 ** 20

/**
 * What a command of Slurm's prints.
 *
 * @throws CoppiceError `ERR_DEVICE` where there is no such command, or with its own message where it refuses
 */
export const slurm = (program: string, args: readonly string[]): Promise<string> =>
  new Promise((resolve, reject) => {
    execFile(program, args, { maxBuffer: LONGEST }, (error, stdout, stderr) => {
      if (error === null) resolve(stdout)
      else if (error.code === 'ENOENT') {
        const message = `there is no ${program} here: Slurm's commands must be on the PATH; --launch local needs none`
        reject(new CoppiceError('ERR_DEVICE', message, { cause: error }))
      } else {
        const said = stderr.trim().replace(/\s*[\r\n]+\s*/g, '; ')
        const message = `${program} failed: ${said || `exit code ${error.code ?? error.signal}`}`
        reject(new CoppiceError('ERR_DEVICE', message, { cause: error }))
      }
    })
  })
