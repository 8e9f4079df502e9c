import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { CoppiceError } from '../../lib/base/errors.js'
import { readSafetensors, type SafetensorsContent, writeSafetensors } from '../../lib/files/safetensors.js'

const FIXTURES = join(__dirname, '..', 'fixtures')

let folder = ''
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'coppice-safetensors-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const content: SafetensorsContent = {
  metadata: { format: 'coppice', note: 'a "quoted" note\nwith ü' },
  tensors: [
    { name: 'mask', dtype: 'U8', shape: [3], data: Uint8Array.of(1, 0, 1) },
    { name: 'conv.weight', dtype: 'F32', shape: [2, 2], data: Float32Array.of(1, -2.5, 3, 1e-30) },
    { name: 'half', dtype: 'BF16', shape: [1], data: Uint16Array.of(0x3f80) },
    { name: 'scalar', dtype: 'F64', shape: [], data: Float64Array.of(Math.PI) },
    { name: 'ids', dtype: 'I64', shape: [1, 2], data: BigInt64Array.of(-1n, 2n ** 40n) },
    { name: 'empty', dtype: 'F32', shape: [0, 3], data: new Float32Array(0) },
  ],
}

/** A file from a header of any kind and data. */
const file = async (
  header: unknown,
  data: Uint8Array = new Uint8Array(0),
  announced?: bigint,
): Promise<string> => {
  const bytes =
    header instanceof Uint8Array
      ? header
      : Buffer.from(typeof header === 'string' ? header : JSON.stringify(header))
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(announced ?? BigInt(bytes.length))
  const path = join(folder, 'made-up.safetensors')
  await writeFile(path, Buffer.concat([length, bytes, data]))
  return path
}
const f32 = (start: number, end: number, shape = [(end - start) / 4]) => ({
  dtype: 'F32',
  shape,
  data_offsets: [start, end],
})

const refusal = async (path: string): Promise<string> => {
  const error = await readSafetensors(path).catch((reason: unknown) => reason)
  expect(error).toBeInstanceOf(CoppiceError)
  expect(error).toMatchObject({ code: 'ERR_FILE' })
  const { message } = error as CoppiceError
  expect(message).toContain(path)
  expect(message).not.toContain('\n')
  return message
}

describe('readSafetensors', () => {
  it("reads what Python's safetensors 0.8 wrote", async () => {
    const { metadata, tensors } = await readSafetensors(join(FIXTURES, 'python.safetensors'))
    expect(metadata).toEqual({ format: 'np', note: 'written by safetensors 0.8.0 "quoted" ü' })
    expect(tensors.size).toBe(8)
    expect(tensors.get('conv.weight')).toEqual({
      dtype: 'F32',
      shape: [2, 3, 2, 2],
      data: Float32Array.from({ length: 24 }, (_, index) => index / 8 - 1),
    })
    expect(tensors.get('bias')).toEqual({ dtype: 'F64', shape: [2], data: Float64Array.of(1.5, -2.25) })
    expect(tensors.get('mask')).toEqual({ dtype: 'U8', shape: [3], data: Uint8Array.of(1, 0, 1) })
    expect(tensors.get('flag')).toEqual({ dtype: 'BOOL', shape: [], data: Uint8Array.of(1) })
    expect(tensors.get('half')).toEqual({ dtype: 'F16', shape: [2], data: Uint16Array.of(0x3c00, 0xc100) })
    expect(tensors.get('ids')?.data).toEqual(BigInt64Array.of(-1n, 2n ** 40n))
    expect(tensors.get('empty')).toEqual({ dtype: 'F32', shape: [0, 3], data: new Float32Array(0) })
    expect(tensors.get('zwölf ü')?.data).toEqual(Int32Array.of(12))
  })

  it('reads back what was written', async () => {
    const path = join(folder, 'round-trip.safetensors')
    await writeSafetensors(path, content)
    const { metadata, tensors } = await readSafetensors(path)
    expect(metadata).toEqual(content.metadata)
    expect(tensors.size).toBe(content.tensors.length)
    for (const { name, ...tensor } of content.tensors) expect(tensors.get(name)).toEqual(tensor)
  })

  it('reads files without tensors, without metadata and with unaligned data', async () => {
    expect(await readSafetensors(await file('{}'))).toEqual({ metadata: {}, tensors: new Map() })
    const header = { b: { dtype: 'U8', shape: [1], data_offsets: [0, 1] }, a: f32(1, 5) }
    const { tensors } = await readSafetensors(
      await file(`${JSON.stringify(header)}   `, Uint8Array.of(7, 0, 0, 128, 63)),
    )
    expect(tensors.get('a')?.data).toEqual(Float32Array.of(1))
    expect([...tensors.keys()]).toEqual(['b', 'a'])
  })

  it('takes names as they are, even those that mean something in JavaScript', async () => {
    const path = await file(
      `{"__proto__":${JSON.stringify(f32(0, 4))},"constructor":${JSON.stringify(f32(4, 8))}}`,
      new Uint8Array(8),
    )
    const { tensors } = await readSafetensors(path)
    expect([...tensors.keys()]).toEqual(['__proto__', 'constructor'])
    await writeSafetensors(path, {
      metadata: {},
      tensors: [{ name: '__proto__', dtype: 'U8', shape: [1], data: Uint8Array.of(5) }],
    })
    expect((await readSafetensors(path)).tensors.get('__proto__')?.data).toEqual(Uint8Array.of(5))
  })

  it('refuses damaged and made-up files, naming the file and the problem', async () => {
    const eight = new Uint8Array(8)
    const cases: [unknown, Uint8Array, string, bigint?][] = [
      ['', eight, 'does not start with "{"'],
      ['{}', eight, 'truncated: its header should have 1000 bytes', 1000n],
      ['{}', eight, '100000001 bytes; the longest allowed', 100_000_001n],
      ['{}', eight, '18446744073709551615 bytes', 2n ** 64n - 1n],
      [Uint8Array.of(0x7b, 0xff, 0xfe, 0x7d), eight, 'not UTF-8'],
      ['{"a": ', eight, 'not JSON'],
      ['[]', eight, 'does not start with "{"'],
      ['\u{feff}{}', eight, 'does not start with "{"'],
      ['{"a": 1}', eight, 'tensor "a" is not an object'],
      ['{"a": null}', eight, 'tensor "a" is not an object'],
      ['{"a": []}', eight, 'tensor "a" is not an object'],
      [{ a: { ...f32(0, 8), dtype: 'F31' } }, eight, '"F31"'],
      [{ a: { ...f32(0, 8), dtype: 'constructor' } }, eight, '"constructor"'],
      [{ a: { ...f32(0, 8), dtype: 3 } }, eight, '"3"'],
      [{ a: { ...f32(0, 8), extra: 3 } }, eight, 'unknown key "extra"'],
      [{ a: { dtype: 'F32', shape: [2] } }, eight, 'data_offsets'],
      [{ a: { dtype: 'F32', shape: [2], data_offsets: [0, 8, 9] } }, eight, 'data_offsets'],
      [{ a: { dtype: 'F32', shape: [2], data_offsets: [-8, 0] } }, eight, 'data_offsets'],
      [{ a: { dtype: 'F32', shape: [2], data_offsets: [0, 1e30] } }, eight, 'data_offsets'],
      [{ a: f32(0, 8, [1.5]) }, eight, 'invalid shape'],
      [{ a: f32(0, 8, [-2]) }, eight, 'invalid shape'],
      [{ a: { ...f32(0, 8), shape: '2' } }, eight, 'invalid shape'],
      [{ a: f32(0, 8, [3]) }, eight, 'needs 12 bytes, but has 8'],
      [{ a: f32(0, 8, [2 ** 40, 2 ** 40]) }, eight, 'but has 8'],
      [{ a: f32(8, 0, [2]) }, eight, 'has -8'],
      [{ a: f32(0, 16) }, eight, 'truncated: tensor "a" ends at byte 16'],
      [{ a: f32(0, 8), b: f32(4, 8) }, eight, '"b" overlaps'],
      [{ a: f32(0, 8), b: f32(0, 8) }, eight, '"b" overlaps'],
      [{ a: f32(4, 8) }, eight, 'hole of 4 bytes before tensor "a"'],
      [{ a: f32(0, 4) }, eight, '4 bytes after the last tensor'],
      ['{}', eight, '8 bytes after the last tensor'],
      [{ __metadata__: { a: 1 } }, new Uint8Array(0), 'entry "a" is not a text'],
      [{ __metadata__: 'a' }, new Uint8Array(0), '__metadata__ is not an object'],
      [`{"a":${JSON.stringify(f32(0, 8))},"a":${JSON.stringify(f32(0, 8))}}`, eight, 'names "a" twice'],
      [`{"a":${JSON.stringify(f32(0, 8))},"\\u0061":${JSON.stringify(f32(0, 8))}}`, eight, 'names "a" twice'],
      ['{"a":{"dtype":"F32","shape":[2],"shape":[2],"data_offsets":[0,8]}}', eight, 'names "shape" twice'],
    ]
    for (const [header, data, problem, announced] of cases) {
      expect(await refusal(await file(header, data, announced))).toContain(problem)
    }
  })

  it('refuses every truncation of a file that was written here, and every flipped bit', async () => {
    const path = join(folder, 'whole.safetensors')
    await writeSafetensors(path, content)
    const whole = await readFile(path)
    const part = join(folder, 'part.safetensors')
    for (let length = 0; length < whole.length; length += 7) {
      await writeFile(part, whole.subarray(0, length))
      await refusal(part)
    }
    for (const at of whole.keys()) {
      const flipped = Buffer.from(whole)
      flipped[at] = (flipped[at] ?? 0) ^ (1 << (at % 8))
      await writeFile(part, flipped)
      expect(await refusal(part), `bit ${at % 8} of byte ${at}`).toContain('not a valid safetensors file')
    }
  })

  it('takes files of other tools without checksums, but not those that lost some of theirs', async () => {
    const path = join(folder, 'sums.safetensors')
    await writeSafetensors(path, content)
    const whole = await readFile(path)
    const start = 8 + Number(whole.readBigUInt64LE())
    const header = JSON.parse(whole.subarray(8, start).toString()) as { __metadata__: Record<string, string> }
    const data = new Uint8Array(whole.subarray(start))
    const { sha256, 'sha256.header': sum, ...plain } = header.__metadata__
    const withMetadata = (metadata: object) => file({ ...header, __metadata__: metadata }, data)
    expect((await readSafetensors(await withMetadata(plain))).metadata).toEqual(plain)
    expect(await refusal(await withMetadata({ ...plain, sha256 }))).toContain('header is damaged')
    expect(await refusal(await withMetadata({ ...plain, 'sha256.header': sum }))).toContain(
      'header is damaged',
    )
    expect((await readSafetensors(path)).metadata).toEqual(plain)
  })

  it('reads no tensor that was not chosen', async () => {
    const path = join(folder, 'chosen.safetensors')
    await writeSafetensors(path, content)
    const { tensors } = await readSafetensors(path, (header) => {
      expect(header.tensors.map(({ name }) => name)).toContain('mask')
      return (name) => name === 'mask'
    })
    expect([...tensors.keys()]).toEqual(['mask'])
  })

  it('refuses what is no file', async () => {
    expect(await refusal(join(folder, 'missing.safetensors'))).toContain('no such file')
    expect(await refusal(folder)).toContain('folder')
    expect(await refusal('/dev/null')).toContain('not a regular file')
  })
})

describe('writeSafetensors', () => {
  it("writes byte for byte the file that Python's safetensors 0.8 was seen to read right", async () => {
    const path = join(folder, 'pinned.safetensors')
    await writeSafetensors(path, content)
    expect(await readFile(path)).toEqual(await readFile(join(FIXTURES, 'coppice.safetensors')))
  })

  it('aligns the data of every tensor to its elements', async () => {
    const path = join(folder, 'aligned.safetensors')
    await writeSafetensors(path, content)
    const bytes = await readFile(path)
    const start = 8 + Number(bytes.readBigUInt64LE())
    expect(start % 8).toBe(0)
    const header = JSON.parse(bytes.subarray(8, start).toString()) as Record<
      string,
      { data_offsets?: [number, number] }
    >
    for (const { name, data } of content.tensors) {
      expect((header[name]?.data_offsets?.[0] ?? 0.5) % data.BYTES_PER_ELEMENT).toBe(0)
    }
  })

  it('replaces a file whole, and leaves nothing beside it', async () => {
    const own = join(folder, 'replace')
    await mkdir(own)
    const path = join(own, 'model.safetensors')
    await writeFile(path, 'old')
    await Promise.all([writeSafetensors(path, content), writeSafetensors(path, content)])
    expect((await readSafetensors(path)).tensors.size).toBe(content.tensors.length)
    expect(await readdir(own)).toEqual(['model.safetensors'])
  })

  it('leaves the old file and no other behind when it fails', async () => {
    const own = join(folder, 'failing')
    await mkdir(join(own, 'taken', 'inside'), { recursive: true })
    const taken = await writeSafetensors(join(own, 'taken'), content).catch((reason: unknown) => reason)
    expect(taken).toMatchObject({ code: 'ERR_FILE' })
    expect(String(taken)).toContain(`cannot write ${join(own, 'taken')}`)
    const missing = await writeSafetensors(join(own, 'no', 'such', 'x'), content).catch(
      (reason: unknown) => reason,
    )
    expect(missing).toMatchObject({ code: 'ERR_FILE' })
    expect(await readdir(own)).toEqual(['taken'])
    expect(await readdir(join(own, 'taken'))).toEqual(['inside'])
  })

  it('refuses tensors that contradict themselves', async () => {
    const path = join(folder, 'never.safetensors')
    const data = new Float32Array(4)
    const cases: [SafetensorsContent['tensors'], string][] = [
      [[{ name: 'a', dtype: 'F32', shape: [5], data }], 'shape [5] does not fit 4 elements'],
      [[{ name: 'a', dtype: 'F64', shape: [4], data }], 'F64 does not fit a Float32Array'],
      [[{ name: 'a', dtype: 'F31' as 'F32', shape: [4], data }], 'F31'],
      [[{ name: '__metadata__', dtype: 'F32', shape: [4], data }], '__metadata__'],
      [
        [
          { name: 'a', dtype: 'F32', shape: [4], data },
          { name: 'a', dtype: 'F32', shape: [4], data },
        ],
        'same name',
      ],
    ]
    for (const [tensors, problem] of cases) {
      await expect(writeSafetensors(path, { metadata: {}, tensors })).rejects.toThrow(problem)
    }
    await expect(
      writeSafetensors(path, { metadata: { a: 3 as unknown as string }, tensors: [] }),
    ).rejects.toThrow('"a"')
    await refusal(path)
  })

  it('writes arrays that are views into larger buffers, larger than one write', async () => {
    const path = join(folder, 'large.safetensors')
    const arena = Float32Array.from({ length: 9 * 2 ** 20 }, (_, index) => index)
    const view = arena.subarray(100, 100 + 9 * 2 ** 20 - 200)
    await writeSafetensors(path, {
      metadata: {},
      tensors: [{ name: 'a', dtype: 'F32', shape: [view.length], data: view }],
    })
    const read = (await readSafetensors(path)).tensors.get('a')?.data as Float32Array
    expect(
      Buffer.compare(Buffer.from(read.buffer), Buffer.from(view.buffer, view.byteOffset, view.byteLength)),
    ).toBe(0)
  })
})
