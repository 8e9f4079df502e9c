/** The constants of an ONNX file as arrays. */
import { show, showShape } from '../../base/numbers.js'
import { OnnxError } from './error.js'
import {
  TensorProto_DataType as DataType,
  TensorProto_DataLocation as Location,
  type TensorProto,
} from './schema.js'

/** Numbers in a shape, row-major. */
export interface Constant {
  name: string
  shape: number[]
  values: ArrayLike<number>
}

/** Most numbers of a tensor that is read. */
const MOST = 2 ** 31

/** How the types that can be read lie in `raw_data`, and under which other key they may lie. */
interface Rule {
  bytes: number
  read: (view: DataView, at: number) => number
  typed: (proto: TensorProto) => readonly (number | bigint)[]
}

const RULES: Partial<Record<number, Rule>> = {
  [DataType.FLOAT]: {
    bytes: 4,
    read: (view, at) => view.getFloat32(at, true),
    typed: ({ floatData }) => floatData,
  },
  [DataType.DOUBLE]: {
    bytes: 8,
    read: (view, at) => view.getFloat64(at, true),
    typed: ({ doubleData }) => doubleData,
  },
  [DataType.INT64]: {
    bytes: 8,
    read: (view, at) => Number(view.getBigInt64(at, true)),
    typed: ({ int64Data }) => int64Data,
  },
  [DataType.INT32]: {
    bytes: 4,
    read: (view, at) => view.getInt32(at, true),
    typed: ({ int32Data }) => int32Data,
  },
}

/** @throws OnnxError for a tensor of another type, in another file, or whose numbers do not fill its shape. */
export const readTensor = (proto: TensorProto): Constant => {
  const { name, dataType, rawData } = proto
  const what = `its tensor ${show(name)}`
  if (proto.dataLocation === Location.EXTERNAL || proto.externalData.length > 0) {
    throw new OnnxError(`${what} lies in another file; save the model with all of its weights inside`)
  }
  const rule = RULES[dataType]
  if (rule === undefined) {
    throw new OnnxError(`${what} has the type ${DataType[dataType] ?? dataType}; float and double are read`)
  }
  const shape = proto.dims.map(Number)
  const size = shape.reduce((product, extent) => product * extent, 1)
  if (!shape.every((extent) => extent >= 0) || !(size <= MOST)) {
    throw new OnnxError(`${what} has an impossible shape, ${showShape(shape)}`)
  }
  const raw = rawData.length > 0
  const typed = rule.typed(proto)
  if (raw ? rawData.length !== size * rule.bytes : typed.length !== size) {
    throw new OnnxError(`${what} of ${showShape(shape)} has another number of values`)
  }
  if (!raw) return { name, shape, values: Array.from(typed, Number) }
  const view = new DataView(rawData.buffer, rawData.byteOffset, rawData.byteLength)
  const values = new Float64Array(size)
  for (let place = 0; place < size; place++) values[place] = rule.read(view, place * rule.bytes)
  return { name, shape, values }
}
