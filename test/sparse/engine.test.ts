import { inspect } from 'node:util'
import { beforeAll, describe, expect, it } from 'vitest'
import { pgd } from '../../lib/attacks/attack.js'
import { evaluate } from '../../lib/evaluation/evaluate.js'
import { evaluateEngine } from '../../lib/evaluation/evaluateEngine.js'
import { Network } from '../../lib/models/network.js'
import { networkSpec } from '../../lib/networks/index.js'
import { natural } from '../../lib/objectives/index.js'
import { compile } from '../../lib/sparse/compile.js'
import { train } from '../../lib/training/train.js'
import { tinyImages, tinySpec } from '../helpers.js'
import { maskAtRandom, noise } from './networks.js'

beforeAll(() => {
  process.env.COPPICE_CACHE = 'off'
})

const pruned = async () => {
  const network = await Network.create(tinySpec(), { seed: 1 })
  await maskAtRandom(network, 0.3, 1)
  return network
}

describe('compile', () => {
  it('lets only dense programs compete where nothing is pruned, and says so', async () => {
    const engine = await compile(await Network.create(tinySpec()), { batch: 4 })
    expect(engine.chosen.name).toMatch(/^dense/)
    expect(engine.candidates.every(({ name }) => name.startsWith('dense'))).toBe(true)
    expect(engine.reason).toMatch(/nothing is pruned/)
  })

  it('lets all compete where weights are pruned, and runs the fastest', async () => {
    const engine = await compile(await pruned(), { batch: 16 })
    expect(engine.candidates.map(({ name }) => name).join()).toMatch(/dense.*lanes/)
    const least = Math.min(...engine.candidates.map(({ seconds }) => seconds))
    expect(engine.chosen.seconds).toBe(least)
    expect(engine.reason).toContain(engine.chosen.name)
    expect(engine.facts.density).toBeGreaterThan(0.2)
    expect(engine.facts.density).toBeLessThan(0.4)
    expect(engine.bytes).toBeGreaterThan(0)
  })

  it('counts zeros that no mask knows of as pruned', async () => {
    const network = await Network.create(tinySpec())
    const { parameters, ...state } = await network.read()
    await network.write({ ...state, parameters: parameters.map((x, index) => (index % 2 === 0 ? 0 : x)) })
    expect((await compile(network, { batch: 1 })).facts.candidates).toBe('all')
  })

  it.each([
    [{ batch: 0 }, /compile\.batch: must be at least 1, received 0/],
    [{ batch: 1.5 }, /compile\.batch: expected a whole number/],
    [{ batch: 100_000 }, /compile\.batch: must be at most/],
    [{ batch: 1, dtype: 'bf61' }, /dtype: expected one of fp32, bf16, fp16.*did you mean "bf16"/],
    [{ batch: 1, dytpe: 'bf16' }, /unknown key "dytpe"; did you mean "dtype"/],
    [{ batch: 1, threads: 0 }, /compile\.threads/],
    [{ batch: 1, candidates: 'none' }, /candidates: expected one of all, dense, denseInType, sparse/],
    [{ batch: 1, device: 'tpu' }, /an engine runs where its network is/],
    [{ batch: 1, device: 'cuda' }, /an engine runs where its network is; load it with device: 'cuda'/],
    [{}, /compile\.batch/],
  ])('refuses %j', async (options, message) => {
    const network = await Network.create(tinySpec())
    await expect(compile(network, options as never)).rejects.toThrow(message as RegExp)
  })

  it('refuses float64 networks and disposed ones', async () => {
    const network = await Network.create(tinySpec(), { type: 'float64' })
    await expect(compile(network, { batch: 1 })).rejects.toThrow(/float32/)
    const gone = await Network.create(tinySpec())
    gone.dispose()
    await expect(compile(gone, { batch: 1 })).rejects.toMatchObject({ code: 'ERR_DISPOSED' })
  })

  it('stops when aborted, with the reason', async () => {
    const network = await Network.create(networkSpec('vgg16', { scale: 0.25 }))
    await maskAtRandom(network, 0.2, 1)
    const controller = new AbortController()
    const compiling = compile(network, { batch: 64, signal: controller.signal })
    setTimeout(() => controller.abort(new Error('enough')), 150)
    await expect(compiling).rejects.toThrow('enough')
    // The engine thread is free again.
    await expect(network.logits(noise(network, 1))).resolves.toHaveLength(10)
  })
})

describe('SparseEngine', () => {
  it('tells wrong images by what they are', async () => {
    const engine = await compile(await pruned(), { batch: 2 })
    await expect(engine.run(new Float32Array(193))).rejects.toThrow(
      /193 values are not a whole number of images.*3×8×8/,
    )
    await expect(engine.run(new Float32Array(0))).rejects.toThrow(/0 values/)
    await expect(engine.run(new Uint8Array(192) as never)).rejects.toThrow(
      /Float32Array.*received Uint8Array/,
    )
    await expect(engine.run([0.5] as never)).rejects.toThrow(/received \[0\.5\]/)
    await expect(engine.time(undefined, { runs: 0 })).rejects.toThrow(/time\.runs/)
  })

  it('keeps the weights it was compiled with', async () => {
    const network = await pruned()
    const engine = await compile(network, { batch: 3, candidates: 'sparse' })
    const images = noise(network, 3)
    const before = await engine.run(images)
    const { parameters, ...state } = await network.read()
    await network.write({ ...state, parameters: parameters.map((x) => 2 * x) })
    expect(await engine.run(images)).toEqual(before)
    network.dispose()
    expect(await engine.run(images)).toEqual(before)
  })

  it('measures runs and stages', async () => {
    const engine = await compile(await pruned(), { batch: 4, candidates: 'sparse' })
    const seconds = await engine.time(undefined, { warmup: 0, runs: 3, flush: true })
    expect(seconds).toHaveLength(3)
    expect(Math.min(...seconds)).toBeGreaterThan(0)
    const stages = await engine.profile()
    expect(stages.flatMap(({ node }) => node ?? [])).toEqual(['conv', 'fc1', 'fc2'])
    for (const { node, macs, denseMacs, images } of stages) {
      expect(images).toBe(4)
      if (node !== null) expect(macs).toBeLessThan(denseMacs)
    }
  })

  it('is gone once disposed, at once and for good', async () => {
    const engine = await compile(await pruned(), { batch: 1 })
    expect(inspect(engine)).toMatch(/SparseEngine "tiny" { 3\d.*% of the weights left, batch 1, fp32/)
    engine.dispose()
    engine[Symbol.dispose]()
    expect(engine.disposed).toBe(true)
    expect(inspect(engine)).toBe('SparseEngine "tiny" { disposed }')
    await expect(engine.run(new Float32Array(192))).rejects.toThrow(/disposed; compile the network again/)
    await expect(engine.time()).rejects.toMatchObject({ code: 'ERR_DISPOSED' })
    await expect(engine.profile()).rejects.toMatchObject({ code: 'ERR_DISPOSED' })
  })

  it('ends what runs when it is disposed', async () => {
    const network = await pruned()
    const engine = await compile(network, { batch: 1 })
    const running = engine.run(noise(network, 200))
    engine.dispose()
    expect(await running).toHaveLength(800)
  })
})

describe('evaluateEngine', () => {
  it("gives the network's own accuracy and ERA where the arithmetic is the same", async () => {
    const images = await tinyImages(300)
    const network = await Network.create(tinySpec())
    await train(network, images, { objective: natural(), epochs: 3, batchSize: 30, augment: 'none' })
    await maskAtRandom(network, 0.8, 2)
    const engine = await compile(network, { batch: 16, candidates: 'sparse' })
    const attack = pgd({ epsilon: 4 / 255, stepSize: 1 / 255 })
    const found = await evaluateEngine(engine, images, { network, attack, images: 100, seed: 3 })
    // Batches are of another size here: what an attack finds does not depend on them.
    const expected = await evaluate(network, images, { attack, images: 100, batchSize: 32, seed: 3 })
    expect(found.accuracy).toEqual(expected.accuracy)
    expect(found.predictions).toEqual(expected.perSample.predictions)
    expect(found.network).toMatchObject({ accuracy: expected.accuracy, era: expected.era })
    expect(found.era).toEqual(expected.era)
    expect(found.era?.value).toBeLessThan(found.accuracy.value)
    expect(found.changed).toBe(0)
    expect(found.logitsError).toBeLessThan(1e-5)
    expect(found.logitsError).toBeGreaterThan(0)
  })

  it('counts what it and another network of the same shape classify differently', async () => {
    const images = await tinyImages(300)
    const [network, other] = [await pruned(), await Network.create(tinySpec(), { seed: 2 })]
    const engine = await compile(network, { batch: 16 })
    const found = await evaluateEngine(engine, images, { network: other, batchSize: 7 })
    const expected = await evaluate(other, images)
    expect(found.network?.accuracy).toEqual(expected.accuracy)
    const predictions = [...expected.perSample.predictions]
    expect(found.changed).toBe(
      predictions.filter((label, image) => label !== found.predictions[image]).length,
    )
    expect(found.changed).toBeGreaterThan(0)
    expect(found.logitsError).toBeGreaterThan(0.1)
    expect(found.era).toBeUndefined()
  })

  it('ends within a batch when it is aborted, and tells how far it is', async () => {
    const [images, network] = [await tinyImages(300), await pruned()]
    const engine = await compile(network, { batch: 4 })
    const controller = new AbortController()
    const seen: number[] = []
    const running = evaluateEngine(engine, images, {
      ...{ network, attack: pgd(), batchSize: 10, signal: controller.signal },
      onProgress: ({ samples }) => {
        seen.push(samples)
        controller.abort(new Error('enough'))
      },
    })
    await expect(running).rejects.toThrow('enough')
    expect(seen[0]).toBe(10)
    expect(seen.length).toBeLessThan(30)
  })

  it('refuses an attack without a network, other shapes, and more images than there are', async () => {
    const engine = await compile(await pruned(), { batch: 4 })
    const images = await tinyImages(10)
    await expect(evaluateEngine(engine, images, { attack: pgd() })).rejects.toThrow(/needs the network/)
    await expect(evaluateEngine(engine, images, { images: 11 })).rejects.toThrow(/has 10/)
    const other = await compile(await Network.create(networkSpec('cifarLarge', { scale: 0.1 })), { batch: 1 })
    await expect(evaluateEngine(other, images)).rejects.toThrow(/takes images of 3×32×32/)
    const wider = await Network.create(networkSpec('cifarLarge', { scale: 0.1 }))
    await expect(evaluateEngine(engine, images, { network: wider })).rejects.toThrow(/not the one/)
  })
})
