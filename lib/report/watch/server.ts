/**
 * Serves the page of runs that go on, to this machine alone: two addresses, the page and its events. Requests that name
 * another host, as those of a page elsewhere that had its name lead here, are refused.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { CoppiceError } from '../../base/errors.js'
import { loadCharts } from '../chart.js'
import { livePage, SECTIONS, type Sections, sectionsOf } from './livePage.js'
import type { WatchedRuns } from './watched.js'

export interface Watching {
  /** Where the page is. */
  url: string
  /** Stops serving. */
  close(): Promise<void>
}

export interface WatchOptions {
  /** Port to begin with; one that is taken is passed over. Default 8137. */
  port?: number | undefined
  /** Milliseconds between two readings; default 1000. */
  interval?: number | undefined
}

const LOOPBACK = '127.0.0.1'
const PORT = 8137
const MOST_TRIED = 50
/** Bytes that wait for a reader who is too slow; until they are gone it is sent nothing new. */
const MOST_WAITING = 4 * 2 ** 20
/** Of the time, the part that drawing may take. */
const SHARE = 0.25

const HEADERS = {
  'Cache-Control': 'no-store',
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'X-Frame-Options': 'DENY',
}

/**
 * Begins to watch.
 * @throws CoppiceError `ERR_FILE` where no port is free
 */
export async function serveRuns(
  runs: WatchedRuns,
  { port = PORT, interval = 1000 }: WatchOptions = {},
): Promise<Watching> {
  const readers = new Set<Reader>()
  let sections: Sections | undefined
  let drawnVersion = -1
  let restUntil = 0
  let timer: NodeJS.Timeout | undefined
  let closed = false
  let turn = Promise.resolve()

  const update = async (): Promise<void> => {
    await runs.read()
    if (readers.size === 0) return
    if (drawnVersion !== runs.version && performance.now() >= restUntil) {
      const begun = performance.now()
      drawnVersion = runs.version
      sections = await sectionsOf(runs.records)
      restUntil = performance.now() + (performance.now() - begun) / SHARE
    }
    for (const reader of readers) reader.send(sections)
  }
  const tick = (): void => {
    turn = update().catch((error: unknown) => {
      // A folder that vanished while it was read is looked at again.
      for (const reader of readers) reader.tell(error instanceof Error ? error.message : String(error))
    })
    void turn.then(() => {
      if (!closed) timer = setTimeout(tick, interval)
    })
  }

  const server = createServer((request, response) => {
    const address = server.address()
    const own = typeof address === 'object' && address !== null ? address.port : port
    if (!isOurs(request, own)) return refuse(response, 403, 'This page is for this machine alone.')
    if (request.method !== 'GET') return refuse(response, 405, 'There is nothing to send here.')
    if (request.url === '/') {
      response.writeHead(200, { ...HEADERS, 'Content-Type': 'text/html; charset=utf-8' })
      response.end(livePage())
    } else if (request.url === '/events') {
      const reader = new Reader(response)
      readers.add(reader)
      response.on('close', () => readers.delete(reader))
      reader.send(sections)
    } else refuse(response, 404, 'There is nothing here.')
  })
  const chosen = await listen(server, port)
  // A failure to load shows when the first chart is drawn.
  void loadCharts().catch(() => undefined)
  tick()
  return {
    url: `http://${LOOPBACK}:${chosen}/`,
    close: async () => {
      closed = true
      clearTimeout(timer)
      await turn
      // What became of the runs last is still told.
      await update().catch(() => undefined)
      for (const reader of readers) reader.end()
      await new Promise((resolve) => {
        server.close(resolve)
        server.closeAllConnections()
      })
    },
  }
}

/** A page that is open. */
class Reader {
  private readonly known = new Map<string, string>()

  constructor(private readonly response: ServerResponse) {
    response.writeHead(200, { ...HEADERS, 'Content-Type': 'text/event-stream; charset=utf-8' })
    response.write('retry: 1000\n\n')
  }

  /** Sends the sections that are not as they were. */
  send(sections: Sections | undefined): void {
    if (sections === undefined || this.response.writableLength > MOST_WAITING) return
    const changed = SECTIONS.flatMap((id) => {
      const text = sections[id] ?? ''
      return this.known.get(id) === text ? [] : [[id, text] as const]
    })
    for (const [id, text] of changed) this.known.set(id, text)
    if (changed.length > 0) this.event('sections', Object.fromEntries(changed))
  }

  /** Sends a line that says what is wrong. */
  tell(message: string): void {
    this.event('problem', message)
  }

  end(): void {
    this.response.end()
  }

  private event(name: string, value: unknown): void {
    this.response.write(`event: ${name}\ndata: ${JSON.stringify(value)}\n\n`)
  }
}

const isOurs = ({ headers, socket }: IncomingMessage, port: number): boolean => {
  const hosts = [`${LOOPBACK}:${port}`, `localhost:${port}`]
  const { host, origin } = headers
  if (host === undefined || !hosts.includes(host) || socket.localAddress?.endsWith(LOOPBACK) !== true)
    return false
  return origin === undefined || hosts.some((own) => origin === `http://${own}`)
}

const refuse = (response: ServerResponse, status: number, why: string): void => {
  response.writeHead(status, { ...HEADERS, 'Content-Type': 'text/plain; charset=utf-8' })
  response.end(`${why}\n`)
}

/** Listens on the first port that is free; 0 is any. */
const listen = async (server: Server, from: number): Promise<number> => {
  const last = Math.min(65_535, from + MOST_TRIED - 1)
  for (let port = from; port <= last; port++) {
    const error = await new Promise<NodeJS.ErrnoException | undefined>((resolve) => {
      server.once('error', resolve)
      server.listen(port, LOOPBACK, () => {
        server.off('error', resolve)
        resolve(undefined)
      })
    })
    const address = server.address()
    if (error === undefined && typeof address === 'object' && address !== null) return address.port
    if (error?.code !== 'EADDRINUSE' && error?.code !== 'EACCES') break
  }
  throw new CoppiceError('ERR_FILE', `no port from ${from} to ${last} is free; name another with --port`)
}
