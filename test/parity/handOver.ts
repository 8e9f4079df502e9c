/** Hands one network and one batch to PyTorch (reference.py) and to Coppice, for comparison. */
import { addon } from '../../bindings/load.js'
import type { Floats, NativeNetwork, NativeOptimiser, ParameterType } from '../../bindings/native.js'
import { hash32 } from '../../lib/base/hash.js'
import { type FileTensor, readSafetensors, writeSafetensors } from '../../lib/files/safetensors.js'
import type { NetworkSpec } from '../../lib/networks/spec.js'

export const settings = {
  attack: { epsilon: 8 / 255, stepSize: 2 / 255, steps: 10 },
  sgd: { learningRate: 0.05, momentum: 0.9, weightDecay: 1e-4, nesterov: false },
  adam: { learningRate: 1e-3, weightDecay: 1e-4 },
}

const optimisers: Record<'sgd' | 'adam', NativeOptimiser> = {
  sgd: { kind: 'sgd', momentum: 0.9, weightDecay: 1e-4, nesterov: false },
  adam: { kind: 'adam', beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 1e-4 },
}

type Answers = Record<string, Floats>

const unit = (...key: number[]): number => hash32(...key) / 2 ** 32

/** Writes a freshly drawn network (statistics and shifts off their trivial values) and a random batch to `file`. */
export async function handOver(
  spec: NetworkSpec,
  type: ParameterType,
  batch: number,
  file: string,
): Promise<void> {
  const native = addon()
  const net = await native.createNetwork(spec, { device: 'cpu', type }).promise
  await net.initialise(1).promise
  const parameters = await net.read('parameters').promise
  const buffers = await net.read('buffers').promise
  for (const t of net.layout) {
    for (let i = t.offset; i < t.offset + t.size; ++i) {
      if (t.kind === 'scale') parameters[i] = 0.5 + unit(2, i)
      if (t.kind === 'shift' || t.kind === 'bias') parameters[i] = 0.2 * (unit(3, i) - 0.5)
      if (t.kind === 'runningMean') buffers[i] = 0.4 * (unit(4, i) - 0.5)
      if (t.kind === 'runningVariance') buffers[i] = 0.5 + unit(5, i)
    }
  }
  net.dispose()
  const floats = (values: Float64Array): Floats => (type === 'float64' ? values : Float32Array.from(values))
  const dtype = type === 'float64' ? 'F64' : 'F32'
  const pixels = batch * spec.input[0] * spec.input[1] * spec.input[2]
  // Pixels are multiples of 1/255, as images are; the start lies inside the ε-box.
  const images = Float64Array.from({ length: pixels }, (_, i) => (hash32(6, i) % 256) / 255)
  const start = images.map((pixel, i) =>
    Math.min(1, Math.max(0, pixel + settings.attack.epsilon * (2 * unit(7, i) - 1))),
  )
  const shape = [batch, ...spec.input]
  await writeSafetensors(file, {
    metadata: { spec: JSON.stringify(spec), settings: JSON.stringify(settings) },
    tensors: [
      ...net.layout.map((t) => ({
        name: t.name,
        dtype,
        shape: t.shape,
        data: (t.arena === 'buffers' ? buffers : parameters).slice(t.offset, t.offset + t.size),
      })),
      { name: 'images', dtype, shape, data: floats(images) },
      { name: 'start', dtype, shape, data: floats(start) },
      {
        name: 'labels',
        dtype: 'I32',
        shape: [batch],
        data: Int32Array.from({ length: batch }, (_, i) => i % 10),
      },
    ] as { name: string; dtype: 'F64' | 'F32' | 'I32'; shape: number[]; data: Floats | Int32Array }[],
  })
}

const data = (tensor: FileTensor | undefined, name: string): FileTensor['data'] => {
  if (tensor === undefined) throw new Error(`the file lacks '${name}'`)
  return tensor.data
}

/** What Coppice computes for a file of `handOver`: the tensors that reference.py writes, by the same names. */
export async function coppiceAnswers(file: string): Promise<Answers> {
  const { metadata, tensors } = await readSafetensors(file)
  const spec = JSON.parse(metadata.spec ?? '') as NetworkSpec
  const images = data(tensors.get('images'), 'images') as Floats
  const start = data(tensors.get('start'), 'start') as Floats
  const labels = data(tensors.get('labels'), 'labels') as Int32Array
  const type: ParameterType = images instanceof Float64Array ? 'float64' : 'float32'
  const precision = type === 'float64' ? 'fp64' : 'fp32'
  const native = addon()
  const net = await native.createNetwork(spec, { device: 'cpu', type }).promise
  const load = async () => {
    for (const arena of ['parameters', 'buffers'] as const) {
      const flat = await net.read(arena).promise
      for (const t of net.layout)
        if (t.arena === arena) flat.set(data(tensors.get(t.name), t.name) as Floats, t.offset)
      await net.write(arena, flat).promise
    }
    await net.resetMoments().promise
  }
  const batch = { images, labels }
  const attack = { ...settings.attack, kind: 'pgd', restarts: 1, start: 'none' as const }
  const answers: Answers = {}

  await load()
  answers.logits = await native.forward(net, images, { precision, training: false }).promise
  for (const folded of [false, true]) {
    const found = await native.attack(net, batch, { attack, start, folded, precision, seed: 0 }).promise
    const name = folded ? 'folded_adversarial' : 'adversarial'
    answers[name] = found.images
    answers[`${name}_loss`] = Float64Array.of(
      Float64Array.from(found.losses).reduce((a, b) => a + b, 0) / labels.length,
    )
  }
  answers.loss = Float64Array.of(await native.backward(net, batch, { precision }).promise)
  collect(net, await net.read('gradients').promise, 'gradient', answers)
  for (const kind of ['sgd', 'adam'] as const) {
    await load()
    for (let step = 0; step < 10; ++step) {
      await native.backward(net, batch, { precision }).promise
      await native.step(net, {
        optimiser: optimisers[kind],
        learningRate: settings[kind].learningRate,
        stepsTaken: step,
      }).promise
    }
    collect(net, await net.read('parameters').promise, kind, answers)
    if (kind === 'sgd')
      answers.trained_logits = await native.forward(net, images, { precision, training: false }).promise
  }
  net.dispose()
  return answers
}

function collect(net: NativeNetwork, flat: Floats, prefix: string, into: Answers): void {
  for (const t of net.layout)
    if (t.arena === 'parameters') into[`${prefix}.${t.name}`] = flat.slice(t.offset, t.offset + t.size)
}

/** ‖a − b‖₂ / ‖b‖₂ over all tensors whose name matches; both sides must have the same ones. */
export function relativeError(ours: Answers, theirs: Map<string, FileTensor>, names: RegExp): number {
  let difference = 0
  let norm = 0
  let seen = 0
  for (const [name, tensor] of theirs) {
    if (!names.test(name)) continue
    const a = ours[name]
    const b = tensor.data as Floats
    if (a === undefined || a.length !== b.length) throw new Error(`'${name}' is missing or has another size`)
    a.forEach((value, i) => {
      const other = b[i] ?? Number.NaN
      difference += (value - other) ** 2
      norm += other ** 2
    })
    ++seen
  }
  if (seen === 0) throw new Error(`nothing matches ${names}`)
  return Math.sqrt(difference / norm)
}
