/** `coppice import FILE -o MODEL`: a model from a PyTorch state dict or an ONNX file, without Python. */

import { Command, InvalidArgumentError, Option } from 'commander'
import type { ParameterType } from '../../bindings/native.js'
import { invalid } from '../base/errors.js'
import { LIMITS } from '../base/limits.js'
import { readOnnxModel } from '../formats/onnx/import.js'
import { readTorchModel, type TorchModel } from '../formats/torch/import.js'
import { printable } from '../formats/torch/match.js'
import { fileLayout, writeModel } from '../models/modelFile.js'
import { networkSpec } from '../networks/index.js'
import type { ImageShape, NetworkSpec } from '../networks/spec.js'
import { readSpec } from '../networks/specFile.js'
import { count, table } from '../report/tables.js'
import { integerFlag, numberFlag } from './flags.js'
import { printResult, requireNew } from './output.js'

interface Flags {
  output: string
  spec?: string
  network?: string
  scale?: number
  classes?: number
  input?: ImageShape
  keep?: number
  normalize: boolean
  type: ParameterType
  json?: boolean
}

export const importCommand = (): Command =>
  new Command('import')
    .description(
      'make a model file of a PyTorch state dict (.pth, .pt) or an ONNX file; nothing in it is run',
    )
    .argument(
      '<file>',
      'what torch.save(model.state_dict(), FILE) wrote, or a checkpoint with a state dict; or a network (.onnx)',
    )
    .requiredOption('-o, --output <file>', 'model file to write (.safetensors)')
    .option('--spec <file>', "JSON file with the network's spec")
    .option(
      '--network <name>',
      'a network by name, instead of --spec; with neither, a plain stack is guessed',
    )
    .option('--scale <factor>', 'factor on every hidden width, for networks by name', numberFlag)
    .option('--classes <n>', 'number of logits, for networks by name', integerFlag(2, LIMITS.size))
    .option(
      '--no-normalize',
      'for networks by name: no normalisation with the mean and deviation of CIFAR-10',
    )
    .option(
      '--input <shape>',
      'of a network that is guessed, shape of the images, such as 3,32,32',
      shapeFlag,
    )
    .option(
      '--keep <share>',
      "of HYDRA's checkpoints, the share of weights that is kept, such as 0.1",
      numberFlag,
    )
    .addOption(
      new Option('--type <type>', 'type of the weights in the model file')
        .choices(['float32', 'float64'])
        .default('float32'),
    )
    .option('--json', 'print JSON')
    .action(async (path: string, flags: Flags) => {
      requireNew(flags.output)
      if (path.endsWith('.onnx')) return importOnnxFile(path, flags)
      const chosen = await chooseSpec(flags)
      const { type, input, keep } = flags
      const { model, ...read } = await readTorchModel(path, chosen, {
        type,
        ...(input !== undefined && { input }),
        ...(keep !== undefined && { keep }),
      })
      const { spec, parameters } = model
      await writeModel(flags.output, { ...model, layout: fileLayout(spec) })
      const value = {
        ...(chosen === undefined && { spec }),
        file: path,
        output: flags.output,
        network: spec.name,
        parameters: parameters.length,
        type,
        ...read,
      }
      printResult(flags.json, value, () => asText(value))
    })

/** An ONNX file says which network it is. */
const importOnnxFile = async (path: string, flags: Flags): Promise<void> => {
  const { output, spec, network, scale, classes, input, keep, normalize, type, json } = flags
  if ([spec, network, scale, classes, input, keep].some((flag) => flag !== undefined) || !normalize) {
    throw invalid(
      '--spec, --network and what goes with them are for PyTorch files; an ONNX file says it itself',
    )
  }
  const { model, ...read } = await readOnnxModel(path, { type })
  await writeModel(output, { ...model, layout: fileLayout(model.spec) })
  const value = {
    file: path,
    output,
    network: model.spec.name,
    parameters: model.parameters.length,
    type,
    ...read,
  }
  printResult(json, value, () =>
    [
      `${value.network}: ${count(value.parameters)} parameters from ${path} (by ${printable(read.producer)}, ` +
        `operators of version ${read.opset}).`,
      `Written to ${output} as ${type}.`,
    ].join('\n'),
  )
}

const shapeFlag = (text: string): ImageShape => {
  const sizes = text.split(/[,x×]/).map(integerFlag(1, LIMITS.size))
  const [channels, height, width, ...more] = sizes
  if (channels !== undefined && height !== undefined && width !== undefined && more.length === 0) {
    return [channels, height, width]
  }
  throw new InvalidArgumentError('Expected three numbers: channels, height and width, such as 3,32,32.')
}

/** The network that the flags name; nothing where it is to be guessed. */
const chooseSpec = async (flags: Flags): Promise<NetworkSpec | undefined> => {
  const { spec, network, scale, classes, normalize } = flags
  if (spec !== undefined && network !== undefined) {
    throw invalid('say which network it is: either --spec FILE.json or --network NAME')
  }
  if (network !== undefined) {
    return networkSpec(network, {
      ...(scale !== undefined && { scale }),
      ...(classes !== undefined && { classes }),
      ...(!normalize && { normalize: false }),
    })
  }
  if (scale !== undefined || classes !== undefined || !normalize) {
    throw invalid('--scale, --classes and --no-normalize are for --network; a spec says these things itself')
  }
  return spec === undefined ? undefined : readSpec(spec)
}

type Value = Omit<TorchModel, 'model'> & {
  file: string
  output: string
  network: string
  parameters: number
  type: ParameterType
  /** Where it was guessed. */
  spec?: NetworkSpec
}

const asText = (value: Value): string => {
  const rows = value.tensors.map(({ name, type, shape, target }) => [
    printable(name),
    shape.join('×') || 'scalar',
    type,
    target ?? '(not needed)',
  ])
  const inside = value.place === '' ? '' : `, ${value.place}`
  const matched = value.matchedBy === 'name' ? 'by their names' : 'layer by layer, in the order of the file'
  return [
    table(['in the file', 'shape', 'type', 'in the network'], rows),
    '',
    `${value.network}: ${count(value.parameters)} parameters from ${value.file}${inside} (${value.format} format), ` +
      `matched ${matched}.`,
    `Written to ${value.output} as ${value.type}.`,
    ...(value.spec === undefined ? [] : ['', GUESSED, JSON.stringify(value.spec)]),
  ].join('\n')
}

const GUESSED =
  'The network is a guess: strides, padding, pooling and normalisation are not in the file. If the accuracy is not ' +
  'what it should be, save this spec, mend it, and import with --spec:'
