/** Networks, masks and requests for tests of inference engines on CUDA. */
import { addon } from '../../bindings/load.js'
import type { CompileRequest, Device, EngineType, NativeNetwork } from '../../bindings/native.js'
import { hash32 } from '../../lib/base/hash.js'
import { parseSpec } from '../../lib/networks/parse.js'

/**
 * Odd and even maps, strides, kernels and paddings, outputs that fill no group of 32, pooling within and after a stage, a
 * residual whose sum is read twice, and a flatten that no linear layer reads.
 */
export const awkward = parseSpec({
  name: 'awkward',
  input: [3, 9, 9],
  nodes: [
    { op: 'normalize', name: 'normalize', mean: [0.5, 0.4, 0.3], std: [0.25, 0.5, 0.2] },
    { op: 'conv2d', name: 'conv1', channels: 40, kernel: 2 },
    { op: 'batchNorm2d', name: 'norm1' },
    { op: 'relu', name: 'relu1' },
    { op: 'maxPool2d', name: 'pool1', kernel: 2 },
    { op: 'conv2d', name: 'conv2', channels: 40, kernel: 3, padding: 1 },
    { op: 'add', name: 'sum', inputs: ['pool1', 'conv2'] },
    { op: 'batchNorm2d', name: 'norm2' },
    { op: 'relu', name: 'relu2' },
    { op: 'conv2d', name: 'conv3', channels: 40, kernel: 1 },
    { op: 'add', name: 'sum2', inputs: ['sum', 'conv3'] },
    { op: 'conv2d', name: 'conv4', channels: 9, kernel: 3, padding: 2, stride: 1 },
    { op: 'relu', name: 'relu4' },
    { op: 'averagePool2d', name: 'pool4', kernel: 2, stride: 1 },
    { op: 'conv2d', name: 'conv5', channels: 33, kernel: 2, stride: 1, padding: 2 },
    { op: 'averagePool2d', name: 'pool5', kernel: 4 },
    { op: 'conv2d', name: 'conv6', channels: 20, kernel: 3, stride: 2, padding: 1 },
    { op: 'flatten', name: 'flatten' },
    { op: 'relu', name: 'relu6' },
    { op: 'linear', name: 'fc1', features: 40 },
    { op: 'relu', name: 'relu7' },
    { op: 'linear', name: 'fc2', features: 4 },
  ],
})

/** Which weights are left. `vectors` come in 32 outputs × 2 inputs, `empty` leaves some layers without any. */
export type Pattern = 'dense' | 'single' | 'vectors' | 'empty'

export async function build(pattern: Pattern, device: Device = 'cpu', seed = 3): Promise<NativeNetwork> {
  const network = await addon().createNetwork(awkward, { device, type: 'float32' }).promise
  // Weights so large that images are still told apart by the logits, norms that do something.
  const parameters = await network.read('parameters').promise
  const buffers = await network.read('buffers').promise
  const random = (i: number, stream: number) => (hash32(seed, i, stream) % 20001) / 10000 - 1
  for (const { kind, arena, shape, offset, size } of network.layout) {
    const values = arena === 'parameters' ? parameters : buffers
    const fanIn = size / (shape[0] ?? 1)
    const spread = shape.length > 1 ? Math.sqrt(6 / fanIn / (pattern === 'dense' ? 1 : 0.25)) : 0.5
    const center = kind === 'scale' || kind === 'runningVariance' ? 1 : 0
    for (let i = offset; i < offset + size; i++)
      values[i] = center + spread * random(i, arena === 'parameters' ? 1 : 2)
  }
  await network.write('parameters', parameters).promise
  await network.write('buffers', buffers).promise
  const mask = new Uint8Array(network.parameterCount).fill(1)
  for (const { name, shape, offset, size, kind } of network.layout) {
    if (kind !== 'weight' || shape.length < 2) continue
    const [, inputs = 1] = shape
    const taps = size / (shape[0] ?? 1) / inputs
    for (let i = 0; i < size; i++) {
      const [output, input, tap] = [Math.floor(i / (inputs * taps)), Math.floor(i / taps) % inputs, i % taps]
      mask[offset + i] = keeps(pattern, name, output, input, tap) ? 1 : 0
    }
  }
  await network.write('mask', mask).promise
  return network
}

function keeps(pattern: Pattern, name: string, output: number, input: number, tap: number): boolean {
  switch (pattern) {
    case 'dense':
      return true
    case 'single':
      return hash32(output, input, tap, 5) % 5 === 0
    case 'vectors':
      return hash32(Math.floor(output / 32), Math.floor(input / 2), tap, 6) % 4 === 0
    case 'empty':
      return !name.startsWith('conv2') && output % 3 !== 0 && hash32(output, input, tap, 7) % 3 === 0
  }
}

/** Pixels in [0,1] for the awkward network; each image has bright and dark patches of its own. */
export const pixels = (n: number): Float32Array =>
  Float32Array.from({ length: n * 243 }, (_, i) => {
    const [image, y, x] = [Math.floor(i / 81), Math.floor((i % 81) / 27), Math.floor((i % 9) / 3)]
    return ((hash32(12, image, y, x) % 256) * 3 + (hash32(11, i) % 256)) / 1020
  })

export const request = (batch: number, type: EngineType): CompileRequest => ({
  batch,
  type,
  threads: 1,
  dense: true,
  sparse: true,
  instructions: 'best',
  tuning: null,
})

/** Largest difference, in parts of the largest deviation of a logit from its mean over the images. */
export const relativeError = (got: ArrayLike<number>, want: ArrayLike<number>, classes = 4): number => {
  const mean = new Float64Array(classes)
  for (let i = 0; i < want.length; i++)
    mean[i % classes] = (mean[i % classes] ?? 0) + ((want[i] ?? 0) * classes) / want.length
  let [difference, size] = [0, 0]
  for (let i = 0; i < want.length; i++) {
    // NaN stays, and fails whatever it is compared with.
    difference = Math.max(Math.abs((got[i] ?? Number.NaN) - (want[i] ?? 0)), difference)
    size = Math.max(size, Math.abs((want[i] ?? 0) - (mean[i % classes] ?? 0)))
  }
  return difference / size
}
