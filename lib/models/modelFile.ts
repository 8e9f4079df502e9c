/**
 * Networks as safetensors files: one tensor per parameter under PyTorch's names, packed where something is pruned (see
 * packed.ts), the spec in the header. A checkpoint of a run also holds the optimiser's moments and the run's cursor.
 * Older files hold pruned tensors whole, with their masks as `<name>.mask` (uint8); so does one whose pruned weights are
 * not 0.
 */

import { z } from 'zod'
import type { Floats, TensorLayout } from '../../bindings/native.js'
import { pathOf } from '../base/arguments.js'
import { CoppiceError } from '../base/errors.js'
import { requireMemory } from '../base/memory.js'
import { showShape } from '../base/numbers.js'
import { parse } from '../base/schemas.js'
import { version } from '../base/version.js'
import { jsonReason } from '../files/json.js'
import { type Choice, readSafetensors, writeSafetensors } from '../files/safetensors.js'
import { parseSpec } from '../networks/parse.js'
import type { NetworkSpec } from '../networks/spec.js'
import { bufferTensors, elements, parameterTensors } from '../networks/tensors.js'
import { objectiveSchema } from '../objectives/index.js'
import { type Packed, pack, unpack } from './packed.js'
import type { NetworkState, TrainingHistory } from './state.js'

/** What else a run needs to go on where it stopped, bit for bit. */
export interface TrainingState {
  /** Where the run stands; its meaning is the run's. */
  cursor: unknown
  moment1: Floats
  moment2: Floats
  /** The mean of the weights over the last steps, where one is kept; else zeros. */
  average: Floats
  /** Learned scores, while they are being learned. */
  scores?: Floats
}

export type Model = Omit<NetworkState, 'layout'>

/** What a file may hold besides the network. */
export interface Extras {
  training?: TrainingState
  /** Whatever the run wants to remember about the model, as plain data. */
  notes?: unknown
}

/** Tensors of a checkpoint besides the network's, each with one value per parameter. */
const TRAINING = ['moment1', 'moment2', 'average', 'scores'] as const

const historySchema = z.object({
  objective: z.exactOptional(objectiveSchema),
  fineTunedWith: z.exactOptional(objectiveSchema),
})

type File = Awaited<ReturnType<typeof readSafetensors>>
type FileTensor = Parameters<typeof writeSafetensors>[1]['tensors'][number]

/** Writes a network as a model file, atomically. With `training` it is a checkpoint that a run resumes from. */
export async function writeModel(path: string, state: NetworkState, extras: Extras = {}): Promise<void> {
  const { training, notes } = extras
  const tensors: FileTensor[] = []
  const dtype = state.type === 'float64' ? 'F64' : 'F32'
  for (const { name, arena, shape, offset, size } of state.layout) {
    const values = (arena === 'parameters' ? state.parameters : state.buffers).subarray(offset, offset + size)
    const mask = arena === 'parameters' ? state.mask.subarray(offset, offset + size) : undefined
    const pruned = mask?.includes(0) ? mask : undefined
    const packed = pruned && pack(values, pruned)
    if (packed !== undefined) {
      const { kept, bits } = packed
      tensors.push({ name: `${name}.kept`, dtype, shape: [kept.length], data: kept })
      tensors.push({ name: `${name}.bits`, dtype: 'U8', shape: [bits.length], data: bits })
      continue
    }
    tensors.push({ name, dtype, shape, data: values })
    if (pruned !== undefined) tensors.push({ name: `${name}.mask`, dtype: 'U8', shape, data: pruned })
  }
  const metadata: Record<string, string> = {
    format: 'coppice',
    version,
    spec: JSON.stringify(state.spec),
    history: JSON.stringify(state.history),
    ...(notes !== undefined && { notes: JSON.stringify(notes) }),
  }
  if (training !== undefined) {
    metadata.cursor = JSON.stringify(training.cursor)
    for (const name of TRAINING) {
      const data = training[name]
      // Zeros, as after a momentum reset, need no space.
      if (data?.some((value) => value !== 0)) {
        tensors.push({ name: `training.${name}`, dtype, shape: [data.length], data })
      }
    }
  }
  await writeSafetensors(path, { metadata, tensors })
}

/**
 * Reads what `writeModel` wrote.
 * @throws CoppiceError `ERR_FILE` where the file is missing, truncated, or no Coppice model
 */
export async function readModel(path: string): Promise<Model & Extras> {
  let found: { spec: NetworkSpec; layout: TensorLayout[] } | undefined
  const file = await readSafetensors(pathOf(path, 'model'), ({ metadata, tensors }) => {
    const spec = inModel(path, () => readSpecOf(metadata, path))
    found = { spec, layout: fileLayout(spec) }
    return chooseTensors(path, found.layout, tensors)
  })
  return inModel(path, () => assemble(path, file, found))
}

/** What is wrong with a model is told with its file. */
const inModel = <Result>(path: string, work: () => Result): Result => {
  try {
    return work()
  } catch (error) {
    if (error instanceof CoppiceError && error.code !== 'ERR_INVALID_ARGUMENT') throw error
    const reason = error instanceof SyntaxError ? jsonReason(error) : (error as Error).message
    throw new CoppiceError('ERR_FILE', `${path} is not a valid Coppice model: ${reason}`, { cause: error })
  }
}

const readSpecOf = (metadata: Readonly<Record<string, string>>, path: string): NetworkSpec => {
  if (metadata.spec !== undefined) return parseSpec(JSON.parse(metadata.spec))
  throw new CoppiceError('ERR_FILE', `${path} is not a Coppice model: its header holds no network spec`)
}

/** The tensors that the network has, which must have its shapes before any of them is read. */
const chooseTensors = (
  path: string,
  layout: readonly TensorLayout[],
  tensors: Parameters<Choice>[0]['tensors'],
): ReturnType<Choice> => {
  const length = total(layout.filter(({ arena }) => arena === 'parameters'))
  const given = new Map(tensors.map((tensor) => [tensor.name, tensor]))
  const wanted = new Map<string, readonly number[]>([
    ...layout.flatMap(({ name, shape, size }) => {
      const kept = given.get(`${name}.kept`)?.shape[0] ?? 0
      return [
        [name, shape] as const,
        [`${name}.mask`, shape] as const,
        [`${name}.bits`, [Math.ceil(size / 8)]] as const,
        [`${name}.kept`, [Math.min(kept, size)]] as const,
      ]
    }),
    ...TRAINING.map((name) => [`training.${name}`, [length]] as const),
  ])
  const chosen = tensors.filter(({ name }) => wanted.has(name))
  for (const tensor of chosen) requireType(path, tensor, tensor.dtype, wanted.get(tensor.name) ?? [])
  const bytes = chosen.reduce((sum, { start, end }) => sum + end - start, 0)
  requireMemory(Math.max(bytes, 5 * total(layout)), path)
  return (name) => wanted.has(name)
}

const assemble = (
  path: string,
  file: File,
  found: { spec: NetworkSpec; layout: TensorLayout[] } | undefined,
): Model & Extras => {
  if (found === undefined) throw new CoppiceError('ERR_FILE', `${path} is no model`)
  const { metadata } = file
  const { spec, layout } = found
  const dtype = [...file.tensors.values()].some((tensor) => tensor.dtype === 'F64') ? 'F64' : 'F32'
  const type = dtype === 'F64' ? 'float64' : 'float32'
  const mask = new Uint8Array(total(layout.filter(({ arena }) => arena === 'parameters'))).fill(1)
  const gather = (arena: TensorLayout['arena']): Floats => {
    const mine = layout.filter((tensor) => tensor.arena === arena)
    const flat = floats(type, total(mine))
    for (const { name, shape, offset, size } of mine) {
      const own = mask.subarray(offset, offset + size)
      const packed = arena === 'parameters' ? findPacked(file, path, name, dtype) : undefined
      if (packed === undefined) {
        flat.set(find(file, path, name, dtype, shape), offset)
        const whole = arena === 'parameters' && file.tensors.has(`${name}.mask`)
        if (whole) own.set(find(file, path, `${name}.mask`, 'U8', shape))
      } else if (!unpack(packed, flat.subarray(offset, offset + size), own)) {
        throw new CoppiceError('ERR_FILE', `${path}: the bits of tensor "${name}" do not fit its values`)
      }
    }
    return flat
  }
  const model: Model & Extras = {
    spec,
    type,
    parameters: gather('parameters'),
    buffers: gather('buffers'),
    mask,
    history: parseHistory(metadata.history),
    ...(metadata.notes !== undefined && { notes: JSON.parse(metadata.notes) as unknown }),
  }
  if (metadata.cursor === undefined) return model
  const length = model.parameters.length
  const optional = (name: (typeof TRAINING)[number]): Floats | undefined =>
    file.tensors.has(`training.${name}`)
      ? (find(file, path, `training.${name}`, dtype, [length]) as Floats)
      : undefined
  const scores = optional('scores')
  return {
    ...model,
    training: {
      cursor: JSON.parse(metadata.cursor) as unknown,
      moment1: optional('moment1') ?? floats(type, length),
      moment2: optional('moment2') ?? floats(type, length),
      average: optional('average') ?? floats(type, length),
      ...(scores !== undefined && { scores }),
    },
  }
}

/** Where the tensors of a spec lie in the flat arenas. */
export const fileLayout = (spec: NetworkState['spec']): TensorLayout[] =>
  (['parameters', 'buffers'] as const).flatMap((arena) => {
    let offset = 0
    return (arena === 'parameters' ? parameterTensors(spec) : bufferTensors(spec)).map((tensor) => {
      const size = elements(tensor.shape)
      offset += size
      return { ...tensor, arena, offset: offset - size, size }
    })
  })

const total = (layout: readonly TensorLayout[]): number => layout.reduce((sum, { size }) => sum + size, 0)

const floats = (type: NetworkState['type'], length: number): Floats =>
  type === 'float64' ? new Float64Array(length) : new Float32Array(length)

const findPacked = (file: File, path: string, name: string, dtype: string): Packed | undefined => {
  const [bits, kept] = [file.tensors.get(`${name}.bits`), file.tensors.get(`${name}.kept`)]
  if (bits === undefined || kept === undefined) return undefined
  return {
    bits: find(file, path, `${name}.bits`, 'U8', bits.shape) as Uint8Array,
    kept: find(file, path, `${name}.kept`, dtype, kept.shape) as Floats,
  }
}

const find = (file: File, path: string, name: string, dtype: string, shape: readonly number[]) => {
  const tensor = file.tensors.get(name)
  if (tensor === undefined) throw new CoppiceError('ERR_FILE', `${path} lacks the tensor "${name}"`)
  requireType(path, { name, ...tensor }, dtype, shape)
  return tensor.data as Floats | Uint8Array
}

const requireType = (
  path: string,
  { name, dtype, shape }: { name: string; dtype: string; shape: readonly number[] },
  wantedType: string,
  wantedShape: readonly number[],
): void => {
  if (dtype === wantedType && shape.join() === wantedShape.join()) return
  throw new CoppiceError(
    'ERR_FILE',
    `${path}: tensor "${name}" is ${dtype} ${showShape(shape)} where the spec needs ` +
      `${wantedType} ${showShape(wantedShape)}`,
  )
}

const parseHistory = (text: string | undefined): TrainingHistory =>
  text === undefined ? {} : parse(historySchema, JSON.parse(text), 'history')
