import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { beforeAll, describe, expect, it } from 'vitest'
import { Network } from '../../lib/models/network.js'
import { parseSpec } from '../../lib/networks/parse.js'
import type { OutcomeFile, RunResult } from '../../lib/runs/result.js'
import { temporaryFolder } from '../helpers.js'
import { coppice, startCoppice } from './command.js'

/** Learns enough in two seconds to have verified, broken and misclassified images. */
const RECIPE = {
  data: { set: 'builtin', train: 1000, test: 60 },
  network: {
    spec: {
      ...{ name: 'small', input: [3, 32, 32] },
      nodes: [
        { op: 'conv2d', name: 'conv', channels: 8, kernel: 4, stride: 4 },
        { op: 'relu', name: 'relu' },
        { op: 'flatten', name: 'flatten' },
        { op: 'linear', name: 'fc1', features: 32 },
        { op: 'relu', name: 'relu1' },
        { op: 'linear', name: 'fc2', features: 10 },
      ],
    },
  },
  pretrain: {
    objective: { kind: 'ibp', epsilon: '1/255', kappa: 0.8 },
    ...{ epochs: 9, batchSize: 32, learningRate: 0.003, rampEpochs: 4, augment: 'none' },
  },
  prune: { sparsity: 0.5, steps: 1, epochsPerStep: 1 },
  evaluate: { images: 50, verify: { verifiers: ['symbolic', 'cascade'], images: 40 } },
}

let run: string
let ended: Awaited<ReturnType<typeof coppice>>
beforeAll(async () => {
  const folder = temporaryFolder('file')
  const recipe = join(folder, 'small.json')
  writeFileSync(recipe, JSON.stringify(RECIPE))
  run = join(folder, 'run')
  ended = await coppice('run', recipe, '-o', run)
})

const lines = (path: string): Record<string, unknown>[] =>
  readFileSync(path, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>)

const verified = async (...flags: string[]) => {
  const { code, stdout, stderr } = await coppice('verify', run, '--checkpoint', 'dense', '--json', ...flags)
  expect({ code, stderr }).toMatchObject({ code: 0 })
  return JSON.parse(stdout).models[0]
}

describe('coppice run with an objective on bounds', () => {
  it('measures VRA by its verifiers at the ε of training, with columns of their own', () => {
    expect(ended).toMatchObject({ code: 0 })
    const result = JSON.parse(readFileSync(join(run, 'result.json'), 'utf8')) as RunResult
    expect(result.attack).toMatchObject({ epsilon: 1 / 255, stepSize: 0.25 / 255, steps: 10 })
    for (const row of result.rows) {
      const [symbolic, cascade] = row.verifications ?? []
      expect(symbolic).toMatchObject({ verifier: { kind: 'symbolic' }, epsilon: 1 / 255, n: 40 })
      expect(row.vra).toEqual(symbolic?.vra)
      expect(cascade?.vra.successes).toBeGreaterThanOrEqual(row.vra?.successes ?? 40)
      const file = join(run, 'outcomes', `${row.name}.json`)
      const outcomes = JSON.parse(readFileSync(file, 'utf8')) as OutcomeFile
      const [{ verdicts, margins } = { verdicts: [], margins: [] }] = outcomes.verifications ?? []
      expect(verdicts).toHaveLength(40)
      verdicts.forEach((verdict, place) => {
        const label = outcomes.labels[place]
        expect(verdict === 'misclassified').toBe(outcomes.predictions[place] !== label)
        if (verdict !== 'verified') return
        expect(margins[place]).toBeGreaterThan(0)
        expect(outcomes.adversarialPredictions[place]).toBe(label)
      })
    }
    expect(ended.stdout).toMatch(/ERA kept +VRA % +VRA kept +VRA % \(cascade\) +VRA kept/)
    expect(ended.stdout).toContain('VRA proved by symbolic, eps 1/255; n = 40 test images.')
    expect(ended.stderr).toMatch(/dense: .*VRA .* by symbolic \(n = 40\), VRA .* by cascade/)
  })
})

describe('coppice verify', () => {
  it('gives a verdict for every image, the figures of the run, and a table', async () => {
    const model = await verified('--images', '40')
    const result = JSON.parse(readFileSync(join(run, 'result.json'), 'utf8')) as RunResult
    expect(model.vra).toEqual(result.rows[0]?.vra)
    expect(model).toMatchObject({ n: 40, epsilon: 1 / 255, attacks: [] })
    expect(model.file).toBe(join(run, 'verification', 'dense-symbolic-1_255.jsonl'))
    const [header, ...images] = lines(model.file)
    expect(header).toMatchObject({ event: 'verification', network: { name: 'small' }, epsilon: 1 / 255 })
    expect(images.map(({ index }) => index).sort((a, b) => Number(a) - Number(b))).toEqual([
      ...Array(40).keys(),
    ])
    for (const image of images) expect(image).toHaveProperty('verdict')

    // More images go on where the first ones end; fewer only read.
    const more = await verified('--images', '60')
    expect(more.n).toBe(60)
    expect(lines(model.file).slice(0, 41)).toEqual([header, ...images])
    expect(lines(model.file)).toHaveLength(61)
    expect((await verified('--images', '40')).vra).toEqual(model.vra)
    expect(lines(model.file)).toHaveLength(61)

    const all = await coppice('verify', run, '--images', '20', '--attack', 'pgd5x2', '--epsilon', '2/255')
    expect(all.code).toBe(0)
    expect(all.stdout).toMatch(/^model +sparsity +benign % +ERA % +VRA % +unknown +unstable +s\/image\n/)
    expect(all.stdout).toMatch(/^matched-50 +50 %/m)
    expect(all.stdout).toContain('VRA proved by symbolic, eps 2/255, on builtin test; n = 20')
    expect(all.stdout).toContain('ERA under pgd5x2')
    expect(existsSync(join(run, 'verification', 'matched-50-symbolic-2_255-pgd5x2.jsonl'))).toBe(true)
  })

  it('answers what it breaks in a cascade', async () => {
    const model = await verified('--verifier', 'cascade', '--epsilon', '8/255', '--attack', 'pgd20x2')
    expect(model.attacks).toEqual(['pgd10', 'pgd20x2'])
    const verdicts = lines(model.file).slice(1)
    expect(new Set(verdicts.map(({ verdict }) => verdict))).toContain('broken')
    expect(model.accuracy.successes - model.era.successes).toBe(
      verdicts.filter(({ verdict }) => verdict === 'broken').length,
    )
  })

  it('goes on after Ctrl-C and kill -9, and ends in the same verdicts', async () => {
    const flags = ['--verifier', 'alphaCrown', '--iterations', '800', '--batch-size', '2']
    const output = join(temporaryFolder(), 'verdicts.jsonl')
    const command = ['verify', run, '--checkpoint', 'dense', ...flags, '-o', output, '--images', '20']
    const whole = await verified(...flags, '--images', '20')
    for (const signal of ['SIGINT', 'SIGKILL', 'SIGKILL'] as const) {
      const before = existsSync(output) ? lines(output).length : 1
      const { child, ended: stopped } = startCoppice(...command)
      while (child.exitCode === null && (!existsSync(output) || lengthOf(output) <= before)) await delay(5)
      child.kill(signal)
      const { code, stderr } = await stopped
      if (signal !== 'SIGINT') continue
      expect(code).toBe(130)
      expect(stderr.trim().split('\n').at(-1)).toBe(
        'coppice: interrupted; the same command goes on where it stopped',
      )
    }
    expect(lengthOf(output)).toBeLessThan(21)
    const again = await coppice(...command, '--json')
    expect(again.stderr).toMatch(/has \d+ images already/)
    expect(JSON.parse(again.stdout).models[0].vra).toEqual(whole.vra)
    const verdicts = (path: string) =>
      lines(path)
        .slice(1)
        .map(({ index, verdict, margin }) => ({ index: Number(index), verdict, margin: Number(margin) }))
        .sort((a, b) => a.index - b.index)
    const straight = verdicts(whole.file)
    expect(verdicts(output)).toEqual(
      // Images may come in other batches than before, which changes the last bits.
      straight.map((image) => ({ ...image, margin: expect.closeTo(image.margin, 3) })),
    )
  })

  it('does not go on with other weights, images or settings', async () => {
    const output = join(temporaryFolder(), 'verdicts.jsonl')
    const command = ['verify', run, '--images', '2', '-o', output]
    expect(await coppice(...command, '--checkpoint', 'dense')).toMatchObject({ code: 0 })
    const refused = async (...args: string[]) => {
      const { code, stderr } = await coppice(...args)
      expect(code).toBe(1)
      return stderr.trim()
    }
    expect(await refused(...command, '--checkpoint', 'matched-50')).toContain(
      'of a network with other weights',
    )
    const dense = [...command, '--checkpoint', 'dense']
    expect(await refused(...dense, '--epsilon', '4/255')).toContain('eps is 1/255 there, 4/255 here')
    expect(await refused(...dense, '--verifier', 'crown')).toContain('choose another file with -o')
    expect(await refused(...dense, '--data', 'builtin')).toContain('of other images')
    expect((await coppice(...command)).stderr).toContain('--output: holds one model')
  })

  it('holds its proofs against what the run recorded', async () => {
    const path = join(run, 'outcomes', 'dense.json')
    const text = readFileSync(path, 'utf8')
    const outcomes = JSON.parse(text) as OutcomeFile
    // At ε = 0 every right image is verified.
    const place = outcomes.labels.findIndex((label, index) => outcomes.predictions[index] === label)
    expect(place).toBeGreaterThanOrEqual(0)
    outcomes.predictions[place] = 1 + (outcomes.labels[place] ?? 0)
    writeFileSync(path, JSON.stringify(outcomes))
    try {
      const command = ['verify', run, '--checkpoint', 'dense', '--images', '40', '--epsilon', '0']
      const { code, stdout, stderr } = await coppice(...command, '--json')
      expect({ code, stderr }).toMatchObject({ code: 0 })
      // The image itself is judged again, and right in real arithmetic: what was recorded can only be rounding.
      const before = (JSON.parse(text) as OutcomeFile).predictions.slice(0, 40)
      const [{ vra, brokenByRounding }] = JSON.parse(stdout).models
      expect(brokenByRounding).toBe(1)
      expect(vra.successes).toBe(
        before.filter((prediction, i) => prediction === outcomes.labels[i]).length - 1,
      )
    } finally {
      writeFileSync(path, text)
    }
  })

  it('takes a model file, and tells what it lacks', async () => {
    const spec = parseSpec({
      ...{ name: 'one', input: [3, 32, 32] },
      nodes: [
        { op: 'flatten', name: 'flatten' },
        { op: 'linear', name: 'fc', features: 10 },
      ],
    })
    const model = join(temporaryFolder(), 'one.safetensors')
    await (await Network.create(spec)).save(model)
    expect((await coppice('verify', model)).stderr).toContain('--data: name the images')
    const without = await coppice('verify', model, '--data', 'builtin', '--images', '5')
    expect(without.code).toBe(2)
    expect(without.stderr).toContain('--epsilon: give the distance')
    const flags = ['--data', 'builtin', '--images', '5', '--epsilon', '0', '--unclipped']
    expect(await coppice('verify', model, ...flags)).toMatchObject({ code: 0 })
    expect(existsSync(model.replace('.safetensors', '-symbolic-0-unclipped.jsonl'))).toBe(true)
  })

  it.each([
    [['--verifier', 'symbolc'], /did you mean "symbolic"/i],
    [['--epsilon', '1.5'], /--epsilon.*between 0 and 1/],
    [['--epsilon', 'NaN'], /--epsilon.*between 0 and 1/],
    [['--memory', '0'], /--memory.*greater than 0, such as 512MB/],
    [['--memory', 'much'], /--memory.*such as 512MB/],
    [
      ['--iterations', '3', '--verifier', 'crown'],
      /--iterations: is for alphaCrown and cascade, not for crown/,
    ],
    [['--attack', 'fgsm'], /unknown attack "fgsm"/],
    [['--images', '61'], /61 images are asked for/],
    [['--checkpoint', 'dens'], /did you mean "dense"/],
    [['--memory', '1'], /memory/],
  ])('ends %j with one line that says why', async (flags, message) => {
    const { code, stdout, stderr } = await coppice('verify', run, '--epsilon', '3/255', ...flags)
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(stderr).toMatch(/^coppice: [^\n]*\n$/)
    expect(stderr).toMatch(message)
  })
})

describe('coppice evaluate --verifier', () => {
  it('adds VRA, at the ε that was trained for', async () => {
    const outcomes = join(temporaryFolder(), 'outcomes.json')
    const flags = ['--verifier', 'crown', '--images', '30', '--outcomes', outcomes]
    const { code, stdout } = await coppice('evaluate', run, '--checkpoint', 'dense', ...flags)
    expect(code).toBe(0)
    expect(stdout).toMatch(/ERA % +VRA % \(crown\)/)
    expect(stdout).toContain('VRA by crown, eps 1/255.')
    expect(JSON.parse(readFileSync(outcomes, 'utf8')).dense.margins).toHaveLength(30)
  })
})

describe('oneDNN told to compute in less than fp32', () => {
  it('proves nothing, and says what to unset', async () => {
    process.env.ONEDNN_DEFAULT_FPMATH_MODE = 'BF16'
    try {
      const { code, stderr } = await coppice(
        'verify',
        run,
        '--checkpoint',
        'dense',
        '-o',
        join(temporaryFolder(), 'v'),
      )
      expect(code).toBe(2)
      expect(stderr).toMatch(/ONEDNN_DEFAULT_FPMATH_MODE=BF16 .* unset it/)
    } finally {
      delete process.env.ONEDNN_DEFAULT_FPMATH_MODE
    }
  })
})

/** Whole lines of a file that is being written. */
const lengthOf = (path: string): number => readFileSync(path, 'utf8').split('\n').length - 1
