import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { takeLock } from '../../lib/files/lock.js'
import { temporaryFolder } from '../helpers.js'

const holder = async (change: object): Promise<string> => {
  const scratch = join(temporaryFolder(), 'lock')
  const lock = await takeLock(scratch, 'run')
  const text = JSON.stringify({ ...JSON.parse(readFileSync(scratch, 'utf8')), ...change })
  await lock.release()
  return text
}

describe('takeLock', () => {
  it('keeps a second taker out until it is released', async () => {
    const path = join(temporaryFolder(), 'lock')
    const lock = await takeLock(path, 'runs/x')
    await expect(takeLock(path, 'runs/x')).rejects.toThrow(`runs/x is in use by process ${process.pid}`)
    await lock.release()
    await (await takeLock(path, 'runs/x')).release()
  })

  it('is not held up by the lock of a killed process', async () => {
    const path = join(temporaryFolder(), 'lock')
    const child = spawn(process.execPath, ['-e', 'setTimeout(() => {}, 1e6)'])
    child.kill('SIGKILL')
    await once(child, 'exit')
    writeFileSync(path, await holder({ pid: child.pid, started: '1' }))
    await (await takeLock(path, 'run')).release()
  })

  it('tells a reused process number from its holder', async () => {
    const path = join(temporaryFolder(), 'lock')
    writeFileSync(path, await holder({ started: '1' }))
    await (await takeLock(path, 'run')).release()
  })

  it('trusts a holder on another machine while it gives signs of life', async () => {
    const path = join(temporaryFolder(), 'lock')
    writeFileSync(path, await holder({ place: 'elsewhere', host: 'node7' }))
    await expect(takeLock(path, 'run')).rejects.toThrow('on node7')
    const past = new Date(Date.now() - 10 * 60_000)
    utimesSync(path, past, past)
    await (await takeLock(path, 'run')).release()
  })

  it('replaces a damaged lock, and leaves nothing behind', async () => {
    const folder = temporaryFolder()
    writeFileSync(join(folder, 'lock'), '{"pi')
    const lock = await takeLock(join(folder, 'lock'), 'run')
    expect(existsSync(join(folder, 'lock'))).toBe(true)
    await lock.release()
    expect(readdirSync(folder)).toEqual([])
  })

  it('goes to exactly one of many takers of a stale lock', async () => {
    const path = join(temporaryFolder(), 'lock')
    writeFileSync(path, await holder({ started: '1' }))
    const taken = await Promise.allSettled(Array.from({ length: 8 }, () => takeLock(path, 'run')))
    expect(taken.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
  })
})
