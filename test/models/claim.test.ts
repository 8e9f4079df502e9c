import { describe, expect, it } from 'vitest'
import { addon } from '../../bindings/load.js'
import { compress } from '../../lib/compression/compress.js'
import type { Dataset } from '../../lib/data/dataset.js'
import { Network } from '../../lib/models/network.js'
import { adversarial, natural } from '../../lib/objectives/index.js'
import { type TrainOptions, train } from '../../lib/training/train.js'
import { tinyImages, tinySpec } from '../helpers.js'

const objective = adversarial({ epsilon: 4 / 255, steps: 2 })
const options = { objective, epochs: 3, batchSize: 16, augment: 'none' } as const satisfies TrainOptions
const pruning = { sparsity: 0.5, steps: 2, epochsPerStep: 1, batchSize: 16, augment: 'none' } as const
const create = (seed = 1) => Network.create(tinySpec(), { seed })

/** A training that goes on until `end` is called, under way already. */
const training = async (network: Network, data: Dataset) => {
  const controller = new AbortController()
  const { signal } = controller
  let ended: Promise<unknown> = Promise.resolve()
  await new Promise<void>((begun) => {
    const running = train(network, data, { ...options, epochs: 1_000_000, signal, onProgress: () => begun() })
    ended = running.catch((error: unknown) => error)
  })
  const end = (): Promise<unknown> => {
    controller.abort()
    return ended
  }
  return { end, ended }
}

type Writer = (network: Network, data: Dataset) => unknown
const arenas = async (network: Network) => ({ ...(await network.read()), history: {} })
const step = { optimiser: { kind: 'sgd', momentum: 0, nesterov: false, weightDecay: 0 } } as const
const batch = { images: new Float32Array(192), labels: Int32Array.of(0) }

const writers: Record<string, Writer> = {
  train: (network, data) => train(network, data, { ...options, objective: natural() }),
  compress: (network, data) => compress(network, data, { ...pruning, objective }).next(),
  write: async (network) => network.write(await network.read()),
  history: (network) => {
    network.history = { objective: natural() }
  },
  claim: (network) => network.claim('another job'),
  'handle.write': ({ handle, parameterCount }) => handle.write('mask', new Uint8Array(parameterCount)),
  'handle.initialise': ({ handle }) => handle.initialise(3),
  'handle.resetMoments': ({ handle }) => handle.resetMoments(),
  'a native step': ({ handle }) => addon().step(handle, { ...step, learningRate: 1, stepsTaken: 0 }),
  'a native backward pass': ({ handle }) => addon().backward(handle, batch, { precision: 'fp32' }),
  'a forward pass with batch statistics': ({ handle }) =>
    addon().forward(handle, batch.images, { precision: 'fp32', training: true }),
}

describe('a network that is being trained', () => {
  it('refuses every other writer with the name of the job, and is left as it was', async () => {
    const [network, data] = [await create(), await tinyImages(64)]
    const { end } = await training(network, data)
    for (const [name, write] of Object.entries(writers))
      await expect(async () => write(network, data), name).rejects.toMatchObject({
        code: 'ERR_BUSY',
        message: expect.stringMatching(/network 'tiny' belongs to a running job, train\b.*copy/),
      })
    expect(network.history).toEqual({ objective })
    expect(await end()).toMatchObject({ name: 'AbortError' })
  })

  it('answers whoever reads: weights, sparsity, predictions, a copy', async () => {
    const [network, data] = [await create(), await tinyImages(64)]
    const { end } = await training(network, data)
    expect((await network.read()).parameters).toHaveLength(network.parameterCount)
    expect(await network.sparsity()).toBe(0)
    expect(await network.logits(new Float32Array(192))).toHaveLength(4)
    const copy = await Network.from(await network.read())
    expect(await copy.logits(new Float32Array(192))).toHaveLength(4)
    await end()
  })

  it('ends in the same bits whether it is read or not', async () => {
    const data = await tinyImages(100)
    const [alone, watched] = [await create(), await create()]
    await train(alone, data, options)
    const reads: Promise<unknown>[] = []
    const onProgress = () => {
      reads.push(watched.read(), watched.logits(new Float32Array(192)))
    }
    await train(watched, data, { ...options, onProgress })
    expect(reads.length).toBeGreaterThan(0)
    await Promise.all(reads)
    expect(await arenas(watched)).toEqual(await arenas(alone))
  })

  it('does not hinder another: two that are trained at once end as each does alone', async () => {
    const data = await tinyImages(100)
    const alone = await Promise.all([create(1), create(2)])
    for (const network of alone) await train(network, data, options)
    const together = await Promise.all([create(1), create(2)])
    await Promise.all(together.map((network) => train(network, data, options)))
    for (const [i, network] of together.entries())
      expect(await arenas(network)).toEqual(await arenas(alone[i] as Network))
  })

  it('can be disposed: the training ends with ERR_DISPOSED', async () => {
    const [network, data] = [await create(), await tinyImages(64)]
    const { ended } = await training(network, data)
    network.dispose()
    await expect(network.read()).rejects.toMatchObject({ code: 'ERR_DISPOSED' })
    expect(await ended).toMatchObject({ code: 'ERR_DISPOSED' })
  })
})

describe('a network is free again', () => {
  const isFree = async (network: Network, data: Dataset) => {
    for (const name of ['write', 'history', 'train']) await writers[name]?.(network, data)
    network.claim('a job').dispose()
  }

  it('after training, whether it ends, is refused, fails or is aborted', async () => {
    const [network, data] = [await create(), await tinyImages(64)]
    await train(network, data, options)
    await isFree(network, data)
    await expect(train(network, data, { ...options, start: undefined, epochs: 0 })).rejects.toThrow('epochs')
    await isFree(network, data)
    const refuse = () => {
      throw new Error('from the listener')
    }
    await expect(train(network, data, { ...options, onProgress: refuse })).rejects.toThrow(
      'from the listener',
    )
    await isFree(network, data)
    await expect(train(network, data, { ...options, onEpoch: refuse })).rejects.toThrow('from the listener')
    await isFree(network, data)
    await expect(train(network, data, { ...options, signal: AbortSignal.abort() })).rejects.toThrow()
    await isFree(network, data)
    const { end } = await training(network, data)
    await end()
    await isFree(network, data)
  })

  it('after a write that is refused', async () => {
    const [network, data] = [await create(), await tinyImages(64)]
    const state = await network.read()
    const parameters = state.parameters.map(() => Number.NaN)
    await expect(network.write({ ...state, parameters })).rejects.toThrow('NaN')
    await isFree(network, data)
  })

  it('after compression, whether it ends, is left by break or fails; not between two steps', async () => {
    const [network, data] = [await create(), await tinyImages(64)]
    for await (const { step } of compress(network, data, { ...pruning, objective })) {
      await expect(isFree(network, data), `step ${step}`).rejects.toMatchObject({
        code: 'ERR_BUSY',
        message: expect.stringContaining('compress'),
      })
      await network.logits(new Float32Array(192))
    }
    await isFree(network, data)
    for await (const _ of compress(network, data, { ...pruning, objective })) break
    await isFree(network, data)
    const failing = async () => {
      for await (const _ of compress(network, data, { ...pruning, objective }))
        throw new Error('from the loop')
    }
    await expect(failing()).rejects.toThrow('from the loop')
    await isFree(network, data)
  })

  it('as soon as nobody has the job any more', async () => {
    const [network, data] = [await create(), await tinyImages(64)]
    await compress(network, data, { ...pruning, objective }).next()
    const { setFlagsFromString } = await import('node:v8')
    const { runInNewContext } = await import('node:vm')
    setFlagsFromString('--expose-gc')
    const collect = runInNewContext('gc') as () => void
    await expect
      .poll(async () => {
        collect()
        return isFree(network, data).then(() => 'free')
      })
      .toBe('free')
  })
})
