/** `coppice export RUN|MODEL -o FILE`: a network for other tools. */
import { stat } from 'node:fs/promises'
import { basename, extname, join, relative } from 'node:path'
import { Command } from 'commander'
import { invalid } from '../base/errors.js'
import { LIMITS } from '../base/limits.js'
import { show } from '../base/numbers.js'
import { imagesArgument } from '../data/named.js'
import { makeFolder } from '../files/files.js'
import { writeJson } from '../files/json.js'
import { replaceFile } from '../files/replaceFile.js'
import { writeOnnx } from '../formats/onnx/export.js'
import { TORCH_ENDINGS, writeTorch } from '../formats/torch/export.js'
import { torchModule } from '../formats/torch/module.js'
import { vnnlibProperty } from '../formats/vnnlib/write.js'
import { foldBatchNorm } from '../models/fold.js'
import { fileLayout, type Model, readModel } from '../models/modelFile.js'
import { classCount } from '../networks/shapes.js'
import { compact } from '../pruning/compact.js'
import { sparsity } from '../pruning/sparsity.js'
import { cardText, modelCard, runFacts } from '../report/card.js'
import { count, percent } from '../report/tables.js'
import { imagesFor, oneModel, runOf } from '../runs/models.js'
import { integerFlag, pixelsFlag } from './flags.js'
import { note, printResult, requireNew } from './output.js'

interface Flags {
  output?: string
  masks?: string
  pytorch?: boolean
  card: boolean
  properties?: string
  data?: string
  images: number
  epsilon?: number
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
    .option('--no-card', 'no model card (.card.md and .card.json) beside the file')
    .option(
      '--properties <folder>',
      'beside an ONNX file: robustness of test images in VNN-LIB, for other verifiers',
    )
    .option(
      '--epsilon <eps>',
      'of the properties, half the side of the box, in [0,1] pixels, such as 2/255',
      pixelsFlag,
    )
    .option('--images <n>', 'of the properties, the first n test images', integerFlag(1, LIMITS.images), 10)
    .option('--data <set>', imagesArgument)
    .option('--json', 'print JSON')
    .action(async (argument: string, flags: Flags) => {
      const { output, masks, pytorch, json } = flags
      if (output === undefined && pytorch !== true) {
        throw invalid('say what to write: -o FILE, or --pytorch for the Python module that reads it')
      }
      const write = output === undefined ? undefined : writerFor(output, masks)
      const cards = output !== undefined && flags.card ? cardFiles(output) : []
      const properties = propertiesFor(flags)
      for (const file of [output, masks, flags.properties, ...cards]) if (file !== undefined) requireNew(file)
      const { name, path } = await oneModel(argument, flags.checkpoint)
      const model = prepared(await readModel(path), flags)
      await write?.(model)
      await properties?.(argument, model)
      if (output !== undefined && flags.card) await writeCard(output, model, argument, name)
      const layout = fileLayout(model.spec).filter(({ arena }) => arena === 'parameters')
      const value: Value = {
        model: path,
        network: model.spec.name,
        parameters: model.parameters.length,
        sparsity: sparsity(model.mask, layout),
        ...(output !== undefined && { output, bytes: (await stat(output)).size }),
        ...(masks !== undefined && { masks }),
        ...(cards.length > 0 && { cards }),
        ...(flags.properties !== undefined && { properties: flags.properties }),
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

/** The two files of the card beside a file. */
const cardFiles = (output: string): [markdown: string, json: string] => [
  `${output}.card.md`,
  `${output}.card.json`,
]

const writeCard = async (output: string, model: Model, argument: string, name: string): Promise<void> => {
  const run = runOf(argument)
  const facts = run === undefined ? undefined : await runFacts(run, name)
  const card = modelCard(model, output, loading(output), facts)
  const [markdown, json] = cardFiles(output)
  await replaceFile(markdown, (file) => file.writeFile(cardText(card)))
  await writeJson(json, card)
}

/** How the file is loaded. */
const loading = (output: string): string[] => {
  const file = JSON.stringify(basename(output))
  if (extname(output) === '.onnx') {
    return [
      'import onnxruntime',
      `logits, = onnxruntime.InferenceSession(${file}).run(['logits'], {'image': pixels})`,
    ]
  }
  const read =
    extname(output) === '.safetensors' ? `safetensors.torch.load_file(${file})` : `torch.load(${file})`
  return [
    '# network.py is what `coppice export --pytorch` prints',
    'from network import Network',
    'net = Network()',
    `net.load_state_dict(${read})`,
    'net.eval()',
    'logits = net(pixels)',
  ]
}

/** Writes the properties that the flags ask for. */
const propertiesFor = (flags: Flags): ((argument: string, model: Model) => Promise<void>) | undefined => {
  const { output = '', properties: folder, epsilon, images: wanted } = flags
  if (folder === undefined) {
    if (epsilon === undefined && flags.data === undefined) return undefined
    throw invalid('--epsilon and --data are for --properties FOLDER')
  }
  if (extname(output) !== '.onnx') throw invalid('--properties go with an ONNX file: -o FILE.onnx')
  if (epsilon === undefined) throw invalid('--properties: say how large the box is, such as --epsilon 2/255')
  return async (argument, { spec }) => {
    const images = await imagesFor(argument, { ...flags, device: 'cpu' })
    const chosen = images.take(Math.min(wanted, images.length))
    const classes = classCount(spec)
    if (chosen.shape.join() !== spec.input.join()) {
      throw invalid(
        `--data: ${spec.name} reads images of ${spec.input.join('×')}, these are ${chosen.shape.join('×')}`,
      )
    }
    await makeFolder(folder)
    const names: string[] = []
    for (const [place, label] of chosen.labels.entries()) {
      const name = `image-${String(place).padStart(5, '0')}.vnnlib`
      const text = vnnlibProperty(chosen.pixels(place, place + 1), { epsilon, label, classes })
      await replaceFile(join(folder, name), (file) => file.writeFile(text))
      names.push(name)
    }
    // Model, property and seconds, as the verification competitions list them.
    const model = relative(folder, output)
    const list = names.map((name) => `${model},${name},${TIMEOUT}\n`).join('')
    await replaceFile(join(folder, 'instances.csv'), (file) => file.writeFile(list))
  }
}

/** Seconds an image that instances.csv allows. */
const TIMEOUT = 300

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
  cards?: string[]
  properties?: string
  module?: string
}

const asText = ({ network, parameters, sparsity, output, bytes, masks, cards, properties }: Value): string =>
  `${network}: ${count(parameters)} parameters, ${percent(sparsity)} of the weights pruned, ` +
  `written to ${output} (${count(bytes ?? 0)} bytes)${masks === undefined ? '' : `, masks to ${masks}`}` +
  `${properties === undefined ? '' : `, properties to ${properties}`}` +
  `${cards === undefined ? '' : `; ${cards[0]} says what it is`}.`
