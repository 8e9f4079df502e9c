/** A network of your own, as data: a spec of nodes, checked before anything is allocated. */
import { builtin, evaluate, Network, parseSpec, train } from 'coppice'

const quick = process.env.COPPICE_EXAMPLES === 'quick'

const spec = parseSpec({
  name: 'residual',
  input: [3, 32, 32],
  nodes: [
    { op: 'normalize', name: 'normalize', mean: [0.5, 0.5, 0.5], std: [0.25, 0.25, 0.25] },
    { op: 'conv2d', name: 'stem', channels: 16, kernel: 3, stride: 2, padding: 1, bias: false },
    { op: 'batchNorm2d', name: 'norm' },
    { op: 'relu', name: 'start' },
    { op: 'conv2d', name: 'inner', channels: 16, kernel: 3, padding: 1 },
    { op: 'relu', name: 'innerRelu' },
    { op: 'conv2d', name: 'outer', channels: 16, kernel: 3, padding: 1 },
    { op: 'add', name: 'sum', inputs: ['outer', 'start'] },
    { op: 'relu', name: 'end' },
    { op: 'averagePool2d', name: 'pool', kernel: 16 },
    { op: 'flatten', name: 'flatten' },
    { op: 'linear', name: 'classes', features: 10 },
  ],
})

const data = await builtin(quick ? { train: 200, test: 50 } : {})
using net = await Network.create(spec, { seed: 1 })
console.log(net)
await train(net, data.train, { epochs: quick ? 1 : 10, learningRate: 0.05 })
console.log(await evaluate(net, data.test))
