import { appendFileSync, readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { RunRecord } from '../../lib/report/material/record.js'
import { plainText, sparkline } from '../../lib/report/watch/plain.js'
import { progressOf } from '../../lib/report/watch/progress.js'
import { serveRuns, type WatchOptions } from '../../lib/report/watch/server.js'
import { WatchedRuns } from '../../lib/report/watch/watched.js'
import { temporaryFolder } from '../helpers.js'
import { makeRun } from './fixtures.js'

const line = (epoch: number, loss = 1) =>
  `${JSON.stringify({ time: new Date(1000 * epoch).toISOString(), event: 'epoch', epoch, loss, accuracy: 50, learningRate: 1 })}\n`

const watch = async (paths: readonly string[], options: WatchOptions = {}) => {
  const watching = await serveRuns(new WatchedRuns(paths), { interval: 20, ...options })
  onTestFinished(() => watching.close())
  return watching
}

const ask = (url: string, options: object = {}): Promise<{ status: number | undefined; text: string }> =>
  new Promise((resolve, reject) => {
    const call = request(url, options, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk
      })
      response.on('end', () => resolve({ status: response.statusCode, text }))
    })
    call.on('error', reject).end()
  })

/** The sections of a page as events brought them; `until` resolves once a text is in them. */
const follow = (url: string) => {
  const sections: Record<string, string> = {}
  let buffer = ''
  let look = () => {}
  const call = request(`${url}events`, (response) => {
    response.setEncoding('utf8').on('data', (chunk: string) => {
      buffer += chunk
      for (let end = buffer.indexOf('\n\n'); end >= 0; end = buffer.indexOf('\n\n')) {
        const data = /^event: sections\ndata: (.*)$/s.exec(buffer.slice(0, end))?.[1]
        if (data !== undefined) Object.assign(sections, JSON.parse(data))
        buffer = buffer.slice(end + 2)
      }
      look()
    })
  })
  call.on('error', () => {}).end()
  onTestFinished(() => void call.destroy())
  const until = (text: string): Promise<void> =>
    new Promise((resolve) => {
      look = () => Object.values(sections).join('').includes(text) && resolve()
      look()
    })
  return { sections, until }
}

describe('runs that are watched', () => {
  it('tell what is new, catch up when a killed run goes on, and are never written to', async () => {
    const folder = makeRun(join(temporaryFolder(), 'run'), { finished: false, epochs: 3 })
    const log = join(folder, 'metrics.ndjson')
    const runs = new WatchedRuns([folder])
    const epochs = () => runs.records[0]?.history.epochs.map(({ epoch, loss }) => [epoch, loss])
    expect(await runs.read()).toBe(true)
    expect(await runs.read()).toBe(false)
    expect(epochs()).toHaveLength(3)
    const text = readFileSync(log, 'utf8')
    appendFileSync(log, line(4, 9).slice(0, 30))
    expect(await runs.read()).toBe(false)
    // Resumed from a checkpoint after epoch 3: what was half written is gone, and other lines follow.
    truncateSync(log, text.length)
    appendFileSync(log, `${line(4, 7)}${line(5, 6)}`)
    expect(await runs.read()).toBe(true)
    expect(epochs()?.slice(3)).toEqual([
      [4, 7],
      [5, 6],
    ])
    // From one after epoch 1, whose later epochs end otherwise.
    const kept = text.split('\n').slice(0, 2).join('\n').length + 1
    truncateSync(log, kept)
    appendFileSync(log, [2, 3, 4, 5, 6].map((epoch) => line(epoch, 3)).join(''))
    await runs.read()
    expect(epochs()?.map(([epoch]) => epoch)).toEqual([1, 2, 3, 4, 5, 6])
    expect(
      epochs()
        ?.slice(1)
        .every(([, loss]) => loss === 3),
    ).toBe(true)
  })

  it('appear when they begin, and stay in bounded memory', async () => {
    const parent = temporaryFolder()
    const runs = new WatchedRuns([parent, join(parent, 'later')])
    await runs.read()
    expect(runs.records).toEqual([])
    const folder = makeRun(join(parent, 'later'), { finished: false, epochs: 1 })
    for (let reading = 0; reading < 5; reading++) await runs.read()
    expect(runs.records.map(({ name }) => name)).toEqual(['later'])
    for (let hour = 0; hour < 20; hour++) {
      const lines = Array.from({ length: 1000 }, (_, index) => line(1000 * hour + index + 2))
      appendFileSync(join(folder, 'metrics.ndjson'), lines.join(''))
      await runs.read()
    }
    const { epochs = [] } = runs.records[0]?.history ?? {}
    expect(epochs.length).toBeLessThanOrEqual(4096)
    expect(epochs.at(-1)?.epoch).toBe(20_001)
  })
})

describe('the page of runs', () => {
  it('shows what comes without being asked, names as text', async () => {
    const folder = makeRun(join(temporaryFolder(), '<img src=x onerror=alert(1)>'), { finished: false })
    const { url } = await watch([folder])
    const page = await ask(url)
    expect(page.status).toBe(200)
    expect(page.text).not.toMatch(/(src|href)="(?!#)/)
    const { sections, until } = follow(url)
    await until('Pre-training epoch 5')
    appendFileSync(join(folder, 'metrics.ndjson'), line(6, 0.125))
    await until('Pre-training epoch 6: loss 0.125')
    expect(Object.values(sections).join('')).not.toContain('<img')
    writeFileSync(join(folder, 'metrics.ndjson'), '{"event":"warning","message":"<b>bold</b>"}\n', {
      flag: 'a',
    })
    await until('&#60;b&#62;bold')
  })

  it('is for this machine alone, serves nothing else, and takes nothing', async () => {
    const { url } = await watch([makeRun(join(temporaryFolder(), 'run'))])
    expect(new URL(url).hostname).toBe('127.0.0.1')
    expect((await ask(url, { headers: { Host: 'evil.example' } })).status).toBe(403)
    expect((await ask(url, { headers: { Origin: 'http://evil.example' } })).status).toBe(403)
    expect((await ask(`${url}../../etc/passwd`)).status).toBe(404)
    expect((await ask(`${url}metrics.ndjson`)).status).toBe(404)
    expect((await ask(url, { method: 'POST' })).status).toBe(405)
    expect((await ask(url.replace('127.0.0.1', 'localhost'))).status).toBe(200)
  })

  it('takes the next port where one is taken', async () => {
    const other = createServer()
    const taken = await new Promise<number>((resolve) => {
      other.listen(0, '127.0.0.1', () => resolve((other.address() as { port: number }).port))
    })
    onTestFinished(() => void other.close())
    const { url } = await watch([makeRun(join(temporaryFolder(), 'run'))], { port: taken })
    expect(Number(new URL(url).port)).toBeGreaterThan(taken)
  })
})

const running = (epochs: number): RunRecord => ({
  ...{ id: 'run-1', name: 'a \u001b[31mrun', path: 'run', state: 'running', rows: [], faults: ['a\nfault'] },
  recipe: {
    data: { set: 'builtin' },
    network: { name: 'cifarLarge' },
    pretrain: { objective: { kind: 'natural' }, epochs: 10 },
    prune: { sparsity: 0.9, steps: 5, epochsPerStep: 2 },
    finetune: ['natural'],
  },
  history: {
    ...{ steps: [], rows: [], warnings: [], faults: [], resumes: 0, faultCount: 0, thinned: false },
    epochs: Array.from({ length: epochs }, (_, index) => ({
      ...{ epoch: index + 1, loss: 10 - index, accuracy: 10 * index, learningRate: 1 },
      time: new Date(60_000 * index).toISOString(),
    })),
  },
  ...{ outcomes: new Map(), layers: new Map() },
})

describe('how far a run is', () => {
  it('counts epochs and the fine-tuning that follows, at the pace of late', () => {
    // 20 epochs of the same work in all, a minute each.
    expect(progressOf(running(5))).toEqual({ fraction: 0.25, left: 15 * 60 })
    expect(progressOf(running(1))).toEqual({ fraction: 0.05 })
    expect(progressOf({ ...running(5), state: 'stopped' })).toEqual({ fraction: 0.25 })
    expect(progressOf({ ...running(5), recipe: { nonsense: 1 } })).toBeUndefined()
  })
})

describe('runs in the terminal', () => {
  it('are drawn in characters, without control characters of theirs', () => {
    const text = plainText([running(8)])
    expect(text).toContain('40 %')
    expect(text).toContain('12 min 0 s left')
    expect(text).toContain(`loss      ${sparkline([10, 9, 8, 7, 6, 5, 4, 3])} 3.000`)
    expect(text).not.toContain('\u001b')
    expect(text).toContain('! a fault')
  })

  it('have lines no longer than the room, whose ends are those of the values', () => {
    expect(sparkline([0, 1, 2, 3, 4, 5, 6, 7])).toBe('▁▂▃▄▅▆▇█')
    expect(sparkline([3, 3])).toBe('▁▁')
    expect(sparkline([])).toBe('')
    const long = sparkline(Array.from({ length: 1000 }, (_, index) => index))
    expect(long).toHaveLength(48)
    expect(long).toMatch(/^▁.*█$/)
  })
})
