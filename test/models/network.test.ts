import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { settle } from '../../bindings/jobs.js'
import { hash32 } from '../../lib/base/hash.js'
import { readSafetensors } from '../../lib/files/safetensors.js'
import { readModel, writeModel } from '../../lib/models/modelFile.js'
import { cifarLarge, vgg16, wideResNet } from '../../lib/models/named.js'
import { loadNetwork, Network } from '../../lib/models/network.js'
import { describeNetwork } from '../../lib/networks/describe.js'
import { adversarial } from '../../lib/objectives/index.js'
import { pruneMask } from '../../lib/pruning/mask.js'
import { temporaryFolder, tinySpec } from '../helpers.js'

const prune = async (network: Network, sparsity: number) => {
  const state = await network.read()
  const { mask } = await pruneMask({ ...state, structure: 'filter', residual: 'grouped', sparsity })
  await settle(() => network.handle.write('mask', mask))
}

const images = (network: Network, count: number) =>
  Float32Array.from(
    { length: count * network.spec.input.reduce((a, b) => a * b) },
    (_, i) => ((i * 37) % 101) / 100,
  )

describe('Network', () => {
  it('has the parameters its description counts', async () => {
    for (const network of [
      await vgg16({ scale: 0.1 }),
      await wideResNet({ depth: 10, widen: 1, scale: 0.5 }),
      await cifarLarge({ scale: 0.1, classes: 7 }),
    ]) {
      expect(network.parameterCount).toBe(describeNetwork(network.spec).parameters)
      network.dispose()
    }
  })

  it('starts from weights that depend on the seed alone', async () => {
    const weights = async (seed: number) =>
      (await (await Network.create(tinySpec(), { seed })).read()).parameters
    expect(await weights(1)).toEqual(await weights(1))
    expect(await weights(1)).not.toEqual(await weights(2))
  })

  it.each(['float32', 'float64'] as const)('comes back from a file as it was (%s)', async (type) => {
    const path = join(temporaryFolder(), 'net.safetensors')
    const network = await Network.create(tinySpec(), { seed: 3, type })
    network.history = { objective: adversarial({ epsilon: 1 / 255 }) }
    await prune(network, 0.5)
    await network.save(path)
    const back = await loadNetwork(path)
    expect(await back.read()).toEqual(await network.read())
    expect(await back.sparsity()).toBe(await network.sparsity())
  })

  it('is stored under PyTorch’s names', async () => {
    const path = join(temporaryFolder(), 'net.safetensors')
    await (await Network.create(tinySpec())).save(path)
    const { tensors } = await readSafetensors(path)
    expect([...tensors.keys()].sort()).toEqual([
      'conv.bias',
      'conv.weight',
      'fc1.bias',
      'fc1.weight',
      'fc2.bias',
      'fc2.weight',
      'norm.bias',
      'norm.running_mean',
      'norm.running_var',
      'norm.weight',
    ])
    expect(tensors.get('fc1.weight')?.shape).toEqual([12, 96])
  })

  it('keeps pruned weights at zero whatever is written', async () => {
    const network = await Network.create(tinySpec(), { seed: 3 })
    await prune(network, 0.5)
    const { parameters, mask } = await network.read()
    await settle(() => network.handle.write('parameters', parameters.fill(1)))
    expect((await network.read()).parameters).toEqual(Float32Array.from(mask))
  })

  it('compacts to fewer parameters with the same logits', async () => {
    for (const network of [
      await Network.create(tinySpec(), { seed: 3 }),
      await vgg16({ scale: 0.1, seed: 2 }),
      await wideResNet({ depth: 10, widen: 1, scale: 0.5, seed: 2 }),
    ]) {
      await prune(network, 0.5)
      const smaller = await network.compact()
      expect(smaller.parameterCount).toBeLessThan(0.6 * network.parameterCount)
      const [before, after] = [
        await network.logits(images(network, 4)),
        await smaller.logits(images(network, 4)),
      ]
      const largest = Math.max(...before.map(Math.abs))
      before.forEach((logit, index) => {
        expect(Math.abs(logit - (after[index] ?? 0))).toBeLessThanOrEqual(1e-5 * largest)
      })
      network.dispose()
    }
  })

  it('prints as a table of its layers, within something else as one line, and refuses work once disposed', async () => {
    const network = await Network.create(tinySpec())
    const [line, head, ...layers] = inspect(network).split('\n')
    expect(line).toBe('Network "tiny" { 1,396 parameters, 3,792 MACs an image, float32, cpu, untrained }')
    expect(head).toMatch(/^layer +weights +output +parameters +MACs$/)
    expect(layers.map((layer) => layer.split(' ')[0])).toEqual(['conv', 'fc1', 'fc2'])
    expect(inspect({ network })).not.toContain('layer')
    network.dispose()
    network.dispose()
    expect(inspect(network)).toBe('Network "tiny" { disposed }')
    await expect(network.read()).rejects.toMatchObject({ code: 'ERR_DISPOSED' })
  })

  it('refuses weights of another network, naming where they differ', async () => {
    const [tiny, other] = [await Network.create(tinySpec()), await cifarLarge({ scale: 0.1 })]
    await expect(tiny.write(await other.read())).rejects.toThrow(/"cifarLarge".*"tiny".*differ/)
  })

  it('refuses files that are no models', async () => {
    const path = join(temporaryFolder(), 'net.safetensors')
    await expect(loadNetwork(path)).rejects.toMatchObject({ code: 'ERR_FILE' })
    writeFileSync(path, 'no model')
    await expect(loadNetwork(path)).rejects.toMatchObject({ code: 'ERR_FILE' })
    await expect(loadNetwork(path)).rejects.toThrow('net.safetensors')
  })

  it('refuses a model file in which any bit has flipped', async () => {
    const path = join(temporaryFolder(), 'model.safetensors')
    const network = await Network.create(tinySpec(), { seed: 2 })
    await network.save(path)
    network.dispose()
    const whole = readFileSync(path)
    for (let at = 0; at < whole.length; at += 5) {
      const flipped = Buffer.from(whole)
      flipped[at] = (flipped[at] ?? 0) ^ (1 << (hash32(at) % 8))
      writeFileSync(path, flipped)
      await expect(readModel(path), `byte ${at}`).rejects.toMatchObject({ code: 'ERR_FILE' })
    }
  })

  it('tells a history that is none in one line', async () => {
    const path = join(temporaryFolder(), 'model.safetensors')
    const network = await Network.create(tinySpec())
    for (const history of [{ objective: { kind: 'mystery' } }, { objective: 7 }, null, [], 'x']) {
      await writeModel(path, { ...(await network.read()), history: history as object })
      await expect(readModel(path)).rejects.toMatchObject({
        code: 'ERR_FILE',
        message: expect.stringMatching(/^[^\n]{1,300}$/),
      })
    }
    network.dispose()
  })

  it('refuses more weights than the machine has memory, before it asks for any', async () => {
    const spec = tinySpec()
    const nodes = spec.nodes.map((node) => (node.op === 'linear' ? { ...node, features: 80_000 } : node))
    await expect(Network.create({ ...spec, nodes })).rejects.toMatchObject({
      code: 'ERR_OUT_OF_MEMORY',
      message: expect.stringMatching(/network "tiny" needs at least [\d.]+ GiB/),
    })
  })

  it('names the file of weights that are not finite', async () => {
    const path = join(temporaryFolder(), 'net.safetensors')
    const state = await (await Network.create(tinySpec())).read()
    state.parameters[0] = Number.NaN
    await writeModel(path, state)
    await expect(loadNetwork(path)).rejects.toMatchObject({
      code: 'ERR_FILE',
      message: expect.stringMatching(/^.*net\.safetensors: .*NaN or infinite/),
    })
  })

  it('refuses a device that is not there', async () => {
    await expect(Network.create(tinySpec(), { device: 'cuda:99' })).rejects.toMatchObject({
      code: 'ERR_DEVICE',
    })
    await expect(Network.create(tinySpec(), { device: 'tpu' as 'cpu' })).rejects.toThrow('tpu')
  })
})
