/** A network as Python: a module for PyTorch whose state dict has the names that a network has here. */
import { version } from '../../base/version.js'
import { parseSpec } from '../../networks/parse.js'
import { inputShapes, nodeShapes } from '../../networks/shapes.js'
import { IMAGE, type NetworkSpec, type NodeSpec } from '../../networks/spec.js'

/**
 * The source of a Python module with the class `Network`, for PyTorch 1.9 and newer, without other dependencies. It reads
 * pixels in [0,1]; after `load_state_dict` and `eval()` it computes the same logits but for rounding.
 *
 * @throws CoppiceError `ERR_INVALID_ARGUMENT` for what is no spec
 */
export const torchModule = (given: NetworkSpec): string => {
  const spec = parseSpec(given)
  const shapes = nodeShapes(spec).set(IMAGE, [...spec.input])
  const nodes = spec.nodes.map((node) => {
    const [channels = 0] = inputShapes(node, shapes)[0] ?? []
    return `            (${[quote(node.name), `[${node.inputs.map(quote).join(', ')}]`, operation(node, channels)].join(', ')}),`
  })
  return source(spec, nodes.join('\n'))
}

const source = (
  { name, input }: NetworkSpec,
  nodes: string,
): string => `"""${name}, exported by Coppice ${version}: images [n, ${input.join(', ')}] in [0,1] -> logits.

    net = Network()
    net.load_state_dict(torch.load('model.pth'))
    net.eval()
"""
import torch
from torch import nn


class Normalize(nn.Module):
    def __init__(self, mean, std):
        super().__init__()
        self.mean, self.std = mean, std

    def forward(self, x):
        mean, std = (x.new_tensor(each).view(-1, 1, 1) for each in (self.mean, self.std))
        return (x - mean) / std


class Add(nn.Module):
    def forward(self, x, y):
        return x + y


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.nodes = [  # name, what it reads, what it does
${nodes}
        ]
        for name, _, node in self.nodes:
            *path, last = name.split('.')
            owner = self
            for part in path:
                owner = owner._modules.setdefault(part, nn.Module())
            owner._modules[last] = node

    def forward(self, image):
        values = {'${IMAGE}': image}
        for name, reads, node in self.nodes:
            values[name] = node(*(values[each] for each in reads))
        return values[name]
`

/** Names have no quotes in them. */
const quote = (name: string): string => `'${name}'`

const truth = (value: boolean): string => (value ? 'True' : 'False')

const operation = (node: NodeSpec, channels: number): string => {
  switch (node.op) {
    case 'normalize':
      return `Normalize([${node.mean.join(', ')}], [${node.std.join(', ')}])`
    case 'conv2d': {
      const sizes = [channels, node.channels, node.kernel, node.stride, node.padding]
      return `nn.Conv2d(${sizes.join(', ')}, bias=${truth(node.bias)})`
    }
    case 'batchNorm2d':
      return `nn.BatchNorm2d(${channels}, eps=${node.epsilon}, momentum=${node.momentum})`
    case 'relu':
      return 'nn.ReLU()'
    case 'maxPool2d':
      return `nn.MaxPool2d(${node.kernel}, ${node.stride})`
    case 'averagePool2d':
      return `nn.AvgPool2d(${node.kernel}, ${node.stride})`
    case 'flatten':
      return 'nn.Flatten()'
    case 'linear':
      return `nn.Linear(${channels}, ${node.features}, bias=${truth(node.bias)})`
    case 'add':
      return 'Add()'
  }
}
