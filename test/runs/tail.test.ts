import { appendFileSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { RunEvent } from '../../lib/runs/events.js'
import { readTail, START, type Tail } from '../../lib/runs/tail.js'
import { temporaryFolder } from '../helpers.js'

const epoch = (number: number) =>
  `${JSON.stringify({ event: 'epoch', epoch: number, loss: 1, accuracy: 50, learningRate: 0.1 })}\n`

const read = async (path: string, from: Tail = START) => {
  const [events, faults]: [RunEvent[], string[]] = [[], []]
  const at = await readTail(
    path,
    from,
    (event) => events.push(event),
    (fault) => faults.push(fault),
  )
  return { at, epochs: events.map((event) => event.epoch), faults }
}

describe('reading a log as it grows', () => {
  it('goes on where it was, and leaves a line that is being written for the next time', async () => {
    const path = join(temporaryFolder(), 'metrics.ndjson')
    writeFileSync(path, `${epoch(1)}${epoch(2).slice(0, 20)}`)
    const first = await read(path)
    expect(first.epochs).toEqual([1])
    appendFileSync(path, `${epoch(2).slice(20)}${epoch(3)}`)
    const second = await read(path, first.at)
    expect(second.epochs).toEqual([2, 3])
    expect(second.at).toMatchObject({ bytes: 3 * epoch(1).length, lines: 3 })
    expect(second.faults).toEqual([])
  })

  it('says that a log was cut back', async () => {
    const path = join(temporaryFolder(), 'metrics.ndjson')
    writeFileSync(path, `${epoch(1)}${epoch(2)}`)
    const { at } = await read(path)
    truncateSync(path, epoch(1).length)
    expect((await read(path, at)).at).toBeUndefined()
    // Also where it has grown beyond that again, with other lines.
    appendFileSync(path, `${epoch(7)}${epoch(8)}`)
    expect((await read(path, at)).at).toBeUndefined()
  })

  it('reads the beginning and the end of a log that is very long', async () => {
    const path = join(temporaryFolder(), 'metrics.ndjson')
    const filler = `${JSON.stringify({ event: 'warning', message: 'x'.repeat(2 ** 19) })}\n`
    writeFileSync(path, epoch(1))
    for (let part = 0; part < 10; part++) appendFileSync(path, filler.repeat(16))
    appendFileSync(path, epoch(2))
    const { epochs, faults, at } = await read(path)
    expect(epochs.filter((number) => number !== undefined)).toEqual([1, 2])
    expect(faults).toHaveLength(1)
    expect(faults[0]).toMatch(/^\d+ bytes in its middle were not read$/)
    appendFileSync(path, epoch(3))
    expect((await read(path, at)).epochs).toEqual([3])
  })

  it('names damaged lines by their numbers, and reads the others', async () => {
    const path = join(temporaryFolder(), 'metrics.ndjson')
    const nan = '{"event":"epoch","epoch":2,"loss":NaN}\n'
    const empty = '{"event":"epoch","epoch":3,"loss":null,"accuracy":1,"learningRate":1}\n'
    const long = `{"event":"warning","message":"${'x'.repeat(9 * 2 ** 20)}"}\n`
    writeFileSync(
      path,
      [epoch(1), nan, empty, '{"ev\n', '7\n', '{"event":"step"}\n', long, epoch(8)].join(''),
    )
    const { epochs, faults } = await read(path)
    expect(epochs).toEqual([1, 8])
    expect(faults).toEqual([
      'line 2 holds NaN or Infinity, which are no numbers',
      'line 3 has no number as its "loss", as where it was NaN or infinite',
      'line 4 is no JSON',
      'line 5 is no event',
      'line 6 is no event of the kind "step"',
      'line 7 is longer than 1048576 bytes',
    ])
  })
})
