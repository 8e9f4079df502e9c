/** `coppice import FILE -o MODEL`: a model from a PyTorch state dict, without Python. */

import { existsSync } from 'node:fs'
import { Command, Option } from 'commander'
import type { ParameterType } from '../../bindings/native.js'
import { CoppiceError, invalid } from '../base/errors.js'
import { LIMITS } from '../base/limits.js'
import { readTorchModel, type TorchModel } from '../formats/torch/import.js'
import { printable } from '../formats/torch/match.js'
import { fileLayout, writeModel } from '../models/modelFile.js'
import { networkSpec } from '../networks/index.js'
import type { NetworkSpec } from '../networks/spec.js'
import { readSpec } from '../networks/specFile.js'
import { count, table } from '../report/tables.js'
import { integerFlag, numberFlag } from './flags.js'
import { printResult } from './output.js'

interface Flags {
  output: string
  spec?: string
  network?: string
  scale?: number
  classes?: number
  normalize: boolean
  type: ParameterType
  json?: boolean
}

export const importCommand = (): Command =>
  new Command('import')
    .description('make a model file of a PyTorch state dict (.pth, .pt); nothing in it is run')
    .argument('<file>', 'what torch.save(model.state_dict(), FILE) wrote, or a checkpoint with a state dict')
    .requiredOption('-o, --output <file>', 'model file to write (.safetensors)')
    .option('--spec <file>', "JSON file with the network's spec")
    .option('--network <name>', 'a network by name, instead of --spec')
    .option('--scale <factor>', 'factor on every hidden width, for networks by name', numberFlag)
    .option('--classes <n>', 'number of logits, for networks by name', integerFlag(2, LIMITS.size))
    .option(
      '--no-normalize',
      'for networks by name: no normalisation with the mean and deviation of CIFAR-10',
    )
    .addOption(
      new Option('--type <type>', 'type of the weights in the model file')
        .choices(['float32', 'float64'])
        .default('float32'),
    )
    .option('--json', 'print JSON')
    .action(async (path: string, flags: Flags) => {
      if (existsSync(flags.output)) {
        throw new CoppiceError('ERR_FILE', `${flags.output} exists already; choose another file with -o`)
      }
      const spec = await chooseSpec(flags)
      const { model, ...read } = await readTorchModel(path, spec, { type: flags.type })
      await writeModel(flags.output, { ...model, layout: fileLayout(spec) })
      const { parameters, type } = model
      const value = {
        file: path,
        output: flags.output,
        network: spec.name,
        parameters: parameters.length,
        type,
        ...read,
      }
      printResult(flags.json, value, () => asText(value))
    })

const chooseSpec = async (flags: Flags): Promise<NetworkSpec> => {
  const { spec, network, scale, classes, normalize } = flags
  if ((spec === undefined) === (network === undefined)) {
    throw invalid('say which network it is: either --spec FILE.json or --network NAME')
  }
  if (spec === undefined) {
    return networkSpec(network ?? '', {
      ...(scale !== undefined && { scale }),
      ...(classes !== undefined && { classes }),
      ...(!normalize && { normalize: false }),
    })
  }
  if (scale !== undefined || classes !== undefined || !normalize) {
    throw invalid('--scale, --classes and --no-normalize are for --network; a spec says these things itself')
  }
  return readSpec(spec)
}

type Value = Omit<TorchModel, 'model'> & {
  file: string
  output: string
  network: string
  parameters: number
  type: ParameterType
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
  ].join('\n')
}
