import { appendFileSync, readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { pgd } from '../../lib/attacks/attack.js'
import { openVerification, type VerificationHeader } from '../../lib/runs/verificationFile.js'
import { verifier } from '../../lib/verification/index.js'
import type { ImageVerdict } from '../../lib/verification/verdict.js'
import { temporaryFolder } from '../helpers.js'

const { memory: _, ...cascade } = verifier('cascade')
const header: VerificationHeader = {
  network: { name: 'tiny', fingerprint: 'aa' },
  data: { name: 'images', fingerprint: 'bb' },
  verifier: cascade,
  epsilon: 2 / 255,
  attack: null,
  seed: 0,
}
const verdicts: ImageVerdict[] = [
  { ...{ index: 7, label: 1, prediction: 1, verdict: 'verified', method: 'crown' }, ...numbers(0.1) },
  {
    ...{ index: 3, label: 2, prediction: 0, verdict: 'misclassified', method: null },
    ...numbers(Number.NaN),
  },
]
function numbers(margin: number) {
  return { margin, unstable: margin, seconds: 0.25 }
}
const inFolder = () => join(temporaryFolder(), 'some', 'where.jsonl')
const written = async (path: string, results = verdicts) => {
  const file = await openVerification(path, header)
  await file.append(results)
  await file.close()
}

describe('the file of a verification', () => {
  it('gives back what was appended, NaN included, and goes on behind it', async () => {
    const path = inFolder()
    await written(path, verdicts.slice(0, 1))
    const again = await openVerification(path, header)
    expect(again.done).toEqual(verdicts.slice(0, 1))
    await again.append(verdicts.slice(1))
    await again.close()
    const whole = await openVerification(path, header)
    expect(whole.done).toEqual(verdicts)
    await whole.close()
    expect(readFileSync(path, 'utf8').split('\n')).toHaveLength(4)
  })

  it('survives being cut anywhere, as by kill -9', async () => {
    const path = inFolder()
    await written(path)
    const text = readFileSync(path)
    const ends = [...text.entries()].filter(([, byte]) => byte === 10).map(([place]) => place + 1)
    for (const length of [
      0,
      1,
      5,
      30,
      (ends[0] ?? 0) - 1,
      ends[0] ?? 0,
      (ends[0] ?? 0) + 9,
      text.length - 1,
    ]) {
      writeFileSync(path, text)
      truncateSync(path, length)
      const file = await openVerification(path, header)
      expect(file.done).toEqual(
        verdicts.slice(0, Math.max(0, ends.filter((end) => end <= length).length - 1)),
      )
      await file.append(verdicts.slice(file.done.length))
      await file.close()
      const whole = await openVerification(path, header)
      expect(whole.done).toEqual(verdicts)
      await whole.close()
    }
  })

  it.each<[string, Partial<VerificationHeader>, RegExp]>([
    [
      'weights',
      { network: { name: 'tiny', fingerprint: 'ab' } },
      /of a network with other weights \("tiny"\)/,
    ],
    ['images', { data: { name: 'images', fingerprint: 'bc' } }, /of other images/],
    ['ε', { epsilon: 8 / 255 }, /eps is 2\/255 there, 8\/255 here/],
    [
      'verifiers',
      { verifier: { ...cascade, clip: false } },
      /verifier is .*"clip":true.* there, .*"clip":false/,
    ],
    ['attacks', { attack: pgd() }, /attack is null there/],
    ['seeds', { seed: 4 }, /seed is 0 there, 4 here/],
  ])('refuses a file of other %s, and leaves it alone', async (_name, change, message) => {
    const path = inFolder()
    await written(path)
    const before = readFileSync(path)
    const refused = openVerification(path, { ...header, ...change })
    await expect(refused).rejects.toMatchObject({ code: 'ERR_FILE', message: expect.stringMatching(message) })
    await expect(refused).rejects.toThrow('choose another file with -o')
    expect(readFileSync(path)).toEqual(before)
    // The names of network and data are no part of what is verified.
    const renamed = { ...header, network: { name: 'other', fingerprint: 'aa' } }
    await (await openVerification(path, renamed)).close()
  })

  it('never touches a file that is something else', async () => {
    for (const text of ['hello', '{"time":"now"}\n', 'a\nb\n', '{"event":"image"}\n']) {
      const path = join(temporaryFolder(), 'precious.txt')
      writeFileSync(path, text)
      await expect(openVerification(path, header)).rejects.toThrow('is no verification')
      expect(readFileSync(path, 'utf8')).toBe(text)
    }
  })

  it('lets one process in at a time, and names a damaged line', async () => {
    const path = inFolder()
    const first = await openVerification(path, header)
    await expect(openVerification(path, header)).rejects.toThrow('in use by process')
    await first.close()
    appendFileSync(path, '{"event":"image","index":9,"verdict":"surely"}\n')
    await expect(openVerification(path, header)).rejects.toThrow('image 9 cannot be read')
  })
})
