/** Networks as ONNX files, for onnxruntime, other frameworks and other verifiers. (github.com/onnx/onnx, docs/IR.md, docs/Operators.md) */
import { create, toBinary } from '@bufbuild/protobuf'
import { optionsOf, pathOf } from '../../base/arguments.js'
import { CoppiceError, invalid } from '../../base/errors.js'
import { choice, parse, strict } from '../../base/schemas.js'
import { version } from '../../base/version.js'
import { LONGEST_FILE } from '../../files/read.js'
import { replaceFile } from '../../files/replaceFile.js'
import { foldBatchNorm } from '../../models/fold.js'
import type { Model } from '../../models/modelFile.js'
import { type Network, requireNetwork } from '../../models/network.js'
import { masked, tensorsOf } from '../../models/tensors.js'
import { classCount } from '../../networks/shapes.js'
import { IMAGE, type NodeSpec } from '../../networks/spec.js'
import {
  AttributeProto_AttributeType as AttributeType,
  TensorProto_DataType as DataType,
  GraphProtoSchema,
  ModelProtoSchema,
  NodeProtoSchema,
  TensorProtoSchema,
  ValueInfoProtoSchema,
} from './schema.js'

/** How a network becomes an ONNX file. */
export interface OnnxOptions {
  /**
   * What becomes of batch norm: it is a `BatchNormalization` of its own (`kept`, the default), with weights bit by bit
   * those of the network; or part of the convolution before it where there is one (`folded`), which is what verifiers
   * and runtimes like best.
   */
  batchNorm?: 'kept' | 'folded'
}

const optionsSchema = strict({ batchNorm: choice(['kept', 'folded']).default('kept') })

/** Versions of the operators, and of the file's format: old enough for every reader, and all that is needed. */
const OPERATORS = 13n
const FORMAT = 7n

/** Name of the output, [batch, classes]; the input is called `image`, [batch, channels, height, width] in [0,1]. */
export const LOGITS = 'logits'

/**
 * Writes a network as an ONNX file, atomically: float32, any number of images at once, its normalisation inside, pruned
 * weights as zeros. It reads `image` [batch, channels, height, width], pixels in [0,1], and gives `logits`
 * [batch, classes]. Tensors have the names they have here. A network in float64 is rounded.
 *
 * @throws CoppiceError `ERR_INVALID_ARGUMENT` for a wrong option, or weights that float32 cannot hold; `ERR_FILE` where
 * the file system refuses.
 */
export const exportOnnx = async (
  network: Network,
  path: string,
  options: OnnxOptions = {},
): Promise<void> => {
  const state = await requireNetwork(network, 'exportOnnx').read()
  await writeOnnx(pathOf(path, 'exportOnnx'), state, optionsOf(options, 'exportOnnx'))
}

/** As `exportOnnx`, of a model as plain data. */
export const writeOnnx = async (path: string, model: Model, options: OnnxOptions = {}): Promise<void> => {
  const bytes = onnxBytes(model, options)
  await replaceFile(path, (file) => file.writeFile(bytes))
}

/** The bytes of the ONNX file of a model. */
export const onnxBytes = (model: Model, options: OnnxOptions = {}): Uint8Array => {
  const { batchNorm } = parse(optionsSchema, options, 'onnx')
  const { spec, ...rest } = batchNorm === 'folded' ? foldBatchNorm(model) : masked(model)
  const last = spec.nodes[spec.nodes.length - 1]?.name
  const valueName = (name: string) => (name === IMAGE ? IMAGE : name === last ? LOGITS : `${name}${OUTPUT}`)
  const tensors = [...tensorsOf({ spec, ...rest })].map(([name, { shape, values }]) =>
    tensor(name, shape, values),
  )
  if (tensors.reduce((sum, { rawData }) => sum + rawData.length, 0) > LONGEST_FILE) {
    throw new CoppiceError('ERR_UNSUPPORTED', `network "${spec.name}": an ONNX file holds no more than 2 GiB`)
  }
  const parts = spec.nodes.map((node) => partsOf(node, node.inputs.map(valueName), valueName(node.name)))
  const graph = create(GraphProtoSchema, {
    name: spec.name,
    node: parts.flatMap(({ nodes }) => nodes),
    initializer: [...parts.flatMap(({ constants }) => constants ?? []), ...tensors],
    input: [valueInfo(IMAGE, spec.input)],
    output: [valueInfo(LOGITS, [classCount(spec)])],
  })
  return toBinary(
    ModelProtoSchema,
    create(ModelProtoSchema, {
      irVersion: FORMAT,
      opsetImport: [{ domain: '', version: OPERATORS }],
      producerName: 'coppice',
      producerVersion: version,
      graph,
    }),
  )
}

/** After a node's name, that of its output; no spec has names with a slash, so that it is no tensor's. */
const OUTPUT = '/output'

type Tensor = ReturnType<typeof tensor>
type Node = ReturnType<typeof operation>

/** The nodes of ONNX that one of a spec becomes, and their constants. */
const partsOf = (
  node: NodeSpec,
  inputs: readonly string[],
  output: string,
): { nodes: Node[]; constants?: Tensor[] } => {
  const { name } = node
  const weights = (bias: boolean) => [`${name}.weight`, ...(bias ? [`${name}.bias`] : [])]
  const one = (type: string, read: readonly string[], attributes: Attributes = {}) => ({
    nodes: [operation(name, type, read, output, attributes)],
  })
  switch (node.op) {
    case 'normalize': {
      const [mean, std, centred] = [`${name}.mean`, `${name}.std`, `${name}/centred`]
      const shape = [1, node.mean.length, 1, 1]
      return {
        nodes: [
          operation(`${name}/mean`, 'Sub', [...inputs, mean], centred),
          operation(`${name}/std`, 'Div', [centred, std], output),
        ],
        constants: [tensor(mean, shape, node.mean), tensor(std, shape, node.std)],
      }
    }
    case 'conv2d':
      return one('Conv', [...inputs, ...weights(node.bias)], {
        kernel_shape: [node.kernel, node.kernel],
        strides: [node.stride, node.stride],
        pads: Array.from({ length: 4 }, () => node.padding),
      })
    case 'batchNorm2d': {
      const read = ['weight', 'bias', 'running_mean', 'running_var'].map((kind) => `${name}.${kind}`)
      return one('BatchNormalization', [...inputs, ...read], {
        epsilon: node.epsilon,
        momentum: 1 - node.momentum,
      })
    }
    case 'relu':
      return one('Relu', inputs)
    case 'maxPool2d':
    case 'averagePool2d':
      return one(node.op === 'maxPool2d' ? 'MaxPool' : 'AveragePool', inputs, {
        kernel_shape: [node.kernel, node.kernel],
        strides: [node.stride, node.stride],
      })
    case 'flatten':
      return one('Flatten', inputs)
    case 'linear':
      return one('Gemm', [...inputs, ...weights(node.bias)], { transB: 1 })
    case 'add':
      return one('Add', inputs)
  }
}

/** Whole numbers are `int`, lists of them `ints`; those of batch norm are `float`. */
type Attributes = Readonly<Record<string, number | readonly number[]>>

const FLOATS = new Set(['epsilon', 'momentum'])

const operation = (
  name: string,
  opType: string,
  input: readonly string[],
  output: string,
  attributes: Attributes = {},
) =>
  create(NodeProtoSchema, {
    name,
    opType,
    input: [...input],
    output: [output],
    attribute: Object.entries(attributes).map(([key, value]) =>
      typeof value === 'number'
        ? FLOATS.has(key)
          ? { name: key, type: AttributeType.FLOAT, f: value }
          : { name: key, type: AttributeType.INT, i: BigInt(value) }
        : { name: key, type: AttributeType.INTS, ints: value.map(BigInt) },
    ),
  })

const tensor = (name: string, shape: readonly number[], values: ArrayLike<number>) => {
  const rounded = Float32Array.from(values)
  if (!rounded.every(Number.isFinite)) {
    throw invalid(`tensor "${name}" has values that are no finite float32; such a network cannot be exported`)
  }
  return create(TensorProtoSchema, {
    name,
    dims: shape.map(BigInt),
    dataType: DataType.FLOAT,
    rawData: new Uint8Array(rounded.buffer),
  })
}

const valueInfo = (name: string, shape: readonly number[]) =>
  create(ValueInfoProtoSchema, {
    name,
    type: {
      value: {
        case: 'tensorType',
        value: {
          elemType: DataType.FLOAT,
          shape: {
            dim: [
              { value: { case: 'dimParam', value: 'batch' } },
              ...shape.map((size) => ({ value: { case: 'dimValue' as const, value: BigInt(size) } })),
            ],
          },
        },
      },
    },
  })
