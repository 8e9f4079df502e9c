import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { create, toBinary } from '@bufbuild/protobuf'
import { describe, expect, it } from 'vitest'
import { hash32 } from '../../../lib/base/hash.js'
import { exportOnnx, onnxBytes } from '../../../lib/formats/onnx/export.js'
import { importOnnx, readOnnxModel } from '../../../lib/formats/onnx/import.js'
import {
  AttributeProto_AttributeType as AttributeType,
  type GraphProto,
  GraphProtoSchema,
  ModelProtoSchema,
  TensorProto_DataType as Type,
} from '../../../lib/formats/onnx/schema.js'
import { foldBatchNorm } from '../../../lib/models/fold.js'
import { networkNames, networkSpec } from '../../../lib/networks/index.js'
import type { NetworkSpec } from '../../../lib/networks/spec.js'
import { pruneMask } from '../../../lib/pruning/mask.js'
import { temporaryFolder } from '../../helpers.js'
import { sameBits, shaken } from '../../models/shaken.js'
import { everyOperation } from '../../parity/everyOperation.js'

/** What an ONNX file does not say: how weights start. */
const withoutStarts = ({ input, nodes }: NetworkSpec) => ({
  input,
  nodes: nodes.map((node) =>
    node.op === 'conv2d' || node.op === 'linear' ? { ...node, init: 'torch' } : node,
  ),
})

const names = [...networkNames.filter((name) => !name.startsWith('wide')), 'wideResNet-10-1']

describe('export and import', () => {
  it.each(names)('gives %s back with the same bits', async (name) => {
    const spec = networkSpec(name, { scale: 0.125 })
    const network = await shaken(spec)
    const path = join(temporaryFolder(), 'network.onnx')
    await exportOnnx(network, path)
    const { model, producer } = await readOnnxModel(path)
    const state = await network.read()
    expect(withoutStarts(model.spec)).toEqual(withoutStarts(spec))
    expect(model.spec.name).toBe(spec.name)
    expect(sameBits(model.parameters, state.parameters)).toBe(true)
    expect(sameBits(model.buffers, state.buffers)).toBe(true)
    expect(producer).toMatch(/^coppice \d/)
  })

  it('gives a folded network back as it was folded', async () => {
    const state = await (await shaken(everyOperation)).read()
    const path = join(temporaryFolder(), 'network.onnx')
    writeFileSync(path, onnxBytes(state, { batchNorm: 'folded' }))
    const { model } = await readOnnxModel(path)
    const folded = foldBatchNorm(state)
    expect(withoutStarts(model.spec)).toEqual(withoutStarts(folded.spec))
    expect(sameBits(model.parameters, folded.parameters)).toBe(true)
  })

  it('writes zeros for pruned weights, and the compacted network of a filter mask', async () => {
    const network = await shaken(networkSpec('cifarLarge', { scale: 0.25 }))
    const state = await network.read()
    const { mask } = await pruneMask({ ...state, structure: 'filter', sparsity: 0.5 })
    await network.write({ ...state, mask })
    const folder = temporaryFolder()
    const images = Float32Array.from({ length: 10 * 3072 }, (_, index) => (hash32(1, index) % 256) / 255)
    const before = await network.logits(images)
    await exportOnnx(network, join(folder, 'masked.onnx'))
    await exportOnnx(await network.compact(), join(folder, 'compact.onnx'))
    const masked = await importOnnx(join(folder, 'masked.onnx'))
    const { parameters } = await masked.read()
    expect(parameters.every((weight, place) => mask[place] === 1 || weight === 0)).toBe(true)
    expect(await masked.logits(images)).toEqual(before)
    const small = await importOnnx(join(folder, 'compact.onnx'))
    expect(small.parameterCount).toBeLessThan(network.parameterCount / 2)
    const after = await small.logits(images)
    expect(Math.max(...after.map((logit, place) => Math.abs(logit - (before[place] ?? 0))))).toBeLessThan(
      1e-5,
    )
  })

  it('rounds float64, and refuses what float32 cannot hold', async () => {
    const state = await (await shaken(everyOperation, 'float64')).read()
    const path = join(temporaryFolder(), 'network.onnx')
    writeFileSync(path, onnxBytes(state))
    expect((await readOnnxModel(path)).model.parameters).toEqual(Float32Array.from(state.parameters))
    state.parameters[0] = 1e39
    expect(() => onnxBytes(state)).toThrow(/"conv1.weight" has values that are no finite float32/)
    expect(() => onnxBytes(state, { batchNorm: 'fold' as 'folded' })).toThrow(/onnx.batchNorm/)
  })
})

/** A graph written by hand, as other exporters write them. */
type Node = [opType: string, input: string[], output: string, attributes?: Record<string, number | number[]>]
type Tensors = Record<string, [shape: number[], values: number[]]>

const attribute = (name: string, value: number | number[]) =>
  typeof value === 'number'
    ? { name, type: AttributeType.INT, i: BigInt(value) }
    : { name, type: AttributeType.INTS, ints: value.map(BigInt) }

const written = (
  input: number[],
  nodes: Node[],
  tensors: Tensors,
  more: { initializer?: GraphProto['initializer'] } = {},
): string => {
  const path = join(temporaryFolder(), 'by-hand.onnx')
  const graph = create(GraphProtoSchema, {
    name: 'by-hand',
    node: nodes.map(([opType, from, to, attributes = {}]) => ({
      opType,
      input: from,
      output: [to],
      attribute: Object.entries(attributes).map(([key, value]) => attribute(key, value)),
    })),
    initializer: Object.entries(tensors).map(([name, [shape, values]]) =>
      name.startsWith('shape')
        ? { name, dims: shape.map(BigInt), dataType: Type.INT64, int64Data: values.map(BigInt) }
        : { name, dims: shape.map(BigInt), dataType: Type.FLOAT, floatData: values },
    ),
    input: [
      {
        name: 'x',
        type: {
          value: {
            case: 'tensorType',
            value: {
              elemType: Type.FLOAT,
              shape: {
                dim: input.map((size) => ({ value: { case: 'dimValue' as const, value: BigInt(size) } })),
              },
            },
          },
        },
      },
    ],
    output: [{ name: 'y' }],
    ...more,
  })
  writeFileSync(path, toBinary(ModelProtoSchema, create(ModelProtoSchema, { irVersion: 8n, graph })))
  return path
}

describe('files of others', () => {
  it('reads a normalisation in several steps, a matrix product with a bias, and a mean over the map', async () => {
    const path = written(
      [1, 2, 4, 4],
      [
        ['Mul', ['x', 'twice'], 'a'],
        ['Sub', ['a', 'half'], 'b'],
        ['Div', ['b', 'std'], 'c'],
        ['Conv', ['c', 'first.weight'], 'd', { kernel_shape: [1, 1] }],
        ['ReduceMean', ['d'], 'e', { axes: [-1, -2], keepdims: 0 }],
        ['MatMul', ['e', 'last.weight'], 'f'],
        ['Add', ['last.bias', 'f'], 'y'],
      ],
      {
        twice: [[], [2]],
        half: [[1], [0.5]],
        std: [
          [2, 1, 1],
          [1, 4],
        ],
        'first.weight': [
          [2, 2, 1, 1],
          [1, 0, 0, 1],
        ],
        'last.weight': [
          [2, 3],
          [1, 2, 3, 4, 5, 6],
        ],
        'last.bias': [[3], [10, 20, 30]],
      },
    )
    const network = await importOnnx(path)
    expect(network.spec.nodes).toMatchObject([
      { op: 'normalize', name: 'normalize', mean: [0.25, 0.25], std: [0.5, 2] },
      { op: 'conv2d', name: 'first', bias: false },
      { op: 'averagePool2d', kernel: 4 },
      { op: 'flatten' },
      { op: 'linear', name: 'last', features: 3, bias: true },
    ])
    const image = new Float32Array(32).fill(0.75, 0, 16).fill(0.5, 16)
    // Normalised: (0.75 − 0.25) / 0.5 = 1 and (0.5 − 0.25) / 2 = 0.125.
    expect(Array.from(await network.logits(image))).toEqual([11.5, 22.625, 33.75])
  })

  it('reads a reshape to vectors, a Gemm without transposition, and leaves out what the output does not need', async () => {
    const path = written(
      [1, 1, 2, 2],
      [
        ['Dropout', ['x'], 'a'],
        ['Softmax', ['a'], 'unused'],
        ['Reshape', ['a', 'shape'], 'b'],
        ['Gemm', ['b', 'w', 'bias'], 'y'],
      ],
      {
        shape: [[2], [-1, 4]],
        w: [
          [4, 2],
          [1, 0, 0, 1, 1, 0, 0, 1],
        ],
        bias: [
          [1, 2],
          [0.5, 0],
        ],
      },
    )
    const network = await importOnnx(path)
    expect(Array.from(await network.logits(Float32Array.of(1, 2, 3, 4)))).toEqual([4.5, 6])
  })

  const conv: Tensors = {
    w: [
      [2, 1, 2, 2],
      [1, 2, 3, 4, 5, 6, 7, 8],
    ],
  }
  it.each<[string, Node[], Tensors, RegExp]>([
    [
      'an unknown operation',
      [['Sigmoid', ['x'], 'y']],
      {},
      /node "y" \(Sigmoid\) is an operation that Coppice does not have/,
    ],
    ['a softmax at the end', [['Softmax', ['x'], 'y']], {}, /the logits are the output/],
    ['groups', [['Conv', ['x', 'w'], 'y', { group: 2 }]], conv, /it has groups/],
    ['oblong strides', [['Conv', ['x', 'w'], 'y', { strides: [1, 2] }]], conv, /strides of \[1, 2\]/],
    ['uneven padding', [['Conv', ['x', 'w'], 'y', { pads: [0, 0, 1, 1] }]], conv, /pads of \[0, 0, 1, 1\]/],
    ['dilation', [['Conv', ['x', 'w'], 'y', { dilations: [2, 2] }]], conv, /dilated/],
    [
      'other channels',
      [['Conv', ['x', 'w'], 'y']],
      {
        w: [
          [1, 2, 1, 1],
          [1, 1],
        ],
      },
      /does not fit 1 channels/,
    ],
    ['too few values', [['Conv', ['x', 'w'], 'y']], { w: [[1, 1, 1, 2], [1]] }, /another number of values/],
    ['a value from nowhere', [['Relu', ['z'], 'y']], {}, /reads "z", which nothing before it makes/],
    [
      'constants alone',
      [['Add', ['c', 'c'], 'y']],
      { c: [[2], [1, 2]] },
      /needs a constant|depend|constants/,
    ],
    [
      'a bias behind a ReLU',
      [
        ['Relu', ['x'], 'a'],
        ['Add', ['a', 'c'], 'y'],
      ],
      { c: [[1], [1]] },
      /adds a constant/,
    ],
    ['a map as logits', [['Relu', ['x'], 'y']], {}, /must be a vector/],
    [
      'NaN',
      [
        ['Flatten', ['x'], 'a'],
        ['Gemm', ['a', 'n'], 'y'],
      ],
      { n: [[9, 2], Array(18).fill(Number.NaN)] },
      /NaN or infinite/,
    ],
  ])('refuses %s in one line', async (_, nodes, tensors, message) => {
    const path = written([1, 1, 3, 3], nodes, tensors)
    const error = await readOnnxModel(path).catch((thrown: Error) => thrown)
    expect(error).toMatchObject({ code: 'ERR_FILE', message: expect.stringMatching(message) })
    expect((error as Error).message).toMatch(/by-hand.onnx cannot be imported: [^\n]+$/)
  })

  it('refuses images of no fixed size, and weights in another file', async () => {
    const nodes: Node[] = [['Relu', ['x'], 'y']]
    await expect(readOnnxModel(written([1, 3, -1, 8], nodes, {}))).rejects.toThrow(/images of a fixed size/)
    const outside = written(
      [1, 1, 2, 2],
      [['Conv', ['x', 'w'], 'y']],
      {},
      {
        initializer: create(GraphProtoSchema, {
          initializer: [{ name: 'w', dims: [1n], dataType: Type.FLOAT, dataLocation: 1 }],
        }).initializer,
      },
    )
    await expect(readOnnxModel(outside)).rejects.toThrow(/"w" lies in another file/)
  })
})

const python = process.env.COPPICE_PYTHON
const hasRuntime = python !== undefined && spawnSync(python, ['-c', 'import onnx, onnxruntime']).status === 0
if (!hasRuntime)
  console.warn(
    'Comparison with onnxruntime is skipped: set COPPICE_PYTHON to a Python that has onnx and onnxruntime.',
  )

describe.runIf(hasRuntime)('onnxruntime', () => {
  it.each(['kept', 'folded'] as const)('computes the same logits, with batch norm %s', async (batchNorm) => {
    const folder = temporaryFolder()
    const network = await shaken(everyOperation)
    const images = Float32Array.from({ length: 60 * 432 }, (_, index) => (hash32(1, index) % 256) / 255)
    const [model, input, output] = ['a.onnx', 'images', 'logits'].map((name) => join(folder, name)) as [
      string,
      string,
      string,
    ]
    await exportOnnx(network, model, { batchNorm })
    writeFileSync(input, images)
    const script = join(__dirname, '../../../bench/formats/logits.py')
    const ended = spawnSync(python ?? '', [script, model, input, '3,12,12', output], { encoding: 'utf8' })
    expect(ended).toMatchObject({ status: 0 })
    const there = new Float32Array(Uint8Array.from(readFileSync(output)).buffer)
    const here = await network.logits(images)
    expect(there.length).toBe(here.length)
    expect(Math.max(...there.map((logit, place) => Math.abs(logit - (here[place] ?? 9))))).toBeLessThan(1e-5)
  })
})
