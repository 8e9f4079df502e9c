import { describe, expect, it } from 'vitest'
import { parseBytes } from '../../lib/base/numbers.js'
import {
  describeVerifier,
  stepsOf,
  type VerifierOptions,
  verificationWork,
  verifier,
  verifierNames,
} from '../../lib/verification/index.js'

describe('verifier', () => {
  it('fills in the defaults of every name', () => {
    expect(verifierNames).toEqual(['interval', 'crownIbp', 'symbolic', 'crown', 'alphaCrown', 'cascade'])
    for (const name of verifierNames) {
      expect(verifier(name)).toMatchObject({ kind: name, clip: true, intersect: false })
      expect(Object.isFrozen(verifier(name))).toBe(true)
      // Written to a file and read again, it is the same.
      expect(verifier(JSON.parse(JSON.stringify(verifier(name))) as VerifierOptions)).toEqual(verifier(name))
    }
    expect(verifier('alphaCrown')).toMatchObject({ iterations: 20 })
  })

  it('hands the options of a cascade to its steps', () => {
    const cascade = verifier({ kind: 'cascade', clip: false, intersect: true, memory: '1GB', iterations: 7 })
    const shared = { clip: false, intersect: true, memory: 1e9 }
    expect(stepsOf(cascade)).toEqual([
      { kind: 'symbolic', ...shared },
      { kind: 'crown', ...shared },
      { kind: 'alphaCrown', ...shared, iterations: 7 },
    ])
  })

  it('costs more the dearer it is', () => {
    const work = verifierNames.map((name) => verificationWork(verifier(name)))
    expect(work).toEqual([...work].sort((a, b) => a - b))
  })

  it('says what it does in a line', () => {
    expect(describeVerifier(verifier('symbolic'))).toBe('symbolic')
    expect(describeVerifier(verifier({ kind: 'alphaCrown', clip: false, iterations: 5 }))).toBe(
      'alphaCrown, 5 iterations, box not clipped to [0,1]',
    )
    expect(describeVerifier(verifier({ kind: 'cascade', steps: ['interval', 'crown'] }))).toBe(
      'cascade (interval → crown)',
    )
  })

  it.each([
    ['symbolc', 'did you mean "symbolic"?'],
    ['alphacrown', 'did you mean "alphaCrown"?'],
    ['milp', 'expected one of interval, crownIbp, symbolic, crown, alphaCrown, cascade'],
    [{ kind: 'crown', iterations: 3 }, 'unknown key "iterations"'],
    [{ kind: 'crown', memory: 0 }, 'verifier.memory: expected a number of bytes greater than 0'],
    [{ kind: 'crown', memory: 'lots' }, 'received "lots"'],
    [{ kind: 'crown', clip: 'no' }, 'verifier.clip: expected true or false'],
    [{ kind: 'alphaCrown', iterations: 0 }, 'verifier.iterations: must be at least 1'],
    [{ kind: 'cascade', steps: [] }, 'verifier.steps: needs at least one'],
    [{ kind: 'cascade', steps: ['symbolic', 'crwn'] }, 'did you mean "crown"?'],
    [{ kind: 'cascade', attack: 'fgsm' }, 'unknown attack "fgsm"'],
  ])('refuses %j by name', (wrong, message) => {
    expect(() => verifier(wrong as VerifierOptions)).toThrow(message)
  })
})

describe('parseBytes', () => {
  it.each([
    ['512MB', 512e6],
    ['512 MiB', 512 * 2 ** 20],
    ['1.5g', 1.5e9],
    ['2GiB', 2 ** 31],
    ['100', 100],
    ['64 kB', 64e3],
    ['100B', 100],
  ])('reads %s', (text, bytes) => {
    expect(parseBytes(text)).toBe(bytes)
  })

  it.each(['', 'MB', '-1MB', '5 bytes', '1e3MB', 'NaN'])('takes %j for no number', (text) => {
    expect(parseBytes(text)).toBeNaN()
  })
})
