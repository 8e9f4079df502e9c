import { describe, expect, it } from 'vitest'
import { PickledArray, rebuildArray } from '../../lib/data/pickledArray.js'
import { PickleError, type PickleRules, readPickle, readPickleWith } from '../../lib/files/pickle.js'
import { pickle } from './pickles.js'

const read = (bytes: Uint8Array) => readPickle(bytes, rebuildArray)
const latin1 = (text: string): Uint8Array => Buffer.from(text, 'latin1')

describe('pickles', () => {
  it('hold dictionaries, lists, strings and numbers', () => {
    const value = read(pickle({ name: 'batch', labels: [0, 255, 256, 70_000, -1], empty: [] }))
    expect(value).toEqual(
      new Map<string, unknown>([
        ['name', 'batch'],
        ['labels', [0, 255, 256, 70_000, -1]],
        ['empty', []],
      ]),
    )
  })

  it('hold thousands of values, each remembered', () => {
    const names = Array.from({ length: 2500 }, (_, index) => `image_${index}.png`)
    expect(read(pickle(names))).toEqual(names)
  })

  it('hold numpy arrays of bytes, in C or Fortran order', () => {
    const data = Uint8Array.of(1, 2, 3, 4, 5, 6)
    const rows = read(pickle({ rows: 2, columns: 3, data }))
    const columns = read(
      pickle({ rows: 2, columns: 3, data: Uint8Array.of(1, 4, 2, 5, 3, 6), fortran: true }),
    )
    for (const array of [rows, columns]) {
      expect(array).toBeInstanceOf(PickledArray)
      expect(array).toMatchObject({ shape: [2, 3], data })
    }
  })

  it('never makes a call but the three that rebuild arrays', () => {
    const system = latin1('\x80\x02cposix\nsystem\nU\x04echo\x85R.')
    expect(() => read(system)).toThrow(/it calls posix system, which is not allowed/)
    const reconstruct = latin1('\x80\x02cnumpy.core.multiarray\n_reconstruct\ncos\nsystem\n\x85R.')
    expect(() => read(reconstruct)).toThrow(/not allowed/)
    expect(() => read(latin1('\x80\x02cos\nsystem\nU\x01x\x81.'))).toThrow(/unknown instruction 0x81 at byte/)
    expect(() => read(latin1('\x80\x02K\x01K\x02R.'))).toThrow(/calls what is no function/)
  })

  it('hold floating-point and long numbers', () => {
    const values = read(
      latin1('\x80\x02](G\x3f\xe0\x00\x00\x00\x00\x00\x00\x8a\x00\x8a\x01\xfe\x8a\x05\x00\x00\x00\x00\x01e.'),
    )
    expect(values).toEqual([0.5, 0, -2, 2 ** 32])
  })

  it('may follow one another, name only what the rules allow, and refer to objects kept elsewhere', () => {
    const kept = { setState: () => undefined }
    const rules: PickleRules = {
      call: () => kept,
      name: (name) => {
        if (name !== 'good name') throw new PickleError(`no ${name}`)
      },
      persistent: (id) => (id === 7 ? kept : { setState: () => undefined }),
    }
    const bytes = latin1('\x80\x02K\x07Q.\x80\x02cgood\nname\n.')
    const { value, length } = readPickleWith(bytes, rules)
    expect(value).toBe(kept)
    expect(readPickleWith(bytes.subarray(length), rules)).toMatchObject({ value: { name: 'good name' } })
    expect(() => readPickleWith(latin1('cevil\nname\n0.'), rules)).toThrow('no evil name')
    expect(() => read(latin1('K\x07Q.'))).toThrow(/refers to objects outside/)
  })

  it.each([
    ['nothing', ''],
    ['an end before the value', '\x80\x02.'],
    ['a string cut short', '\x80\x02U\x05ab'],
    ['a list without a start', '\x80\x02]e.'],
    ['a recall of nothing', '\x80\x02h\x07.'],
    ['an append to a number', '\x80\x02K\x01K\x02a.'],
    ['a newer protocol', '\x80\x04N.'],
    ['half a dictionary entry', '\x80\x02}(K\x01u.'],
    ['a name without an end', '\x80\x02cnumpy'],
    ['a state for a list', '\x80\x02]K\x01b.'],
  ])('refuses %s', (_, bytes) => {
    expect(() => read(latin1(bytes))).toThrow(PickleError)
  })

  it('refuses every prefix of a good pickle', () => {
    const whole = pickle({ data: { rows: 1, columns: 300, data: new Uint8Array(300) }, labels: [3] })
    for (let length = 0; length < whole.length; length++) {
      expect(() => read(whole.subarray(0, length))).toThrow(PickleError)
    }
  })

  it('refuses an array whose size does not fit its bytes', () => {
    const wrong = pickle({ rows: 2, columns: 4, data: new Uint8Array(6) })
    expect(() => read(wrong)).toThrow(/does not have the size that it states/)
  })
})
