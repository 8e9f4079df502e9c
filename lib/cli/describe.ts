/** `coppice describe NETWORK|MODEL`: parameters and multiply-accumulates, node by node. */

import { existsSync } from 'node:fs'
import { Command } from 'commander'
import { CoppiceError } from '../base/errors.js'
import { LIMITS } from '../base/limits.js'
import { fileLayout, readModel } from '../models/modelFile.js'
import { pretrainedModel } from '../models/pretrained.js'
import { describeNetwork, type NetworkDescription } from '../networks/describe.js'
import { networkSpec } from '../networks/index.js'
import { readSpec } from '../networks/specFile.js'
import { describeObjective } from '../objectives/index.js'
import { patternsOf } from '../pruning/patterns.js'
import { remainingMacs, remainingWeights, sparsity } from '../pruning/sparsity.js'
import { count, percent, table } from '../report/tables.js'
import { integerFlag, numberFlag } from './flags.js'
import { printResult } from './output.js'

interface Flags {
  scale?: number
  classes?: number
  json?: boolean
}

/** What is known of a model beyond its spec. */
interface Described extends NetworkDescription {
  /** Of a model file: fraction of prunable weights that are zero, and what is left. */
  sparsity?: number
  remainingMacs?: number
  remaining?: Record<string, number>
  /** The structures whose pattern the mask has. */
  patterns?: string[]
  trainedWith?: string
  fineTunedWith?: string
}

export const describeCommand = (): Command =>
  new Command('describe')
    .description('parameters and multiply-accumulates (MACs) of a network, node by node')
    .argument(
      '<network|model>',
      'name of a network or of a trained one (coppice models), model file, or JSON file with a spec',
    )
    .option('--scale <factor>', 'factor on every hidden width, for networks by name', numberFlag)
    .option('--classes <n>', 'number of logits, for networks by name', integerFlag(2, LIMITS.size))
    .option('--json', 'print JSON')
    .action(async (argument: string, { json, ...options }: Flags) => {
      const described = await describeArgument(argument, options)
      printResult(json, described, () => asText(described))
    })

const describeArgument = async (argument: string, options: Omit<Flags, 'json'>): Promise<Described> => {
  if (argument.endsWith('.safetensors')) return describeModel(argument)
  if (argument.endsWith('.json')) return describeNetwork(await readSpec(argument))
  if (existsSync(argument)) {
    throw new CoppiceError(
      'ERR_FILE',
      `${argument} is neither a model file (.safetensors) nor a spec (.json)`,
    )
  }
  const model = pretrainedModel(argument)
  return model === undefined ? describeNetwork(networkSpec(argument, options)) : describeModel(model.path)
}

const describeModel = async (path: string): Promise<Described> => {
  const { spec, mask, history } = await readModel(path)
  const layout = fileLayout(spec).filter((tensor) => tensor.arena === 'parameters')
  const prunable = layout.filter((tensor) => tensor.prunable)
  return {
    ...describeNetwork(spec),
    sparsity: sparsity(mask, layout),
    remainingMacs: remainingMacs(spec, layout, mask),
    remaining: Object.fromEntries(prunable.map((tensor) => [tensor.node, remainingWeights(mask, tensor)])),
    patterns: patternsOf(spec, layout, mask),
    ...(history.objective && { trainedWith: describeObjective(history.objective) }),
    ...(history.fineTunedWith && { fineTunedWith: describeObjective(history.fineTunedWith) }),
  }
}

const asText = (described: Described): string => {
  const { nodes, remaining } = described
  const head = ['node', 'operation', 'output', 'parameters', 'MACs', ...(remaining ? ['weights left'] : [])]
  const rows = nodes.map(({ name, op, output, parameters, macs }) => [
    name,
    op,
    output.join('×'),
    parameters === 0 ? '' : count(parameters),
    macs === 0 ? '' : count(macs),
    ...(remaining ? [remaining[name] === undefined ? '' : count(remaining[name])] : []),
  ])
  const { trainedWith, fineTunedWith, patterns = [] } = described
  return [
    table(head, rows, [3, 4, 5]),
    '',
    `${described.name}: ${count(described.parameters)} parameters, ${count(described.macs)} MACs an image of ` +
      `${described.input.join('×')}; ${count(described.prunable)} weights can be pruned.`,
    ...(described.sparsity === undefined
      ? []
      : [`Sparsity ${percent(described.sparsity)}; ${count(described.remainingMacs ?? 0)} MACs are left.`]),
    ...(patterns.length === 0 ? [] : [`Pruned in the pattern ${patterns.join(', ')}.`]),
    ...(trainedWith === undefined ? [] : [`Trained with ${trainedWith}.`]),
    ...(fineTunedWith === undefined ? [] : [`Fine-tuned with ${fineTunedWith}.`]),
  ].join('\n')
}
