/** `coppice export RUN|MODEL -o FILE`: a network for other tools. */
import { stat } from 'node:fs/promises'
import { extname } from 'node:path'
import { Command } from 'commander'
import { invalid } from '../base/errors.js'
import { show } from '../base/numbers.js'
import { writeOnnx } from '../formats/onnx/export.js'
import { TORCH_ENDINGS, writeTorch } from '../formats/torch/export.js'
import { torchModule } from '../formats/torch/module.js'
import { foldBatchNorm } from '../models/fold.js'
import { fileLayout, type Model, readModel } from '../models/modelFile.js'
import { compact } from '../pruning/compact.js'
import { sparsity } from '../pruning/sparsity.js'
import { count, percent } from '../report/tables.js'
import { oneModel } from '../runs/models.js'
import { note, printResult, requireNew } from './output.js'

interface Flags {
  output?: string
  masks?: string
  pytorch?: boolean
  checkpoint?: string
  compact?: boolean
  fold?: boolean
  json?: boolean
}

export const exportCommand = (): Command =>
  new Command('export')
    .description('write a network for other tools: ONNX (.onnx), PyTorch (.pth, .pt, .safetensors)')
    .argument('<run|model>', 'model file, or run directory (with --checkpoint)')
    .option('-o, --output <file>', 'file to write; its ending says in which format')
    .option('--checkpoint <name>', 'of a run, which model')
    .option('--compact', 'without the channels that pruning emptied')
    .option('--fold', 'with batch norm as part of the convolutions before it')
    .option('--masks <file>', 'write the masks of pruned weights apart, to a .pth or .safetensors file')
    .option('--pytorch', 'print a Python module for PyTorch that loads the .pth or .safetensors file')
    .option('--json', 'print JSON')
    .action(async (argument: string, flags: Flags) => {
      const { output, masks, pytorch, json } = flags
      if (output === undefined && pytorch !== true) {
        throw invalid('say what to write: -o FILE, or --pytorch for the Python module that reads it')
      }
      const write = output === undefined ? undefined : writerFor(output, masks)
      for (const file of [output, masks]) if (file !== undefined) requireNew(file)
      const { path } = await oneModel(argument, flags.checkpoint)
      const model = prepared(await readModel(path), flags)
      await write?.(model)
      const layout = fileLayout(model.spec).filter(({ arena }) => arena === 'parameters')
      const value: Value = {
        model: path,
        network: model.spec.name,
        parameters: model.parameters.length,
        sparsity: sparsity(model.mask, layout),
        ...(output !== undefined && { output, bytes: (await stat(output)).size }),
        ...(masks !== undefined && { masks }),
        ...(pytorch === true && { module: torchModule(model.spec) }),
      }
      const text = asText(value)
      if (value.module !== undefined && json !== true) {
        if (output !== undefined) note(text)
        process.stdout.write(value.module)
      } else printResult(json, value, () => text)
    })

/** How the file is written, by its ending. */
const writerFor = (output: string, masks: string | undefined): ((model: Model) => Promise<void>) => {
  if (extname(output) === '.onnx') {
    if (masks === undefined) return (model) => writeOnnx(output, model)
    throw invalid('--masks is for files of PyTorch; in an ONNX file pruned weights are zeros')
  }
  if (TORCH_ENDINGS.includes(extname(output))) return (model) => writeTorch(output, model, masks)
  throw invalid(
    `--output: expected a file that ends in ${['.onnx', ...TORCH_ENDINGS].join(', ')}, received ${show(output)}`,
  )
}

const prepared = (model: Model, { compact, fold }: Flags): Model => {
  const small = compact === true ? compacted(model) : model
  return fold === true ? foldBatchNorm(small) : small
}

const compacted = (model: Model): Model => {
  const { spec, parameters, buffers, mask } = model
  return { ...model, ...compact(spec, fileLayout(spec), parameters, buffers, mask) }
}

interface Value {
  model: string
  network: string
  parameters: number
  sparsity: number
  output?: string
  bytes?: number
  masks?: string
  module?: string
}

const asText = ({ network, parameters, sparsity, output, bytes, masks }: Value): string =>
  `${network}: ${count(parameters)} parameters, ${percent(sparsity)} of the weights pruned, ` +
  `written to ${output} (${count(bytes ?? 0)} bytes)${masks === undefined ? '' : `, masks to ${masks}`}.`
