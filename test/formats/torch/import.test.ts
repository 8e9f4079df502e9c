import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { CoppiceError } from '../../../lib/base/errors.js'
import { readTorchModel } from '../../../lib/formats/torch/import.js'
import { fileLayout } from '../../../lib/models/modelFile.js'
import { type NetworkSpecInput, parseSpec } from '../../../lib/networks/parse.js'
import type { NetworkSpec } from '../../../lib/networks/spec.js'
import { temporaryFolder } from '../../helpers.js'
import {
  bytesOf,
  call,
  dictionary,
  integer,
  legacyFile,
  list,
  named,
  none,
  type Piece,
  persistent,
  program,
  storage,
  tensor,
  text,
  tuple,
  zipFile,
} from './torchFiles.js'

const fixtures = join(__dirname, '../../fixtures/torch')
const folder = temporaryFolder('file')
const scratch = join(folder, 'weights.pth')

/** Reads `bytes` as a file. */
const read = (bytes: Uint8Array, spec: NetworkSpec, options = {}) => {
  writeFileSync(scratch, bytes)
  return readTorchModel(scratch, spec, options)
}

/** What is said about `bytes`: one line that names the file. */
const refusal = async (bytes: Uint8Array, spec: NetworkSpec = twoWeights, options = {}): Promise<string> => {
  const error = await read(bytes, spec, options).then(
    () => new Error('it was accepted'),
    (reason: unknown) => reason,
  )
  expectRefusal(error)
  return (error as Error).message
}
const expectRefusal = (error: unknown) => {
  expect(error).toBeInstanceOf(CoppiceError)
  expect(error).toMatchObject({ code: 'ERR_FILE' })
  const { message } = error as CoppiceError
  expect(message.startsWith(`${scratch} cannot be imported: `)).toBe(true)
  // biome-ignore lint/suspicious/noControlCharactersInRegex: that there are none is the claim.
  expect(message).not.toMatch(/[\x00-\x1f]/)
}

const network = (nodes: NetworkSpecInput['nodes'], input: [number, number, number] = [1, 1, 2]) =>
  parseSpec({ name: 'tested', input, nodes })

/** One linear layer of 2×2 weights; `fc.weight` is all it needs. */
const twoWeights = network([
  { op: 'flatten', name: 'flatten' },
  { op: 'linear', name: 'fc', features: 2, bias: false },
])
const latin1 = (text: string): Piece => Buffer.from(text, 'latin1')
const four = Float32Array.of(1, -2, 3.5, 0.25)
/** A state dict of those weights. */
const honest = dictionary({ 'fc.weight': tensor(storage({ length: 4 }), [2, 2], [2, 1]) })

describe('files that PyTorch wrote', () => {
  const names = ['conv', 'norm', 'fc']
  const spec = (given: readonly string[] = names) => {
    const [conv = '', norm = '', fc = ''] = given
    return network(
      [
        { op: 'conv2d', name: conv, channels: 3, kernel: 3 },
        { op: 'batchNorm2d', name: norm },
        { op: 'relu', name: 'relu' },
        { op: 'flatten', name: 'flatten' },
        { op: 'linear', name: fc, features: 4 },
      ],
      [2, 4, 4],
    )
  }
  /** The values of test/fixtures/torch/write.py: parameters and statistics in its order. */
  const expected = (from: number, count: number) =>
    Array.from({ length: count }, (_, index) => (((from + index) * 7) % 61) / 8 + 0.125)
  const parameters = [...expected(0, 63), ...expected(69, 52)]
  const buffers = expected(63, 6)

  it.each([
    ['legacy.pth', 'legacy', ''],
    ['checkpoint.pth', 'zip', 'state_dict[0]'],
    ['bigEndian.pth', 'zip', ''],
  ])('are read: %s', async (file, format, place) => {
    const path = join(fixtures, file)
    const read = await readTorchModel(path, spec())
    expect(read).toMatchObject({ format, place, matchedBy: 'order' })
    expect(read.model.parameters).toEqual(Float32Array.from(parameters))
    expect(read.model.buffers).toEqual(Float32Array.from(buffers))
    expect(read.model.mask).toEqual(new Uint8Array(parameters.length).fill(1))
    expect(read.tensors.map(({ name, target }) => [name, target])).toEqual([
      ['0.weight', 'conv.weight'],
      ['0.bias', 'conv.bias'],
      ['1.weight', 'norm.weight'],
      ['1.bias', 'norm.bias'],
      ['1.running_mean', 'norm.running_mean'],
      ['1.running_var', 'norm.running_var'],
      ['1.num_batches_tracked', null],
      ['4.weight', 'fc.weight'],
      ['4.bias', 'fc.bias'],
    ])
    const named = await readTorchModel(path, spec(['0', '1', '4']), { type: 'float64' })
    expect(named.matchedBy).toBe('name')
    expect(named.model.parameters).toEqual(Float64Array.from(parameters))
  })

  it.each(['legacy.pth', 'checkpoint.pth', 'bigEndian.pth'])(
    'are refused when %s is cut short anywhere',
    async (file) => {
      const whole = readFileSync(join(fixtures, file))
      for (let length = 0; length < whole.length; length++) {
        await refusal(whole.subarray(0, length), spec())
      }
    },
  )

  it.each(['legacy.pth', 'checkpoint.pth'])(
    'are read or refused when any byte of %s differs',
    async (file) => {
      const whole = readFileSync(join(fixtures, file))
      for (let at = 0; at < whole.length; at++) {
        const damaged = Buffer.from(whole)
        damaged[at] = (whole[at] ?? 0) ^ (1 << (at % 8))
        const result = await read(damaged, spec()).catch((error: unknown) => error)
        if (result instanceof Error) expectRefusal(result)
        else if (file === 'checkpoint.pth') {
          // Checksums guard the values.
          expect(result).toMatchObject({ model: { parameters: Float32Array.from(parameters) } })
        }
      }
    },
  )

  it('are refused by name when they hold a whole module', async () => {
    const message = await refusal(readFileSync(join(fixtures, 'module.pth')))
    expect(message).toContain('it names "torch.nn.modules.container.Sequential"')
    expect(message).toContain('torch.save(model.state_dict(), file)')
  })
})

describe('readTorchModel', () => {
  it.each([
    ['Float', four],
    ['Double', Float64Array.from(four)],
    ['Half', Uint16Array.of(0x3c00, 0xc000, 0x4300, 0x3400)],
    ['BFloat16', Uint16Array.of(0x3f80, 0xc000, 0x4060, 0x3e80)],
  ])('reads storages of type %s, in both byte orders and formats', async (type, values) => {
    const of = (view?: Piece) =>
      dictionary({
        'fc.weight': tensor(
          storage({ type, length: 4, location: 'cuda:0', ...(view && { view }) }),
          [2, 2],
          [2, 1],
        ),
      })
    for (const file of [
      zipFile(of(), { 0: bytesOf(values) }),
      zipFile(of(), { 0: bytesOf(values) }, 'little'),
      zipFile(of(), { 0: bytesOf(values, true) }, 'big'),
      legacyFile(of(none), { 0: [4, bytesOf(values)] }),
    ]) {
      expect((await read(file, twoWeights)).model.parameters).toEqual(four)
    }
  })

  it('reads the extremes of half precision', async () => {
    const values = Uint16Array.of(0x0001, 0x83ff, 0x7bff, 0x8000)
    const weights = dictionary({ w: tensor(storage({ type: 'Half', length: 4 }), [2, 2], [2, 1]) })
    const file = zipFile(
      dictionary({ 'fc.weight': tensor(storage({ type: 'Half', length: 4 }), [2, 2], [2, 1]) }),
      {
        0: bytesOf(values),
      },
    )
    expect([...(await read(file, twoWeights)).model.parameters]).toEqual([
      2 ** -24,
      -1023 * 2 ** -24,
      65504,
      -0,
    ])
    // A name without a layer's last name finds no place.
    expect(await refusal(zipFile(weights, { 0: bytesOf(values) }))).toContain('left over in it: w [2, 2]')
  })

  it('makes views row-major: offsets, transposes, steps, and views of old storages', async () => {
    const values = Float32Array.from({ length: 12 }, (_, index) => index)
    const view = (shape: number[], strides: number[], offset: number, piece?: Piece) =>
      dictionary({
        'fc.weight': tensor(storage({ length: 12, ...(piece && { view: piece }) }), shape, strides, offset),
      })
    const zip = async (piece: Piece) => [
      ...(await read(zipFile(piece, { 0: bytesOf(values) }), twoWeights)).model.parameters,
    ]
    expect(await zip(view([2, 2], [2, 1], 5))).toEqual([5, 6, 7, 8])
    expect(await zip(view([2, 2], [1, 2], 8))).toEqual([8, 10, 9, 11])
    expect(await zip(view([2, 2], [6, 3], 0))).toEqual([0, 3, 6, 9])
    expect(await zip(view([2, 2], [0, 1], 3))).toEqual([3, 4, 3, 4])
    const part = tuple(text('view'), integer(4), integer(6))
    const old = legacyFile(view([2, 2], [2, 1], 1, part), { 0: [12, bytesOf(values)] })
    expect([...(await read(old, twoWeights)).model.parameters]).toEqual([5, 6, 7, 8])
  })

  it('finds the state dict in what training scripts wrap around it', async () => {
    const found = async (value: Piece) => (await read(zipFile(value, { 0: bytesOf(four) }), twoWeights)).place
    expect(await found(honest)).toBe('')
    expect(await found(dictionary({ epoch: integer(3), state_dict: honest }))).toBe('state_dict')
    expect(await found(dictionary({ state_dict: list(honest, honest) }))).toBe('state_dict[0]')
    expect(await found(dictionary({ model: dictionary({ state_dict: honest }) }))).toBe('model.state_dict')
    expect(await found(list(integer(4), honest))).toBe('[1]')
    expect(await found(tuple(honest, integer(4)))).toBe('[0]')
    const ordered = call(
      named('collections', 'OrderedDict'),
      list(list(text('module.fc.weight'), tensor(storage({ length: 4 }), [2, 2], [2, 1]))),
    )
    expect(await found(ordered)).toBe('')
    expect(await refusal(zipFile(dictionary({ epoch: integer(3) })))).toContain('it holds no state dict')
    expect(await refusal(zipFile(list(list(list(list(list(list(honest))))))))).toContain('no state dict')
  })

  it('refuses values that are not finite in the type asked for', async () => {
    const nan = zipFile(honest, { 0: bytesOf(Float32Array.of(1, 2, Number.NaN, 4)) })
    expect(await refusal(nan)).toContain('its tensor "fc.weight" is NaN or infinite as float32, at value 2')
    const value = dictionary({ 'fc.weight': tensor(storage({ type: 'Double', length: 4 }), [2, 2], [2, 1]) })
    const large = zipFile(value, { 0: bytesOf(Float64Array.of(1, 1e300, 0, 0)) })
    expect(await refusal(large)).toContain('at value 1')
    expect((await read(large, twoWeights, { type: 'float64' })).model.parameters[1]).toBe(1e300)
  })
})

describe('matching', () => {
  /** Tensors of these names and shapes, of consecutive numbers. */
  const stateDict = (shapes: Record<string, number[]>): Buffer => {
    let length = 0
    const starts = Object.entries(shapes).map(([name, shape]) => {
      const start = length
      length += shape.reduce((product, size) => product * size, 1)
      return { name, shape, start }
    })
    const entries = starts.map(({ name, shape, start }) => {
      const strides = shape.map((_, axis) =>
        shape.slice(axis + 1).reduce((product, size) => product * size, 1),
      )
      return [name, tensor(storage({ length }), shape, strides, start)]
    })
    const values = Float32Array.from({ length }, (_, index) => index)
    return zipFile(dictionary(Object.fromEntries(entries)), { 0: bytesOf(values) })
  }
  const chain = (...names: string[]) =>
    network([
      { op: 'flatten', name: 'flatten' },
      ...names.map((name) => ({ op: 'linear', name, features: 2 }) as const),
    ])
  const targets = async (shapes: Record<string, number[]>, spec: NetworkSpec) =>
    Object.fromEntries(
      (await read(stateDict(shapes), spec)).tensors.map(({ name, target }) => [name, target]),
    )

  it('goes by names where all are there, whatever the order', async () => {
    const shapes = { 'b.bias': [2], 'b.weight': [2, 2], 'a.weight': [2, 2], 'a.bias': [2] }
    const { model, matchedBy } = await read(stateDict(shapes), chain('a', 'b'))
    expect(matchedBy).toBe('name')
    expect([...model.parameters]).toEqual([6, 7, 8, 9, 10, 11, 2, 3, 4, 5, 0, 1])
    expect(fileLayout(model.spec).map(({ name }) => name)).toEqual([
      'a.weight',
      'a.bias',
      'b.weight',
      'b.bias',
    ])
  })

  it('goes in order else, and is not misled by a name that happens to be there', async () => {
    const shapes = {
      '0.weight': [2, 2],
      '0.bias': [2],
      '2.weight': [2, 2],
      '2.bias': [2],
      '4.weight': [2, 2],
      '4.bias': [2],
    }
    expect(await targets(shapes, chain('0', '1', '2'))).toEqual({
      '0.weight': '0.weight',
      '0.bias': '0.bias',
      '2.weight': '1.weight',
      '2.bias': '1.bias',
      '4.weight': '2.weight',
      '4.bias': '2.bias',
    })
  })

  it('keeps the tensors of a layer together where layers are defined in another order', async () => {
    const spec = network([
      { op: 'flatten', name: 'flatten' },
      { op: 'linear', name: 'wide', features: 3 },
      { op: 'linear', name: 'middle', features: 3 },
      { op: 'linear', name: 'last', features: 3 },
    ])
    const shapes = { 'y.weight': [3, 3], 'y.bias': [3], 'x.weight': [3, 2], 'x.bias': [3] }
    expect(await targets({ ...shapes, 'z.weight': [3, 3], 'z.bias': [3] }, spec)).toEqual({
      'y.weight': 'middle.weight',
      'y.bias': 'middle.bias',
      'x.weight': 'wide.weight',
      'x.bias': 'wide.bias',
      'z.weight': 'last.weight',
      'z.bias': 'last.bias',
    })
  })

  it('says what is left over on both sides', async () => {
    const said = (shapes: Record<string, number[]>) => refusal(stateDict(shapes), chain('a', 'b'))
    expect(await said({ 'a.weight': [2, 2], 'a.bias': [2], 'b.weight': [2, 3], 'b.bias': [2] })).toContain(
      'it does not fit the network "tested": it has nothing for b.weight [2, 2]; left over in it: b.weight [2, 3]',
    )
    expect(await said({ 'a.weight': [2, 2], 'a.bias': [2] })).toMatch(
      /: it has nothing for b\.weight \[2, 2\], b\.bias \[2\]$/,
    )
    const all = { 'a.weight': [2, 2], 'a.bias': [2], 'b.weight': [2, 2], 'b.bias': [2] }
    expect(await said({ ...all, 'mean\n': [3] })).toMatch(/: left over in it: mean\\n \[3\]$/)
  })
})

describe('a hostile file', () => {
  /** The same value in both formats, so that neither lets through what the other refuses. */
  const both = async (value: Piece): Promise<string> => {
    const messages = [await refusal(zipFile(value)), await refusal(legacyFile(value))]
    expect(messages[0]).toBe(messages[1])
    return messages[0] ?? ''
  }

  it.each([
    ['os.system', call(named('posix', 'system'), text('touch /tmp/owned')), '"posix.system"'],
    ['eval', call(named('__builtin__', 'eval'), text('1')), '"__builtin__.eval"'],
    ['a class that is only named', list(named('builtins', 'exec')), '"builtins.exec"'],
    ['a function of torch', call(named('torch', 'load'), text('x')), '"torch.load"'],
    ['a name from prototypes', call(named('torch', 'constructor')), '"torch.constructor"'],
    ['another one', call(named('collections', '__proto__')), '"collections.__proto__"'],
    ['control characters', named('a\x1b[31m', 'b\r'), '"a\\u001b[31m.b\\r"'],
    ['numpy', call(named('numpy.core.multiarray', 'scalar'), none), '"numpy.core.multiarray.scalar"'],
  ])('is refused by name, and not run: %s', async (_, value, name) => {
    expect(await both(dictionary({ state_dict: honest, evil: value }))).toContain(`it names ${name}`)
  })

  it('is refused when it hides in the parts of the older format that come first', async () => {
    const good = legacyFile(honest, { 0: [4, bytesOf(four)] })
    const evil = program(call(named('posix', 'system'), text('true')))
    for (const start of [0, 15]) {
      const file = Buffer.concat([good.subarray(0, start), evil, good.subarray(start)])
      expect(await refusal(file)).toMatch(
        start === 0 ? /not a file that torch\.save wrote/ : /"posix\.system"/,
      )
    }
  })

  it.each([
    ['a storage of 2^53 elements', tensor(storage({ length: 2n ** 53n }), [2, 2], [2, 1]), /unknown object/],
    ['a negative length', tensor(storage({ length: -4 }), [2, 2], [2, 1]), /unknown object/],
    ['a storage shorter than stated', tensor(storage({ length: 5 }), [2, 2], [2, 1]), /16 bytes where 20/],
    ['a missing storage', tensor(storage({ length: 4, key: '7' }), [2, 2], [2, 1]), /lacks the storage "7"/],
    [
      'a key that leads elsewhere',
      tensor(storage({ length: 4, key: '../version' }), [2, 2], [2, 1]),
      /lacks/,
    ],
    ['a tensor beyond its storage', tensor(storage({ length: 4 }), [2, 2], [2, 1], 1), /beyond its storage/],
    ['strides beyond it', tensor(storage({ length: 4 }), [2, 2], [3, 1]), /beyond its storage/],
    ['overflowing strides', tensor(storage({ length: 4 }), [2, 2], [2n ** 52n, 1]), /beyond its storage/],
    ['negative strides', tensor(storage({ length: 4 }), [2, 2], [-2, 1], 2), /is broken/],
    [
      'an absurd shape of one element',
      tensor(storage({ length: 4 }), [2n ** 40n, 2n ** 40n], [0, 0]),
      /left over/,
    ],
    ['a hundred axes', tensor(storage({ length: 4 }), Array(100).fill(1), Array(100).fill(1)), /is broken/],
    ['strides for other axes', tensor(storage({ length: 4 }), [2, 2], [1]), /is broken/],
    ['a tensor of nothing', call(named('torch._utils', '_rebuild_tensor_v2')), /is broken/],
    ['a parameter of nothing', call(named('torch._utils', '_rebuild_parameter'), none), /is no tensor/],
    ['a called storage', call(named('torch', 'FloatStorage'), integer(1)), /not allowed/],
    ['a module with its source', persistent(text('module'), none, none, none), /a whole module/],
    ['some other object', persistent(text('thing')), /unknown object/],
    ['a broken dictionary', call(named('collections', 'OrderedDict'), list(none)), /is broken/],
  ])('is refused: %s', async (_, value, message) => {
    const file = zipFile(dictionary({ 'fc.weight': value }), { 0: bytesOf(four) })
    expect(await refusal(file)).toMatch(message)
  })

  it('cannot change the shape of a tensor once it is checked', async () => {
    const changed = Buffer.concat([
      latin1('}('),
      text('fc.weight'),
      named('torch._utils', '_rebuild_tensor_v2'),
      latin1('('),
      storage({ length: 4 }),
      integer(0),
      latin1(']q\x05(K\x02K\x02e'),
      tuple(integer(2), integer(1)),
      latin1('tR'),
      text('later'),
      latin1('h\x05K\x09a'),
      latin1('u'),
    ])
    const { tensors } = await read(zipFile(changed, { 0: bytesOf(four) }), twoWeights)
    expect(tensors).toMatchObject([{ shape: [2, 2] }])
  })

  it('is refused when two tensors disagree about a storage', async () => {
    const value = dictionary({
      'fc.weight': tensor(storage({ length: 4 }), [2, 2], [2, 1]),
      other: tensor(storage({ type: 'Half', length: 8 }), [2, 2], [2, 1]),
    })
    expect(await refusal(zipFile(value, { 0: bytesOf(four) }))).toContain('in two ways')
  })

  it('is refused when its pickle never ends or is no program', async () => {
    const raw = async (text: string) => both(Buffer.from(text, 'latin1'))
    expect(await raw('h\x07')).toContain('recalls value 7, which it never stored')
    expect(await raw('j\xff\xff\xff\xff')).toContain('recalls value 4294967295')
    expect(await raw('X\xff\xff\xff\xffab')).toContain('ends in the middle of a value')
    expect(await raw('X\xff\xff\xff\x7fab')).toContain('ends in the middle of a value')
    expect(await raw('t')).toContain('has no start')
    expect(await raw('\x80\x05N')).toContain('the pickle protocol 5; up to 2')
    expect(await raw('ccollections\nOrderedDict\n)\x81')).toContain('unknown instruction 0x81')
    expect(await raw('(K\x01Q')).toContain('unknown object')
    expect(await raw('N'.repeat(4_000_001))).toContain('more than 4000000 instructions')
  })

  it('cannot blow up the memory with lists of lists', async () => {
    // Each list holds the one before twice: 2^200 leaves for whoever walks them.
    const doubling = Array.from(
      { length: 200 },
      (_, index) =>
        `](h${String.fromCharCode(index)}h${String.fromCharCode(index)}eq${String.fromCharCode(index + 1)}`,
    )
    const bomb = Buffer.from(`]q\x00${doubling.join('')}`, 'latin1')
    expect(await both(bomb)).toContain('no state dict')
    const deep = Buffer.from(`${']'.repeat(1_000_000)}${'a'.repeat(999_999)}`, 'latin1')
    expect(await both(deep)).toContain('no state dict')
    expect(await both(Buffer.from(']q\x00h\x00a', 'latin1'))).toContain('no state dict')
    expect(await both(Buffer.from('}q\x00X\x05\x00\x00\x00modelh\x00s', 'latin1'))).toContain('no state dict')
  })

  it('is refused when its archive lies', async () => {
    const good = zipFile(honest, { 0: bytesOf(four) })
    expect((await read(good, twoWeights)).model.parameters).toEqual(four)
    const changed = (change: (bytes: Buffer, end: number, directory: number) => void) => {
      const bytes = Buffer.from(good)
      const end = bytes.length - 22
      change(bytes, end, bytes.readUInt32LE(end + 16))
      return refusal(bytes)
    }
    expect(await changed((b, end) => b.writeUInt32LE(0xffff_ffff, end + 16))).toContain('table of contents')
    expect(await changed((b, end) => b.writeUInt16LE(0xffff, end + 10))).toContain('table of contents')
    expect(await changed((b, _, first) => b.writeUInt16LE(8, first + 10))).toContain('does not unpack')
    expect(await changed((b, _, first) => b.writeUInt32LE(0x7fff_ffff, first + 42))).toContain('is not where')
    expect(
      await changed((b, _, first) => {
        b.writeUInt32LE(0x7fff_ffff, first + 20)
        b.writeUInt32LE(0x7fff_ffff, first + 24)
      }),
    ).toContain('is truncated')
    expect(await refusal(zipFile(honest, { 0: bytesOf(four) }, 'middle'))).toContain('byte order')
  })
})

describe('a file of another kind', () => {
  it.each([
    ['nothing', '', /it is empty/],
    ['text', 'weights', /not a file that torch\.save wrote/],
    ['a bare pickle', '\x80\x02N.', /not a file that torch\.save wrote/],
    ['another archive', zipFile(none).toString('latin1').replaceAll('data.pkl', 'data.txt'), /no data\.pkl/],
  ])('is refused: %s', async (_, bytes, message) => {
    expect(await refusal(Buffer.from(bytes, 'latin1'))).toMatch(message)
  })

  it('is named when it is missing or a folder', async () => {
    await expect(readTorchModel('/nowhere.pth', twoWeights)).rejects.toThrow(
      /\/nowhere\.pth: there is no such/,
    )
    await expect(readTorchModel(folder, twoWeights)).rejects.toThrow(/it is a folder/)
  })
})
