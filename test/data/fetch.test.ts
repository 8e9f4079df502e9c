import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { fetchCifar10, fetchData } from '../../lib/data/index.js'
import { temporaryFolder } from '../helpers.js'

/** An archive laid out as the official one, with one file of noise that does not compress. */
const archive = (): Buffer => {
  const folder = temporaryFolder()
  mkdirSync(join(folder, 'cifar-10-batches-bin'))
  const noise = Uint8Array.from({ length: 300_000 }, (_, index) => (index * 2654435761) >>> 13)
  writeFileSync(join(folder, 'cifar-10-batches-bin', 'test_batch.bin'), noise)
  execFileSync('tar', ['-czf', 'archive.tar.gz', 'cifar-10-batches-bin'], { cwd: folder })
  return readFileSync(join(folder, 'archive.tar.gz'))
}

const serve = async (listener: RequestListener): Promise<string> => {
  const server = createServer(listener)
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/cifar-10-binary.tar.gz`
}

const md5 = (bytes: Buffer) => createHash('md5').update(bytes).digest('hex')
const accept = async () => {}

describe('fetchCifar10', () => {
  it('downloads, checks and unpacks the archive, and tells how far it is', async () => {
    const bytes = archive()
    const url = await serve((_, response) => response.setHeader('content-length', bytes.length).end(bytes))
    const target = join(temporaryFolder(), 'deep', 'cifar10')
    const progress: { received: number; total: number | undefined }[] = []
    await fetchCifar10(target, {
      url,
      md5: md5(bytes),
      check: accept,
      onProgress: (each) => progress.push(each),
    })
    expect(readdirSync(target)).toEqual(['test_batch.bin'])
    expect(readdirSync(join(target, '..'))).toEqual(['cifar10'])
    expect(progress.at(-1)).toEqual({ received: bytes.length, total: bytes.length })
  })

  it('checks a folder that has files instead of downloading again', async () => {
    const folder = temporaryFolder()
    writeFileSync(join(folder, 'data_batch_1.bin'), '')
    const url = 'http://127.0.0.1:9/never'
    await expect(fetchCifar10(folder, { url })).rejects.toThrow(/data_batch_2\.bin.*missing/)
    await expect(fetchCifar10(folder, { url, check: accept })).resolves.toBeUndefined()
  })

  it.each<[string, RequestListener, RegExp]>([
    [
      'another archive',
      (_, response) => response.end('not the archive'),
      /has the MD5 [0-9a-f]{32}, not c32a1d4a/,
    ],
    [
      'an error page',
      (_, response) => response.writeHead(404).end(),
      /could not be downloaded.*answered 404/,
    ],
    [
      'a connection that breaks',
      (_, response) => {
        response.writeHead(200, { 'content-length': 1000 }).write('x'.repeat(100))
        setTimeout(() => response.destroy(), 20)
      },
      /could not be downloaded after \d+ bytes/,
    ],
  ])('leaves nothing behind after %s', async (_, listener, message) => {
    const folder = temporaryFolder()
    const url = await serve(listener)
    const failure = expect(fetchCifar10(join(folder, 'cifar10'), { url })).rejects
    await failure.toMatchObject({ code: 'ERR_FILE', message: expect.stringMatching(message) })
    expect(readdirSync(folder)).toEqual([])
  })

  it('refuses an archive whose files fail the check, and one that is no archive', async () => {
    const folder = temporaryFolder()
    const fetchFrom = async (bytes: Buffer) =>
      fetchCifar10(join(folder, 'cifar10'), {
        url: await serve((_, response) => response.end(bytes)),
        md5: md5(bytes),
      })
    await expect(fetchFrom(archive())).rejects.toThrow(/data_batch_1\.bin.*missing/)
    await expect(fetchFrom(Buffer.from('no archive'))).rejects.toThrow(/could not be unpacked/)
    expect(readdirSync(folder)).toEqual([])
  })

  it('knows which sets have an archive', async () => {
    const folder = join(temporaryFolder(), 'set')
    await expect(fetchData('cifar1000', folder)).rejects.toThrow(
      /only of cifar10, cifar100; did you mean "cifar100"/,
    )
    await expect(fetchData('builtin', folder)).rejects.toThrow('there is no archive of "builtin"')
    const url = await serve((_, response) => response.end('not the archive'))
    await expect(fetchData('cifar100', folder, { url })).rejects.toThrow(
      /not 03b5dce01913d631647c71ecec9e9cb8/,
    )
  })

  it('stops when it is told to, and leaves nothing behind', async () => {
    const folder = temporaryFolder()
    const url = await serve((_, response) => response.writeHead(200).write('x'))
    const controller = new AbortController()
    const onProgress = () => controller.abort(new Error('enough'))
    const fetched = fetchCifar10(join(folder, 'cifar10'), { url, signal: controller.signal, onProgress })
    await expect(fetched).rejects.toThrow('enough')
    expect(readdirSync(folder)).toEqual([])
  })

  it('names a place where no folder can be', async () => {
    const folder = temporaryFolder()
    writeFileSync(join(folder, 'file'), '')
    const target = join(folder, 'file', 'cifar10')
    await expect(fetchCifar10(target)).rejects.toMatchObject({ code: 'ERR_FILE' })
    await expect(fetchCifar10(join(folder, 'file'))).rejects.toMatchObject({ code: 'ERR_FILE' })
    expect(existsSync(target)).toBe(false)
  })
})
