import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { expect, it } from 'vitest'

const ending = (how: string) => {
  const { status, signal, stdout, stderr } = spawnSync(
    process.execPath,
    [join(__dirname, 'endings.mjs'), ...how.split(' ')],
    {
      encoding: 'utf8',
    },
  )
  return { status, signal, stdout: stdout.trim(), stderr: stderr.trim() }
}

it('process.exit in the middle of a job ends the process cleanly', () => {
  expect(ending('exit')).toEqual({ status: 0, signal: null, stdout: '', stderr: '' })
})

it('a worker terminated in the middle of a job leaves the process unharmed', () => {
  expect(ending('terminate')).toEqual({ status: 0, signal: null, stdout: 'terminated', stderr: '' })
})

it('both are clean while the network of the job is read all the time', () => {
  expect(ending('exit reading')).toEqual({ status: 0, signal: null, stdout: '', stderr: '' })
  const ended = ending('terminate reading')
  expect(ended).toEqual({ status: 0, signal: null, stdout: 'terminated', stderr: '' })
})

it('a worker that loads the addon, uses it and ends leaves less than 2 MiB behind', () => {
  const { status, stdout } = ending('workers')
  expect(status).toBe(0)
  expect(Number(stdout)).toBeLessThan(2)
})

it('nothing starts once the addon was closed', () => {
  expect(ending('close')).toEqual({ status: 0, signal: null, stdout: 'ERR_DISPOSED', stderr: '' })
})

it('networks that nobody keeps are freed: 200 of 20 MB never take more than 2 GB', () => {
  const { status, stdout } = ending('forget')
  expect(status).toBe(0)
  expect(JSON.parse(stdout).peak).toBeLessThan(2e9)
})
