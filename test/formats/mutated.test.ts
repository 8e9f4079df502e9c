/** Damaged files of every format that is read: each is read, or refused in one line. COPPICE_MUTATED: how many of each. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { CoppiceError } from '../../lib/base/errors.js'
import { randomStream } from '../../lib/base/hash.js'
import { onnxBytes } from '../../lib/formats/onnx/export.js'
import { readOnnxModel } from '../../lib/formats/onnx/import.js'
import { exportTorch } from '../../lib/formats/torch/export.js'
import { readTorchModel } from '../../lib/formats/torch/import.js'
import { readVnnlib } from '../../lib/formats/vnnlib/read.js'
import { vnnlibProperty } from '../../lib/formats/vnnlib/write.js'
import { readModel } from '../../lib/models/modelFile.js'
import { temporaryFolder, tinySpec } from '../helpers.js'
import { shaken } from '../models/shaken.js'

const COUNT = Number(process.env.COPPICE_MUTATED ?? 40)

/** Flipped bits, cuts, repetitions, noise, numbers that lengths are made of. */
const damaged = (bytes: Buffer, below: (bound: number) => number): Buffer => {
  // The beginnings and ends of files say what they hold.
  const places = [below(bytes.length), below(400), bytes.length - below(400)]
  const place = Math.max(0, Math.min(places[below(3)] ?? 0, bytes.length - 1))
  const size = 1 + below(64)
  const [before, struck, after] = [
    bytes.subarray(0, place),
    bytes.subarray(place, place + size),
    bytes.subarray(place + size),
  ]
  switch (below(6)) {
    case 0:
      return Buffer.concat([
        before,
        struck.map((byte, index) => byte ^ (index === 0 ? 1 << below(8) : 0)),
        after,
      ])
    case 1:
      return before
    case 2:
      return Buffer.concat([before, after])
    case 3:
      return Buffer.concat([before, struck, struck, after])
    case 4:
      return Buffer.concat([before, struck.map(() => below(256)), after])
    default:
      return Buffer.concat([before, Buffer.alloc(struck.length, [0xff, 0x80, 0x28, 0][below(4)]), after])
  }
}

const mutated = (whole: Buffer, seed: number): Buffer => {
  const next = randomStream(seed)
  const below = (bound: number) => next() % Math.max(1, bound)
  return Array.from({ length: 1 + below(3) }).reduce<Buffer>((bytes) => damaged(bytes, below), whole)
}

/** A model's file without the checksums that find every flipped bit. */
const unsummed = (file: Buffer): Buffer => {
  const length = Number(file.readBigUInt64LE(0))
  const header = JSON.parse(file.toString('utf8', 8, 8 + length)) as { __metadata__: Record<string, string> }
  const { sha256, 'sha256.header': sum, ...metadata } = header.__metadata__
  const text = Buffer.from(JSON.stringify({ ...header, __metadata__: metadata }))
  const prefix = Buffer.alloc(8)
  prefix.writeBigUInt64LE(BigInt(text.length))
  return Buffer.concat([prefix, text, file.subarray(8 + length)])
}

const whole = async (): Promise<Record<string, [Buffer, (path: string) => Promise<unknown>]>> => {
  const folder = temporaryFolder()
  const file = (name: string) => join(folder, name)
  const network = await shaken(tinySpec())
  const state = await network.read()
  await network.write({ ...state, mask: state.mask.map((_, place) => (place % 3 === 0 ? 1 : 0)) })
  await exportTorch(network, file('a.pth'))
  await network.save(file('a.safetensors'))
  const property = vnnlibProperty([0, 0.5, 1, 0.25], { epsilon: 0.1, label: 1, classes: 3 })
  return {
    onnx: [Buffer.from(onnxBytes(await network.read())), readOnnxModel],
    pth: [readFileSync(file('a.pth')), (path) => readTorchModel(path, tinySpec())],
    safetensors: [unsummed(readFileSync(file('a.safetensors'))), readModel],
    vnnlib: [Buffer.from(property), readVnnlib],
  }
}

describe.each(['onnx', 'pth', 'safetensors', 'vnnlib'])('mutated %s files', (format) => {
  it('are read, or refused in one line', async () => {
    const [bytes, read] = (await whole())[format] ?? []
    if (bytes === undefined || read === undefined) throw new Error(`no ${format}`)
    const path = join(temporaryFolder(), `mutated.${format}`)
    writeFileSync(path, bytes)
    await read(path)
    let refused = 0
    for (let index = 0; index < COUNT; index++) {
      writeFileSync(path, mutated(bytes, 1000 + index))
      const error = await read(path).then(
        () => undefined,
        (reason: unknown) => reason,
      )
      if (error === undefined) continue
      refused++
      expect(error, `mutation ${index}`).toBeInstanceOf(CoppiceError)
      const { code, message } = error as CoppiceError
      expect(['ERR_FILE', 'ERR_OUT_OF_MEMORY'], `mutation ${index}: ${message}`).toContain(code)
      expect(message, `mutation ${index}`).toMatch(/^[^\n]{1,600}$/)
      expect(message, `mutation ${index}`).toContain(path)
    }
    expect(refused).toBeGreaterThan(COUNT / 4)
  })
})
