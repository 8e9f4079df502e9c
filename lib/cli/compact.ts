/** `coppice compact RUN|MODEL -o FILE`: writes a physically smaller model with the same logits. */
import { stat } from 'node:fs/promises'
import { Command } from 'commander'
import { CoppiceError } from '../base/errors.js'
import { hash32 } from '../base/hash.js'
import { loadNetwork, type Network } from '../models/network.js'
import { describeNetwork } from '../networks/describe.js'
import { count, table } from '../report/tables.js'
import { oneModel } from '../runs/models.js'
import { printResult, requireNew } from './output.js'

interface Flags {
  output: string
  checkpoint?: string
  json?: boolean
}

interface Size {
  parameters: number
  macs: number
  bytes: number
}

/** Images of the check, and the largest difference of logits, relative to the largest logit, that is only rounding. */
const IMAGES = 64
const TOLERANCE = 1e-5

export const compactCommand = (): Command =>
  new Command('compact')
    .description(
      'write a physically smaller model with the same logits: the filters that pruning emptied are gone',
    )
    .argument('<run|model>', 'model file, or run directory (with --checkpoint)')
    .requiredOption('-o, --output <file>', 'model file to write (.safetensors)')
    .option('--checkpoint <name>', 'of a run, which model')
    .option('--json', 'print JSON')
    .action(async (argument: string, flags: Flags) => {
      requireNew(flags.output)
      const { name, path } = await oneModel(argument, flags.checkpoint)
      const network = await loadNetwork(path)
      const smaller = await network.compact()
      const difference = await compareLogits(network, smaller)
      await smaller.save(flags.output)
      const before = await sizeOf(network, path)
      const after = await sizeOf(smaller, flags.output)
      const value = {
        model: name,
        output: flags.output,
        before,
        after,
        logitDifference: difference,
        images: IMAGES,
      }
      printResult(flags.json, value, () => asText(before, after, difference))
    })

/** Largest difference of logits over some images of noise, relative to the largest logit. */
const compareLogits = async (network: Network, smaller: Network): Promise<number> => {
  const pixels = network.spec.input.reduce((product, size) => product * size, IMAGES)
  const values = Array.from({ length: pixels }, (_, index) => hash32(index) / 2 ** 32)
  const images = network.type === 'float64' ? new Float64Array(values) : new Float32Array(values)
  const before = await network.logits(images)
  const after = await smaller.logits(images)
  let [largest, difference] = [0, 0]
  before.forEach((logit, index) => {
    largest = Math.max(largest, Math.abs(logit))
    difference = Math.max(difference, Math.abs(logit - (after[index] ?? Number.NaN)))
  })
  const relative = largest === 0 ? difference : difference / largest
  if (relative <= TOLERANCE) return relative
  throw new CoppiceError(
    'ERR_NATIVE',
    `the compacted network's logits differ by ${relative.toExponential(1)} relative, which is more than rounding; ` +
      'nothing was written',
  )
}

const sizeOf = async (network: Network, path: string): Promise<Size> => {
  const { parameters, macs } = describeNetwork(network.spec)
  return { parameters, macs, bytes: (await stat(path)).size }
}

const asText = (before: Size, after: Size, difference: number): string => {
  const row = (label: string, key: keyof Size) => [
    label,
    count(before[key]),
    count(after[key]),
    `${((100 * after[key]) / before[key]).toFixed(1)} %`,
  ]
  const rows = [row('parameters', 'parameters'), row('MACs an image', 'macs'), row('bytes', 'bytes')]
  const same = after.parameters === before.parameters
  return [
    table(['', 'before', 'after', ''], rows, [1, 2, 3]),
    '',
    `Logits of ${IMAGES} images agree within ${difference.toExponential(1)} relative.`,
    ...(same
      ? ['No channel was empty, so nothing could be removed; prune with structure: filter for that.']
      : []),
  ].join('\n')
}
