/** A small network that uses every operation, for comparisons. */
import { parseSpec } from '../../lib/networks/parse.js'

export const everyOperation = parseSpec({
  name: 'everyOperation',
  input: [3, 12, 12],
  nodes: [
    { op: 'normalize', name: 'normalize', mean: [0.49, 0.48, 0.45], std: [0.25, 0.24, 0.26] },
    { op: 'conv2d', name: 'conv1', channels: 8, kernel: 3, padding: 1, bias: false },
    { op: 'batchNorm2d', name: 'bn1' },
    { op: 'relu', name: 'relu1' },
    { op: 'maxPool2d', name: 'pool1', kernel: 2 },
    { op: 'conv2d', name: 'conv2', channels: 8, kernel: 3, padding: 1 },
    { op: 'batchNorm2d', name: 'bn2' },
    { op: 'relu', name: 'relu2' },
    { op: 'conv2d', name: 'conv3', channels: 8, kernel: 3, padding: 1, init: 'kaimingFanIn' },
    { op: 'add', name: 'sum', inputs: ['pool1', 'conv3'] },
    { op: 'batchNorm2d', name: 'bn3', momentum: 0.3 },
    { op: 'relu', name: 'relu3' },
    { op: 'conv2d', name: 'conv4', channels: 12, kernel: 2, stride: 2 },
    { op: 'relu', name: 'relu4' },
    { op: 'averagePool2d', name: 'pool2', kernel: 3, stride: 1 },
    { op: 'flatten', name: 'flatten' },
    { op: 'linear', name: 'fc1', features: 16, init: 'torch' },
    { op: 'relu', name: 'relu5' },
    { op: 'linear', name: 'fc2', features: 10, init: { normal: 0.3 } },
  ],
})
