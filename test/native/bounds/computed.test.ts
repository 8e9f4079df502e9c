/** Bounds do not depend on how they are computed: arithmetic, windows, memory, batches, threads; and what is refused. */
import { afterEach, describe, expect, it } from 'vitest'
import { addon } from '../../../bindings/load.js'
import type { BoundMethod, NativeNetwork } from '../../../bindings/native.js'
import type { NodeInput } from '../../../lib/networks/parse.js'
import type { ImageShape } from '../../../lib/networks/spec.js'
import { allMethods, boundsOf, type Changes, marginsOf, nodeMethods } from './ask.js'
import { apart, rangesApart } from './compare.js'
import { named, onNativeSide, type PlainNetwork } from './plain.js'
import { boxAround, random, randomImage, randomNetwork, withRandomNumbers } from './randomNetworks.js'
import { rangeOf, zonotopes } from './zonotope.js'

const native = addon()
const box = { epsilon: 0.02, sound: false }
const tooSmall =
  /^the memory budget of .* is too small for one neuron of node '(\w+)', which needs (\d+) (bytes|KiB)$/

const relu = (name: string, input?: string): NodeInput => ({
  op: 'relu',
  name,
  ...(input !== undefined && { inputs: [input] }),
})
const conv = (name: string, kernel: number, stride = 1, padding = 0, channels = 3): NodeInput => ({
  op: 'conv2d',
  name,
  channels,
  kernel,
  stride,
  padding,
})
const head: NodeInput[] = [
  { op: 'flatten', name: 'flatten' },
  { op: 'linear', name: 'fc1', features: 8 },
  relu('reluFc'),
  { op: 'linear', name: 'fc2', features: 4 },
]
const network = (name: string, input: ImageShape, nodes: NodeInput[]): PlainNetwork =>
  withRandomNumbers({ name, input, nodes: [...nodes, ...head] }, random(7))

/** Receptive fields that stay small, that grow as large as the map and beyond, and that skip pixels. */
const networks: PlainNetwork[] = [
  network('inside', [2, 12, 10], [conv('a', 3, 1, 1), relu('ra'), conv('b', 3, 1, 1), relu('rb')]),
  network(
    'outgrown',
    [2, 7, 9],
    [...['a', 'b', 'c', 'd', 'e'].flatMap((name) => [conv(name, 3, 1, 1), relu(`r${name}`)])],
  ),
  network('narrow', [2, 3, 12], [conv('a', 3, 1, 1), relu('ra'), conv('b', 3, 1, 1), relu('rb')]),
  network(
    'strides',
    [3, 12, 12],
    [
      conv('a', 4, 2, 1, 4),
      relu('ra'),
      conv('b', 3, 1, 1),
      relu('rb'),
      conv('c', 4, 2, 1),
      relu('rc'),
      conv('d', 2, 3, 2),
      relu('rd'),
    ],
  ),
  network('holes', [2, 12, 11], [conv('a', 2, 3, 1), relu('ra'), conv('b', 1, 2), relu('rb')]),
  network('padding', [2, 6, 6], [conv('a', 3, 1, 3), relu('ra'), conv('b', 5, 3, 4), relu('rb')]),
  network(
    'residual',
    [2, 8, 8],
    [
      { op: 'normalize', name: 'normalize', mean: [0.5, 0.25], std: [0.25, 0.5] },
      conv('a', 3, 1, 1),
      { op: 'batchNorm2d', name: 'na' },
      relu('ra'),
      conv('wide', 5, 2, 2, 5),
      relu('rwide'),
      conv('deep', 3, 1, 1, 5),
      { ...conv('short', 1, 2, 0, 5), inputs: ['ra'] },
      { op: 'add', name: 'sum', inputs: ['deep', 'short'] },
      { op: 'batchNorm2d', name: 'nsum' },
      relu('rsum'),
      { op: 'averagePool2d', name: 'pool', kernel: 2, stride: 1 },
    ],
  ),
  network(
    'pooled',
    [2, 10, 10],
    [
      conv('a', 3, 1, 1, 4),
      relu('ra'),
      { op: 'maxPool2d', name: 'pa', kernel: 3, stride: 2 },
      conv('b', 3, 1, 1, 4),
      { op: 'maxPool2d', name: 'pb', kernel: 2 },
      relu('rb'),
    ],
  ),
  ...Array.from({ length: 12 }, (_, i) =>
    randomNetwork(4000 + i, { input: [3, 11, 8], steps: 5, values: 500, classes: 4 }),
  ),
]
const cases = networks.map((each) => [each.spec.name, each] as const)

const imagesFor = ({ spec }: PlainNetwork, count: number): Float64Array[] =>
  Array.from({ length: count }, (_, i) => randomImage(spec.input, random(50 + i)))
const joined = (parts: readonly Float64Array[]): Float64Array =>
  Float64Array.from(parts.flatMap((part) => Array.from(part)))

/** Bounds of all nodes by all methods, and margins of all of them. */
const everything = async (
  { spec }: PlainNetwork,
  net: NativeNetwork,
  images: Float64Array,
  changes: Changes,
  methods: readonly BoundMethod[] = allMethods,
): Promise<Map<string, Float64Array>> => {
  const all = new Map<string, Float64Array>()
  const labels = Array.from({ length: images.length / spec.input.reduce((a, b) => a * b) }, () => 0)
  for (const method of methods) {
    all.set(`margins ${method}`, (await marginsOf(net, images, labels, method, changes)).margins)
    for (const { name } of method === 'alphaCrown' ? [] : spec.nodes) {
      const { lower, upper } = await boundsOf(net, images, name, method, changes)
      all.set(`${name} ${method}`, joined([lower, upper]))
    }
  }
  return all
}

/** Of one image among three: margins, or lower and then upper bounds. */
const partOf = (what: string, values: Float64Array, place: number): Float64Array => {
  const cut = (from: Float64Array) => from.slice((place * from.length) / 3, ((place + 1) * from.length) / 3)
  if (what.startsWith('margins')) return cut(values)
  return joined([cut(values.slice(0, values.length / 2)), cut(values.slice(values.length / 2))])
}

const expectClose = (a: Map<string, Float64Array>, b: Map<string, Float64Array>, tolerance: number): void => {
  const differences = Array.from(a, ([name, values]) => [name, apart(values, named(b, name))] as const)
  expect(differences.filter(([, difference]) => !(difference <= tolerance))).toEqual([])
}

describe.each(cases)('%s', (_, each) => {
  it('fp32 kernels give the bounds of float64, which are those of a zonotope', async () => {
    const [image = new Float64Array()] = imagesFor(each, 1)
    const [single, double] = [await onNativeSide(each, 'float32'), await onNativeSide(each, 'float64')]
    const exact = await everything(each, double, image, box)
    expectClose(await everything(each, single, image, box), exact, 1e-4)
    if (each.spec.nodes.some(({ op }) => op === 'maxPool2d')) return
    const expected = zonotopes(each, boxAround(image, box.epsilon, true))
    for (const { name } of each.spec.nodes) {
      const bounds = await boundsOf(double, image, name, 'symbolic', box)
      expect(rangesApart(bounds, rangeOf(named(expected, name))), name).toBeLessThan(1e-9)
    }
  })
})

describe.each(['float32', 'float64'] as const)('in %s', (type) => {
  const tolerance = type === 'float32' ? 2e-6 : 1e-12
  const some = networks.filter(({ spec }) =>
    ['outgrown', 'residual', 'pooled', 'strides'].includes(spec.name),
  )

  it('as little memory as errors ask for is enough, and gives the same bounds', async () => {
    for (const each of some) {
      const net = await onNativeSide(each, type)
      const images = joined(imagesFor(each, 2))
      const last = each.spec.nodes.at(-1)?.name ?? ''
      for (const method of ['symbolic', 'crown'] as const) {
        const within = (memory: number) =>
          boundsOf(net, images, last, method, { ...box, memory }).catch((error: Error) => error.message)
        let memory = 1
        let few = await within(memory)
        for (let told = 0; typeof few === 'string' && told < 20; ++told) {
          const [, node = '', need = '', unit] = tooSmall.exec(few) ?? []
          expect(each.spec.nodes.map(({ name }) => name)).toContain(node)
          const asked = unit === 'bytes' ? Number(need) : (Number(need) + 1) * 1024
          expect(asked).toBeGreaterThan(memory)
          memory = asked
          few = await within(memory)
        }
        if (typeof few === 'string') throw new Error(few)
        expect(memory).toBeLessThan(100_000)
        const many = await boundsOf(net, images, last, method, box)
        expect(rangesApart(few, many), each.spec.name).toBeLessThanOrEqual(tolerance)
      }
    }
  })

  it('images in a batch have the bounds they have alone', async () => {
    for (const each of some) {
      const net = await onNativeSide(each, type)
      const images = imagesFor(each, 3)
      const together = await everything(each, net, joined(images), box, [
        'interval',
        'symbolic',
        'crown',
        'alphaCrown',
      ])
      for (const [place, image] of images.entries()) {
        const alone = await everything(each, net, image, box, ['interval', 'symbolic', 'crown', 'alphaCrown'])
        const part = new Map(Array.from(together, ([name, values]) => [name, partOf(name, values, place)]))
        expectClose(alone, part, 5 * tolerance)
      }
    }
  })

  const threads = native.getThreads()
  afterEach(() => native.setThreads(threads))
  it('one thread gives the bits of two', async () => {
    for (const each of some) {
      const net = await onNativeSide(each, type)
      const images = joined(imagesFor(each, 3))
      native.setThreads(1)
      const one = await everything(each, net, images, box)
      native.setThreads(2)
      const two = await everything(each, net, images, box)
      expectClose(one, two, 0)
    }
  })
})

describe('verify', () => {
  const [each = networks[0]] = networks.filter(({ spec }) => spec.name === 'residual')
  const options = {
    intersect: false,
    epsilon: 0.004,
    clip: true,
    memory: 2 ** 22,
    iterations: 4,
    batchSize: 5,
    indices: Uint32Array.from({ length: 12 }, (_, i) => i),
  }
  const prepared = async (type: 'float32' | 'float64') => {
    if (each === undefined) throw new Error('there is no such network')
    const size = each.spec.input.reduce((a, b) => a * b)
    const chance = random(9)
    const bytes = Uint8Array.from({ length: 12 * size }, () => chance.whole(0, 255))
    const net = await onNativeSide(each, type)
    const images = Float64Array.from(bytes, (byte) => Math.fround(Math.fround(byte) / Math.fround(255)))
    const precision = type === 'float32' ? 'fp32' : 'fp64'
    const flat =
      type === 'float32' ? Float32Array.from(images) : Float64Array.from(bytes, (byte) => byte / 255)
    const logits = await native.forward(net, flat, { precision, training: false }).promise
    const predictions = Array.from({ length: 12 }, (_, i) => {
      const own = Array.from(logits.subarray(4 * i, 4 * i + 4))
      return own.indexOf(Math.max(...own))
    })
    const data = await native.createDataset(bytes, Uint8Array.from(predictions), {
      shape: each.spec.input,
      classes: 4,
      device: 'cpu',
    }).promise
    return { net, data, images: Float64Array.from(flat), predictions }
  }

  it.each(allMethods)(
    'gives the least sound margin of each image, in float64 where that decides (%s)',
    async (method) => {
      const { net, data, images, predictions } = await prepared('float32')
      const result = await native.verify(net, data, { ...options, method }, null).promise
      expect(Array.from(result.predictions)).toEqual(predictions)
      const changes = { ...options, sound: true }
      const least = async (of: NativeNetwork) => {
        const { margins } = await marginsOf(of, images, predictions, method, changes)
        return Float64Array.from(predictions, (_, i) => Math.min(...margins.subarray(3 * i, 3 * i + 3)))
      }
      const single = await least(net)
      const double = await least((await prepared('float64')).net)
      result.margins.forEach((margin, i) => {
        const expected = Number((result.confirmed[i] === 1 ? double : single)[i])
        expect(Math.abs(margin - expected)).toBeLessThanOrEqual(1e-5 * Math.max(1, Math.abs(expected)))
        // What fp32 proves needs no second look, and float64 is never far from it.
        if (Number(single[i]) > 0) expect(result.confirmed[i]).toBe(0)
        expect(Number(double[i])).toBeGreaterThanOrEqual(Number(single[i]))
      })
      expect(result.unstable).toBeGreaterThan(0)
      expect(result.unstable).toBeLessThan(1)
      if (method !== 'interval') expect(result.macs).toBeGreaterThan(0)
    },
  )

  it('refuses networks and data that are gone, and samples that are not there', async () => {
    const { net, data } = await prepared('float32')
    const start = (changes: object) =>
      Promise.resolve().then(
        () => native.verify(net, data, { ...options, method: 'crown', ...changes }, null).promise,
      )
    await expect(start({ indices: Uint32Array.of(12) })).rejects.toThrow(
      'names sample 12 of a data set of 12',
    )
    await expect(start({ epsilon: Number.NaN })).rejects.toThrow('epsilon')
    await expect(start({ method: 'milp' })).rejects.toThrow('method')
    await expect(start({ batchSize: 0 })).rejects.toThrow('batchSize')
    expect((await start({ indices: new Uint32Array() })).margins).toHaveLength(0)
    net.dispose()
    await expect(start({})).rejects.toThrow('disposed')
  })
})

describe('refuses', () => {
  const [each = networks[0]] = networks
  const start = async (changes: object, labels = Int32Array.of(0)) => {
    if (each === undefined) throw new Error('there is no such network')
    const net = await onNativeSide(each, 'float32')
    const [image = new Float64Array()] = imagesFor(each, 1)
    const images = Float32Array.from(image)
    const all = {
      method: 'crown',
      node: 'rb',
      intersect: false,
      clip: true,
      memory: 1e6,
      iterations: 1,
    } as const
    const options = { ...all, ...box, ...changes }
    await expect(
      Promise.resolve().then(() => native.margins(net, { images, labels }, options).promise),
    ).rejects.toThrow()
    return Promise.resolve().then(() => native.bounds(net, images, options).promise)
  }

  it.each([
    [{ epsilon: Number.NaN }, 'epsilon'],
    [{ epsilon: 1.5 }, 'epsilon'],
    [{ epsilon: -0.1 }, 'epsilon'],
    [{ memory: 0 }, 'memory'],
    [{ memory: 1 }, "memory budget of 1 bytes is too small for one neuron of node 'b', which needs"],
    [{ iterations: -1 }, 'iterations'],
    [{ iterations: 0.5 }, 'iterations'],
    [{ method: 'Crown' }, 'interval, crownIbp, symbolic, crown or alphaCrown'],
    [{ clip: 1 }, 'clip'],
    [{ sound: undefined }, 'sound'],
  ])('%j', async (changes, message) => {
    await expect(start(changes)).rejects.toThrow(message)
  })

  it('labels that are no class', async () => {
    await expect(start({}, Int32Array.of(4))).resolves.toBeDefined()
    await expect(start({}, Int32Array.of(-1))).resolves.toBeDefined()
    await expect(start({}, Int32Array.of(0, 1))).resolves.toBeDefined()
  })

  it('unknown nodes, networks that are gone, images that are none', async () => {
    if (each === undefined) throw new Error('there is no such network')
    const net = await onNativeSide(each, 'float32')
    const [image = new Float64Array()] = imagesFor(each, 1)
    await expect(boundsOf(net, image, 'rB', 'crown')).rejects.toThrow('node')
    await expect(boundsOf(net, image.slice(1), 'rb', 'crown')).rejects.toThrow('whole images of 240 values')
    await expect(boundsOf(net, new Float64Array(), 'rb', 'crown')).rejects.toThrow('whole images')
    net.dispose()
    await expect(boundsOf(net, image, 'rb', 'crown')).rejects.toThrow('disposed')
    await expect(marginsOf(net, image, [0], 'crown')).rejects.toThrow('disposed')
  })

  it('NaN among the pixels: it never looks like a proof', async () => {
    if (each === undefined) throw new Error('there is no such network')
    const net = await onNativeSide(each, 'float32')
    const [image = new Float64Array()] = imagesFor(each, 1)
    image[5] = Number.NaN
    for (const method of nodeMethods) {
      const found = await marginsOf(net, image, [0], method).catch(() => undefined)
      for (const margin of found?.margins ?? []) expect(margin > 0, method).toBe(false)
    }
  })
})
