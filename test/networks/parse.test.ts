import { describe, expect, it } from 'vitest'
import { CoppiceError } from '../../lib/base/errors.js'
import { describeNetwork } from '../../lib/networks/describe.js'
import { parseSpec } from '../../lib/networks/parse.js'
import { nodeShapes } from '../../lib/networks/shapes.js'
import { bufferTensors, parameterTensors } from '../../lib/networks/tensors.js'

const network = (nodes: unknown[], input: unknown = [3, 8, 8]) => ({ name: 'test', input, nodes })
const tail = [
  { op: 'flatten', name: 'flatten' },
  { op: 'linear', name: 'fc', features: 10 },
]
const refusal = (value: unknown): string => {
  try {
    parseSpec(value)
  } catch (error) {
    expect(error).toBeInstanceOf(CoppiceError)
    const { message } = error as CoppiceError
    expect(message).not.toContain('\n')
    return message
  }
  throw new Error('the spec was accepted')
}

describe('parseSpec', () => {
  it('fills defaults and chains nodes without inputs', () => {
    const spec = parseSpec(
      network([
        { op: 'conv2d', name: 'conv', channels: 4, kernel: 3 },
        { op: 'batchNorm2d', name: 'bn' },
        { op: 'maxPool2d', name: 'pool', kernel: 2 },
        ...tail,
      ]),
    )
    expect(spec.nodes).toEqual([
      {
        op: 'conv2d',
        name: 'conv',
        inputs: ['image'],
        channels: 4,
        kernel: 3,
        stride: 1,
        padding: 0,
        bias: true,
        init: 'kaimingFanOut',
      },
      { op: 'batchNorm2d', name: 'bn', inputs: ['conv'], epsilon: 1e-5, momentum: 0.1 },
      { op: 'maxPool2d', name: 'pool', inputs: ['bn'], kernel: 2, stride: 2 },
      { op: 'flatten', name: 'flatten', inputs: ['pool'] },
      { op: 'linear', name: 'fc', inputs: ['flatten'], features: 10, bias: true, init: 'torch' },
    ])
  })

  it('names an unknown key, an unknown operation and an unknown init with the nearest known one', () => {
    expect(refusal(network([{ op: 'conv2d', name: 'c', chanels: 4, kernel: 3 }, ...tail]))).toMatch(
      /network\.nodes\[0\]/,
    )
    expect(refusal(network([{ op: 'conv2d', name: 'c', channels: 4, kernel: 3, strid: 2 }, ...tail]))).toBe(
      'network.nodes[0]: unknown key "strid"; did you mean "stride"?',
    )
    expect(refusal(network([{ op: 'conv2', name: 'c' }, ...tail]))).toMatch(/did you mean "conv2d"\?/)
    expect(
      refusal(
        network([
          { op: 'flatten', name: 'f' },
          { op: 'linear', name: 'l', features: 2, init: 'torhc' },
        ]),
      ),
    ).toMatch(/network\.nodes\[1\]\.init.*torhc/)
  })

  it('names a node whose input is unknown, comes later, or is missing', () => {
    const at = (inputs: string[]) => refusal(network([{ op: 'relu', name: 'relu', inputs }, ...tail]))
    expect(at(['imag'])).toBe('node "relu" reads "imag", which does not exist; did you mean "image"?')
    expect(at(['fc'])).toMatch(/node "relu" reads "fc", which comes later/)
    expect(at(['relu'])).toMatch(/node "relu" reads "relu", which comes later/)
    expect(at([])).toMatch(/node "relu": relu reads 1 input, but 0 are given/)
    expect(refusal(network([{ op: 'add', name: 'sum' }, ...tail]))).toMatch(/add reads 2 inputs, but 1/)
  })

  it('refuses a name used twice, the reserved name, and an output nobody reads', () => {
    const relu = (name: string, inputs = ['image']) => ({ op: 'relu', name, inputs })
    expect(refusal(network([relu('a'), relu('a'), ...tail]))).toMatch(/two nodes are called "a"/)
    expect(refusal(network([relu('image'), ...tail]))).toMatch(/"image" is the name of the input/)
    expect(refusal(network([relu('a'), relu('b'), ...tail]))).toMatch(/node "a" is read by no other/)
  })

  it('refuses shapes that do not fit, by the name of the node', () => {
    const conv = (name: string, channels: number, kernel: number) => ({
      op: 'conv2d',
      name,
      channels,
      kernel,
    })
    expect(refusal(network([conv('big', 4, 9), ...tail]))).toMatch(/node "big": a 9×9 window does not fit/)
    expect(refusal(network([{ op: 'linear', name: 'fc', features: 10 }]))).toMatch(
      /node "fc": linear reads a vector/,
    )
    expect(refusal(network([...tail, conv('late', 4, 1)]))).toMatch(
      /node "late": conv2d reads \[channels, height, width\]/,
    )
    expect(
      refusal(network([conv('a', 4, 3), { op: 'add', name: 'sum', inputs: ['a', 'image'] }, ...tail])),
    ).toMatch(/node "sum": add needs two inputs of equal shape.*\[4, 6, 6\].*\[3, 8, 8\]/)
    expect(refusal(network([{ op: 'normalize', name: 'n', mean: [0], std: [1] }, ...tail]))).toMatch(
      /node "n": mean has 1 values, but its input has 3 channels/,
    )
    expect(refusal(network([conv('a', 4, 3)]))).toMatch(/node "a": the last node gives the logits/)
  })

  it.each([
    ['nothing', undefined],
    ['a number', 3],
    ['no nodes', network([])],
    ['a zero kernel', network([{ op: 'conv2d', name: 'c', channels: 4, kernel: 0 }, ...tail])],
    ['a fractional width', network([{ op: 'conv2d', name: 'c', channels: 4.5, kernel: 1 }, ...tail])],
    ['a zero deviation', network([{ op: 'normalize', name: 'n', mean: [0, 0, 0], std: [1, 0, 1] }, ...tail])],
    [
      'an infinite mean',
      network([{ op: 'normalize', name: 'n', mean: [0, Infinity, 0], std: [1, 1, 1] }, ...tail]),
    ],
    ['a flat image', network(tail, [3, 32])],
    ['a name with a space', network([{ op: 'relu', name: 'a b' }, ...tail])],
  ])('refuses %s', (_, value) => {
    expect(refusal(value)).toMatch(/^network/)
  })
})

describe('shapes and counts', () => {
  const spec = parseSpec(
    network([
      { op: 'conv2d', name: 'conv', channels: 4, kernel: 3, stride: 2, padding: 1 },
      { op: 'batchNorm2d', name: 'bn' },
      { op: 'averagePool2d', name: 'pool', kernel: 3, stride: 1 },
      ...tail,
    ]),
  )

  it('follow the usual window arithmetic', () => {
    expect(Object.fromEntries(nodeShapes(spec))).toEqual({
      conv: [4, 4, 4],
      bn: [4, 4, 4],
      pool: [4, 2, 2],
      flatten: [16],
      fc: [10],
    })
  })

  it('count weights, biases, scales and shifts, and each weight once per output position', () => {
    const { nodes, parameters, macs, prunable } = describeNetwork(spec)
    expect(nodes.map((node) => node.parameters)).toEqual([112, 8, 0, 0, 170])
    expect(nodes.map((node) => node.macs)).toEqual([108 * 16, 0, 0, 0, 160])
    expect([parameters, macs, prunable]).toEqual([290, 1888, 268])
  })

  it('lists tensors in arena order under PyTorch names', () => {
    expect(parameterTensors(spec).map(({ name, kind, shape }) => [name, kind, shape])).toEqual([
      ['conv.weight', 'weight', [4, 3, 3, 3]],
      ['conv.bias', 'bias', [4]],
      ['bn.weight', 'scale', [4]],
      ['bn.bias', 'shift', [4]],
      ['fc.weight', 'weight', [10, 16]],
      ['fc.bias', 'bias', [10]],
    ])
    expect(bufferTensors(spec).map(({ name }) => name)).toEqual(['bn.running_mean', 'bn.running_var'])
  })
})
