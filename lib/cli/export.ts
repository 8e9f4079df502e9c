/** `coppice export RUN|MODEL -o FILE`: a network for other tools. */
import { stat } from 'node:fs/promises'
import { extname } from 'node:path'
import { Command } from 'commander'
import { invalid } from '../base/errors.js'
import { show } from '../base/numbers.js'
import { writeOnnx } from '../formats/onnx/export.js'
import { fileLayout, type Model, readModel } from '../models/modelFile.js'
import { compact } from '../pruning/compact.js'
import { sparsity } from '../pruning/sparsity.js'
import { count, percent } from '../report/tables.js'
import { oneModel } from '../runs/models.js'
import { printResult, requireNew } from './output.js'

interface Flags {
  output: string
  checkpoint?: string
  compact?: boolean
  fold?: boolean
  json?: boolean
}

export const exportCommand = (): Command =>
  new Command('export')
    .description('write a network for other tools: ONNX (.onnx)')
    .argument('<run|model>', 'model file, or run directory (with --checkpoint)')
    .requiredOption('-o, --output <file>', 'file to write; its ending says in which format')
    .option('--checkpoint <name>', 'of a run, which model')
    .option('--compact', 'without the channels that pruning emptied')
    .option('--fold', 'with batch norm as part of the convolutions before it')
    .option('--json', 'print JSON')
    .action(async (argument: string, flags: Flags) => {
      const write = writerFor(flags)
      requireNew(flags.output)
      const { path } = await oneModel(argument, flags.checkpoint)
      const model = flags.compact === true ? compacted(await readModel(path)) : await readModel(path)
      await write(model)
      const layout = fileLayout(model.spec)
      const value = {
        model: path,
        output: flags.output,
        network: model.spec.name,
        parameters: model.parameters.length,
        sparsity: sparsity(
          model.mask,
          layout.filter(({ arena }) => arena === 'parameters'),
        ),
        bytes: (await stat(flags.output)).size,
      }
      printResult(flags.json, value, () => asText(value))
    })

/** How the file is written whose ending the flags name. */
const writerFor = ({ output, fold }: Flags): ((model: Model) => Promise<void>) => {
  const ending = extname(output)
  if (ending !== '.onnx')
    throw invalid(`--output: expected a file that ends in .onnx, received ${show(output)}`)
  return (model) => writeOnnx(output, model, { batchNorm: fold === true ? 'folded' : 'kept' })
}

const compacted = (model: Model): Model => {
  const { spec, parameters, buffers, mask } = model
  return { ...model, ...compact(spec, fileLayout(spec), parameters, buffers, mask) }
}

const asText = (value: {
  network: string
  output: string
  parameters: number
  sparsity: number
  bytes: number
}): string =>
  `${value.network}: ${count(value.parameters)} parameters, ${percent(value.sparsity)} of the weights pruned, ` +
  `written to ${value.output} (${count(value.bytes)} bytes).`
