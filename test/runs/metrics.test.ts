import { appendFileSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { Metrics, readEvents } from '../../lib/runs/metrics.js'
import { temporaryFolder } from '../helpers.js'

const lines = (path: string) => readFileSync(path, 'utf8').split('\n').slice(0, -1)

describe('Metrics', () => {
  it('appends one line per event, with its time', async () => {
    const path = join(temporaryFolder(), 'metrics.ndjson')
    const metrics = await Metrics.open(path)
    metrics.append({ event: 'a', loss: 1.5 })
    metrics.append({ event: 'b' })
    const length = await metrics.flush()
    const [first, second] = lines(path).map((line) => JSON.parse(line) as Record<string, unknown>)
    expect(first).toMatchObject({ event: 'a', loss: 1.5 })
    expect(Date.parse(String(first?.time))).not.toBeNaN()
    expect(second).toMatchObject({ event: 'b' })
    expect(length).toBe(readFileSync(path).length)
    await metrics.close()
  })

  it('drops a torn last line, and what came after a checkpoint', async () => {
    const path = join(temporaryFolder(), 'metrics.ndjson')
    const first = await Metrics.open(path)
    first.append({ event: 'a' })
    const checkpoint = await first.flush()
    first.append({ event: 'b' })
    await first.close()
    appendFileSync(path, '{"event":"c","lo')

    const whole = await Metrics.open(path)
    expect(whole.events.map(({ event }) => event)).toEqual(['a', 'b'])
    await whole.close()
    expect(lines(path)).toHaveLength(2)

    const cut = await Metrics.open(path, checkpoint)
    cut.append({ event: 'd' })
    await cut.close()
    expect(lines(path).map((line) => JSON.parse(line).event)).toEqual(['a', 'd'])
  })

  it.each(['{}', 'null', '[]', '7', '{"event":7}', '{"event":"warning"}', '{"event":"evaluation"}', 'x'])(
    'leaves a log alone in which a line is %s, and names the line',
    async (line) => {
      const path = join(temporaryFolder(), 'metrics.ndjson')
      const text = `{"event":"a"}\n${line}\n{"event":"b"}\n`
      writeFileSync(path, text)
      const damaged = `${path} is damaged: line 2 is no event`
      await expect(Metrics.open(path)).rejects.toThrow(damaged)
      await expect(readEvents(path)).rejects.toThrow(damaged)
      expect(readFileSync(path, 'utf8')).toBe(text)
    },
  )
})
