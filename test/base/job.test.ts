import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { Job, type JobControl, type JobEnd, runningJobs } from '../../lib/base/job.js'

/** Counts to `most`, one at a time; halted, it ends with what it has, and goes on from there. */
const counting = (most: number, from = 0, seen: number[] = []): Job<number, number> =>
  new Job('count', (control) => count(control, most, from, seen))

async function* count(
  { signal, halt, report }: JobControl,
  most: number,
  from: number,
  seen: number[],
): AsyncGenerator<number, JobEnd<number, number>, undefined> {
  for (let value = from + 1; value <= most; value++) {
    await new Promise((resolve) => setImmediate(resolve))
    signal.throwIfAborted()
    if (halt.aborted) return { result: value - 1, resume: () => counting(most, value - 1, seen) }
    seen.push(value)
    report({ label: `at ${value}`, done: value, total: most, fraction: value / most })
    yield value
  }
  return { result: most }
}

describe('a job', () => {
  it('is a promise of its result, and begins at once', async () => {
    const job = counting(5)
    expect(job).toBeInstanceOf(Promise)
    expect(runningJobs()).toContain(job)
    expect(await job).toBe(5)
    expect([job.state, job.running, job.progress?.fraction]).toEqual(['done', false, 1])
    expect(runningJobs()).not.toContain(job)
    expect(() => job.resume()).toThrow('only a job that was stopped')
  })

  it('gives its steps to whoever iterates, and does none that was not asked for', async () => {
    const seen: number[] = []
    const given: number[] = []
    for await (const value of counting(4, 0, seen)) {
      await new Promise((resolve) => setTimeout(resolve, 5))
      expect(seen).toEqual([...given, value])
      given.push(value)
    }
    expect(given).toEqual([1, 2, 3, 4])
  })

  it('stops at break with what it has, and goes on from there', async () => {
    const seen: number[] = []
    const job = counting(6, 0, seen)
    for await (const value of job) if (value === 2) break
    expect(await job).toBe(2)
    expect(job.state).toBe('stopped')
    expect(inspect(job)).toContain('resume()')
    expect(await job.resume()).toBe(6)
    expect(seen).toEqual([1, 2, 3, 4, 5, 6])
  })

  it('stops when nobody iterates, in a loop that is held, and more than once', async () => {
    const free = counting(1e9)
    await new Promise((resolve) => setTimeout(resolve, 10))
    expect(await free.stop()).toBeGreaterThan(0)
    expect(await free.stop()).toBe(await free)
    const held = counting(1e9)
    const given: number[] = []
    for await (const value of held) {
      given.push(value)
      expect(await held.stop()).toBe(1)
    }
    expect(given).toEqual([1])
  })

  it('rejects with the reason when it is aborted, by itself or by the signal of the caller', async () => {
    const job = counting(1e9)
    job.abort(new Error('enough'))
    await expect(job).rejects.toThrow('enough')
    expect(job.state).toBe('failed')
    const controller = new AbortController()
    const other = new Job('count', (control) => count(control, 1e9, 0, []), controller.signal)
    controller.abort(new Error('so be it'))
    await expect(other).rejects.toThrow('so be it')
    const held = counting(1e9)
    const loop = async () => {
      for await (const _ of held) held.abort()
    }
    await expect(loop()).rejects.toMatchObject({ name: 'AbortError' })
    await expect(held).rejects.toMatchObject({ name: 'AbortError' })
  })

  it('fails with the error of its work, in a loop too', async () => {
    const failing = () =>
      new Job<number, number>('fail', async function* () {
        yield 1
        throw new Error('no more')
      })
    await expect(failing()).rejects.toThrow('no more')
    const loop = async () => {
      for await (const _ of failing());
    }
    await expect(loop()).rejects.toThrow('no more')
  })

  it('tells how it stands in a line', async () => {
    const job = counting(4)
    await job.next()
    expect(inspect(job)).toMatch(/^Job count \{ running, at 1, 25 %, .* left \}$/)
    await job.return()
  })
})
