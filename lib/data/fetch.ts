/** Downloads a data set's official archive, checks it and unpacks it. */
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { createWriteStream, existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { Readable, Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { promisify } from 'node:util'
import { optionsOf, pathOf } from '../base/arguments.js'
import { CoppiceError } from '../base/errors.js'
import type { Archive } from './set.js'

/** Of any archive, in bytes; a server that never ends must not fill the disk. */
const LONGEST_ARCHIVE = 2 ** 30

export interface FetchOptions {
  /** Where the archive is; default its author's site. */
  url?: string | undefined
  signal?: AbortSignal | undefined
  /** Bytes; `total` is undefined where the server does not tell. */
  onProgress?: ((progress: { received: number; total: number | undefined }) => void) | undefined
  /** Expected sum of another archive, for tests. */
  md5?: string | undefined
  /** Checks the unpacked folder; default: by the official sums of every file. */
  check?: ((folder: string) => Promise<unknown>) | undefined
}

/**
 * Makes `folder` hold the files of an archive. A folder that is there already is checked, not downloaded again;
 * nothing is left behind by a failure.
 *
 * @throws CoppiceError `ERR_FILE` when the download fails, stops short or has another MD5; the signal's reason.
 */
export async function fetchArchive(
  official: Archive,
  folder: string,
  options: FetchOptions = {},
): Promise<void> {
  const {
    url = official.url,
    md5 = official.md5,
    check = official.check,
    signal,
    onProgress,
  } = optionsOf(options, 'fetchData')
  const target = resolve(pathOf(folder, 'fetchData'))
  if (existsSync(target) && (await orFileError(readdir(target))).length > 0) {
    await check(target)
    return
  }
  await orFileError(mkdir(dirname(target), { recursive: true }))
  const scratch = await orFileError(mkdtemp(join(dirname(target), '.fetch-')))
  try {
    const archive = join(scratch, 'archive.tar.gz')
    const sum = await download(url, archive, signal, onProgress)
    if (sum !== md5)
      throw new CoppiceError('ERR_FILE', `${url} has the MD5 ${sum}, not ${md5}: the download is corrupt`)
    await promisify(execFile)('tar', ['-xzf', archive, '-C', scratch], signal ? { signal } : {}).catch(
      (cause) => {
        signal?.throwIfAborted()
        throw new CoppiceError('ERR_FILE', `${archive} could not be unpacked by tar`, { cause })
      },
    )
    const unpacked = join(scratch, official.folder)
    await check(unpacked)
    await orFileError(rename(unpacked, target))
  } finally {
    await rm(scratch, { recursive: true, force: true })
  }
}

/** What the file system refuses, as a `CoppiceError`; its message names the path. */
const orFileError = <T>(promise: Promise<T>): Promise<T> =>
  promise.catch((cause: unknown) => {
    throw new CoppiceError('ERR_FILE', cause instanceof Error ? cause.message : String(cause), { cause })
  })

/** Gives the MD5 of what was written to `path`. */
async function download(
  url: string,
  path: string,
  signal: AbortSignal | undefined,
  onProgress: FetchOptions['onProgress'],
): Promise<string> {
  const hash = createHash('md5')
  let bytes = 0
  try {
    const response = await fetch(url, signal ? { signal } : {})
    if (!response.ok || response.body === null) throw new Error(`the server answered ${response.status}`)
    const stated = Number(response.headers.get('content-length'))
    const total = stated > 0 ? stated : undefined
    const count = new Transform({
      transform(chunk: Buffer, _, done) {
        hash.update(chunk)
        bytes += chunk.length
        if (bytes > LONGEST_ARCHIVE) {
          done(new Error(`it is longer than ${LONGEST_ARCHIVE} bytes, six times what it should be`))
          return
        }
        onProgress?.({ received: bytes, total })
        done(null, chunk)
      },
    })
    await pipeline(Readable.fromWeb(response.body as never), count, createWriteStream(path))
  } catch (error) {
    signal?.throwIfAborted()
    const why = error instanceof Error ? error.message : String(error)
    const inner = error instanceof Error && error.cause instanceof Error ? ` (${error.cause.message})` : ''
    throw new CoppiceError(
      'ERR_FILE',
      `${url} could not be downloaded after ${bytes} bytes: ${why}${inner}`,
      {
        cause: error,
      },
    )
  }
  return hash.digest('hex')
}
