/** Networks from ONNX files. */
import { fromBinary } from '@bufbuild/protobuf'
import type { Device, ParameterType } from '../../../bindings/native.js'
import { optionsOf, pathOf } from '../../base/arguments.js'
import { CoppiceError, invalid } from '../../base/errors.js'
import { show } from '../../base/numbers.js'
import { readBytes } from '../../files/read.js'
import type { Model } from '../../models/modelFile.js'
import { Network } from '../../models/network.js'
import { modelOf } from '../../models/tensors.js'
import { parseSpec } from '../../networks/parse.js'
import { OnnxError } from './error.js'
import { readGraph } from './graph.js'
import { type ModelProto, ModelProtoSchema } from './schema.js'

export interface OnnxModel {
  model: Model
  /** Who wrote the file, as it says. */
  producer: string
  /** Version of its operators. */
  opset: number
}

/**
 * Reads a network from an ONNX file. The graph has one input of images [batch, channels, height, width] with pixels in
 * [0,1] and one output of logits, and between them the operations that specs have: `Conv`, `BatchNormalization`, `Relu`,
 * `MaxPool`, `AveragePool`, `GlobalAveragePool`, `ReduceMean` of a map, `Flatten`, `Reshape` to vectors, `Gemm`,
 * `MatMul`, `Add`, and per-channel constants on the image. Nodes are called as their weights are.
 *
 * @param options `type`: of the weights, `float32` (default) or `float64`.
 * @throws CoppiceError `ERR_FILE` for a file that is damaged, no ONNX, or holds what a spec cannot say, which it names.
 */
export const readOnnxModel = async (
  path: string,
  options: { type?: ParameterType } = {},
): Promise<OnnxModel> => {
  const { type = 'float32' } = optionsOf(options, 'readOnnxModel')
  if (type !== 'float32' && type !== 'float64') {
    throw invalid(`type: expected float32 or float64, received ${show(type)}`)
  }
  const bytes = await readBytes(pathOf(path, 'readOnnxModel'))
  try {
    return convert(bytes, type)
  } catch (error) {
    const reason = reasonOf(error)
    if (reason === undefined) throw error
    throw new CoppiceError('ERR_FILE', `${path} cannot be imported: ${reason}`, { cause: error })
  }
}

/**
 * The network of an ONNX file, on a device; see `readOnnxModel`.
 *
 * @throws CoppiceError as `readOnnxModel` does, and `ERR_DEVICE` for a device that isn't there.
 */
export const importOnnx = async (
  path: string,
  options: { device?: Device; type?: ParameterType } = {},
): Promise<Network> => {
  const { device = 'cpu', ...rest } = optionsOf(options, 'importOnnx')
  return Network.from((await readOnnxModel(path, rest)).model, { device })
}

const reasonOf = (error: unknown): string | undefined => {
  if (error instanceof OnnxError || error instanceof CoppiceError) return error.message
  return error instanceof RangeError ? 'it does not fit the memory' : undefined
}

const convert = (bytes: Uint8Array, type: ParameterType): OnnxModel => {
  const { graph, opsetImport, producerName, producerVersion } = decode(bytes)
  if (graph === undefined || graph.node.length === 0)
    throw new OnnxError('it is no ONNX model: it has no graph')
  const { spec, values } = readGraph(graph)
  const model = modelOf(parseSpec(spec), type, values)
  if (!model.parameters.every(Number.isFinite) || !model.buffers.every(Number.isFinite)) {
    throw new OnnxError(`some of its weights are NaN or infinite as ${type}`)
  }
  return {
    model,
    producer: [producerName, producerVersion].join(' ').trim(),
    opset: Number(opsetImport.find(({ domain }) => domain === '' || domain === 'ai.onnx')?.version ?? 0),
  }
}

/** Whatever the decoder complains of, the file is not what it should be. */
const decode = (bytes: Uint8Array): ModelProto => {
  try {
    return fromBinary(ModelProtoSchema, bytes, { readUnknownFields: false })
  } catch (error) {
    throw new OnnxError('it is no ONNX file, or damaged', { cause: error })
  }
}
