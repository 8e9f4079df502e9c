/**
 * Networks as safetensors files: one tensor per parameter under PyTorch's names, `<name>.mask` where something is
 * pruned, the spec in the header. A checkpoint of a run also holds the optimiser's moments and the run's cursor.
 */

import type { Floats, TensorLayout } from '../../bindings/native.js'
import { CoppiceError } from '../base/errors.js'
import { version } from '../base/version.js'
import { readSafetensors, writeSafetensors } from '../files/safetensors.js'
import { parseSpec } from '../networks/parse.js'
import { bufferTensors, elements, parameterTensors } from '../networks/tensors.js'
import { objectiveSchema } from '../objectives/index.js'
import type { NetworkState, TrainingHistory } from './state.js'

/** What else a run needs to go on where it stopped, bit for bit. */
export interface TrainingState {
  /** Where the run stands; its meaning is the run's. */
  cursor: unknown
  moment1: Floats
  moment2: Floats
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

type File = Awaited<ReturnType<typeof readSafetensors>>
type FileTensor = Parameters<typeof writeSafetensors>[1]['tensors'][number]

/** Writes a network as a model file, atomically. With `training` it is a checkpoint that a run resumes from. */
export async function writeModel(path: string, state: NetworkState, extras: Extras = {}): Promise<void> {
  const { training, notes } = extras
  const tensors: FileTensor[] = []
  const dtype = state.type === 'float64' ? 'F64' : 'F32'
  for (const { name, arena, shape, offset, size } of state.layout) {
    const values = arena === 'parameters' ? state.parameters : state.buffers
    tensors.push({ name, dtype, shape, data: values.subarray(offset, offset + size) })
    const mask = arena === 'parameters' ? state.mask.subarray(offset, offset + size) : undefined
    if (mask?.includes(0)) tensors.push({ name: `${name}.mask`, dtype: 'U8', shape, data: mask })
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
    const { moment1, moment2, scores } = training
    for (const [name, data] of Object.entries({ moment1, moment2, scores })) {
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
  const file = await readSafetensors(path)
  const { metadata } = file
  if (metadata.spec === undefined) {
    throw new CoppiceError('ERR_FILE', `${path} is not a Coppice model: its header holds no network spec`)
  }
  try {
    const spec = parseSpec(JSON.parse(metadata.spec))
    const layout = fileLayout(spec)
    const dtype = [...file.tensors.values()].some((tensor) => tensor.dtype === 'F64') ? 'F64' : 'F32'
    const type = dtype === 'F64' ? 'float64' : 'float32'
    const gather = (arena: TensorLayout['arena']): Floats => {
      const mine = layout.filter((tensor) => tensor.arena === arena)
      const flat = floats(type, total(mine))
      for (const tensor of mine) flat.set(find(file, path, tensor.name, dtype, tensor.shape), tensor.offset)
      return flat
    }
    const model: Model & Extras = {
      spec,
      type,
      parameters: gather('parameters'),
      buffers: gather('buffers'),
      mask: gatherMask(file, path, layout),
      history: parseHistory(metadata.history),
      ...(metadata.notes !== undefined && { notes: JSON.parse(metadata.notes) as unknown }),
    }
    if (metadata.cursor === undefined) return model
    const length = model.parameters.length
    const optional = (name: string): Floats | undefined =>
      file.tensors.has(name) ? (find(file, path, name, dtype, [length]) as Floats) : undefined
    const scores = optional('training.scores')
    return {
      ...model,
      training: {
        cursor: JSON.parse(metadata.cursor) as unknown,
        moment1: optional('training.moment1') ?? floats(type, length),
        moment2: optional('training.moment2') ?? floats(type, length),
        ...(scores !== undefined && { scores }),
      },
    }
  } catch (error) {
    if (error instanceof CoppiceError && error.code === 'ERR_FILE') throw error
    const reason = error instanceof Error ? error.message : String(error)
    throw new CoppiceError('ERR_FILE', `${path} is not a valid Coppice model: ${reason}`, { cause: error })
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

const gatherMask = (file: File, path: string, layout: readonly TensorLayout[]): Uint8Array => {
  const mine = layout.filter((tensor) => tensor.arena === 'parameters')
  const mask = new Uint8Array(total(mine)).fill(1)
  for (const { name, shape, offset } of mine) {
    if (file.tensors.has(`${name}.mask`)) mask.set(find(file, path, `${name}.mask`, 'U8', shape), offset)
  }
  return mask
}

const find = (file: File, path: string, name: string, dtype: string, shape: readonly number[]) => {
  const tensor = file.tensors.get(name)
  if (tensor === undefined) throw new CoppiceError('ERR_FILE', `${path} lacks the tensor "${name}"`)
  if (tensor.dtype !== dtype || tensor.shape.join() !== shape.join()) {
    throw new CoppiceError(
      'ERR_FILE',
      `${path}: tensor "${name}" is ${tensor.dtype} [${tensor.shape.join(', ')}] where the spec needs ` +
        `${dtype} [${shape.join(', ')}]`,
    )
  }
  return tensor.data as Floats | Uint8Array
}

const parseHistory = (text: string | undefined): TrainingHistory => {
  if (text === undefined) return {}
  const { objective, fineTunedWith } = JSON.parse(text) as Record<keyof TrainingHistory, unknown>
  return {
    ...(objective !== undefined && { objective: objectiveSchema.parse(objective) }),
    ...(fineTunedWith !== undefined && { fineTunedWith: objectiveSchema.parse(fineTunedWith) }),
  }
}
