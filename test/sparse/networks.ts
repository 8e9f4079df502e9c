/** Networks with random weights and masks for inference engines, and what their logits are held against. */

import { settle } from '../../bindings/jobs.js'
import { hash32, randomStream } from '../../lib/base/hash.js'
import { Network } from '../../lib/models/network.js'
import { type NetworkSpecInput, parseSpec } from '../../lib/networks/parse.js'
import type { NetworkSpec } from '../../lib/networks/spec.js'
import { type CompileOptions, compile } from '../../lib/sparse/compile.js'
import type { PlainNetwork } from '../native/bounds/plain.js'
import { random } from '../native/bounds/randomNetworks.js'

/** The network of a spec with random numbers everywhere: batch-norm statistics and scales of both signs too. */
export const filled = async (written: NetworkSpecInput | NetworkSpec, seed: number): Promise<Network> => {
  const network = await Network.create(parseSpec(written), { seed })
  const chance = random(seed)
  const { parameters, buffers, ...state } = await network.read()
  for (const { name, kind, arena, offset, size } of network.layout) {
    const values = arena === 'buffers' ? buffers : parameters
    for (let index = offset; index < offset + size; index++) {
      if (kind === 'scale') values[index] = 0.3 + Math.abs(chance.normal()) * (chance.chance(0.2) ? -1 : 1)
      if (kind === 'shift' || kind === 'bias') values[index] = 0.3 * chance.normal()
      if (name.endsWith('running_mean')) values[index] = 0.4 * chance.normal()
      if (name.endsWith('running_var')) values[index] = chance.uniform(0.2, 2)
    }
  }
  await network.write({ ...state, parameters, buffers })
  return network
}

/** A network as the tests of bounds make them, in fp32. */
export const fromPlain = async ({ spec, tensors }: PlainNetwork): Promise<Network> => {
  const network = await Network.create(spec)
  const { parameters, buffers, ...state } = await network.read()
  for (const { name, arena, offset } of network.layout) {
    const values = tensors.get(name)
    if (values !== undefined) (arena === 'buffers' ? buffers : parameters).set(values, offset)
  }
  await network.write({ ...state, parameters, buffers })
  return network
}

/** Removes single weights at random; with `rows` all those of some outputs too. */
export const maskAtRandom = async (
  network: Network,
  density: number,
  seed: number,
  { rows = false } = {},
): Promise<void> => {
  const mask = new Uint8Array(network.parameterCount).fill(1)
  const stream = randomStream(hash32(seed, 9))
  for (const { prunable, offset, size, shape } of network.layout) {
    if (!prunable) continue
    const row = size / (shape[0] ?? 1)
    for (let index = 0; index < size; index++) {
      const gone = rows && hash32(seed, offset, Math.floor(index / row)) % 3 === 0
      if (gone || stream() / 2 ** 32 >= density) mask[offset + index] = 0
    }
  }
  await settle(() => network.handle.write('mask', mask))
}

/** Images of noise, other ones for each seed. */
export const noise = (network: Network, count: number, seed = 0): Float32Array => {
  const stream = randomStream(hash32(seed, 7))
  const length = count * network.spec.input.reduce((product, size) => product * size, 1)
  return Float32Array.from({ length }, () => stream() / 2 ** 32)
}

/** Largest difference of an engine's logits from the network's, relative to the largest logit. */
export const logitsError = async (
  network: Network,
  options: CompileOptions,
  counts: readonly number[] = [options.batch],
): Promise<number> => {
  const engine = await compile(network, options)
  try {
    let worst = 0
    for (const count of counts) {
      const images = noise(network, count, count)
      const [expected, found] = [Array.from(await network.logits(images)), await engine.run(images)]
      if (found.length !== expected.length) throw new Error(`${found.length} logits, not ${expected.length}`)
      const largest = expected.reduce((most, logit) => Math.max(most, Math.abs(logit)), 1e-3)
      const difference = expected.reduce(
        (most, logit, index) => Math.max(most, Math.abs(logit - (found[index] ?? Number.NaN))),
        0,
      )
      // NaN must not pass for small.
      if (!(difference / largest <= worst)) worst = difference / largest
    }
    return worst
  } finally {
    engine.dispose()
  }
}

/** Of Euclidean norms, which is how rounding to 8 bits of mantissa is judged. */
export const relativeError = async (network: Network, options: CompileOptions): Promise<number> => {
  const engine = await compile(network, options)
  const images = noise(network, options.batch)
  const [expected, found] = [Array.from(await network.logits(images)), await engine.run(images)]
  engine.dispose()
  const norm = (values: readonly number[]) => Math.hypot(...values)
  return (
    norm(expected.map((logit, index) => logit - (found[index] ?? Number.NaN))) /
    Math.max(norm(expected), 1e-3)
  )
}
