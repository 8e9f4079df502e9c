/** A model card: what an exported network is, what was measured of it, and how to load it; as data and as Markdown. */
import { existsSync } from 'node:fs'
import { basename, join } from 'node:path'
import { z } from 'zod'
import { describeAttack } from '../attacks/attack.js'
import { formatPixels } from '../base/numbers.js'
import { version } from '../base/version.js'
import type { Proportion } from '../base/wilson.js'
import { fileLayout, type Model } from '../models/modelFile.js'
import { describeNetwork, type NetworkDescription } from '../networks/describe.js'
import { describeObjective, type Objective, objectiveSchema } from '../objectives/index.js'
import { patternsOf } from '../pruning/patterns.js'
import { remainingMacs, remainingWeights, sparsity } from '../pruning/sparsity.js'
import type { Recipe } from '../recipes/recipe.js'
import { readFileAs } from '../runs/parseFile.js'
import { type ResultRow, type RunResult, readResult, rowSchema } from '../runs/result.js'
import { readRunRecipe } from '../runs/run.js'
import { count, formatProportion, percent, vraColumn } from './tables.js'

export interface ModelCard {
  name: string
  /** The file that it lies beside. */
  file: string
  coppice: string
  architecture: NetworkDescription
  /** Fraction of the prunable weights that is zero, and what is left. */
  sparsity: number
  weights: { total: number; remaining: number }
  macs: { total: number; remaining: number }
  /** The structures whose pattern the mask has. */
  patterns: string[]
  trainedWith?: Objective
  fineTunedWith?: Objective
  /** Of a model that a run kept: what was measured on its test images, and its whole recipe. */
  run?: Pick<RunResult, 'name' | 'identity' | 'seed' | 'data' | 'attack'> & { recipe: Recipe; row: ResultRow }
  /** Lines of code that load it. */
  load: string[]
}

/** What a list of models shows of a card. */
export interface CardSummary {
  sparsity: number
  trainedWith?: Objective
  fineTunedWith?: Objective
  run: { data: string; row: ResultRow }
}

const summarySchema: z.ZodType<CardSummary> = z.object({
  sparsity: z.number(),
  trainedWith: z.exactOptional(objectiveSchema),
  fineTunedWith: z.exactOptional(objectiveSchema),
  run: z.object({ data: z.string(), row: rowSchema }),
})

/** Reads the card of a measured model. @throws CoppiceError `ERR_FILE` where it is missing or damaged */
export const readCard = (path: string): Promise<CardSummary> => readFileAs(path, summarySchema)

/** What a run says of one of its models; nothing where it has no result yet. */
export const runFacts = async (path: string, name: string): Promise<ModelCard['run']> => {
  const file = join(path, 'result.json')
  if (!existsSync(file)) return undefined
  const { identity, seed, data, attack, rows, ...result } = await readResult(file)
  const row = rows.find((each) => each.name === name)
  if (row === undefined) return undefined
  return { name: result.name, identity, seed, data, attack, recipe: await readRunRecipe(path), row }
}

/** The card of a model as it was written to `file`. */
export const modelCard = (model: Model, file: string, load: string[], run?: ModelCard['run']): ModelCard => {
  const { spec, mask, history } = model
  const layout = fileLayout(spec).filter(({ arena }) => arena === 'parameters')
  const prunable = layout.filter((tensor) => tensor.prunable)
  const architecture = describeNetwork(spec)
  return {
    name: spec.name,
    file: basename(file),
    coppice: version,
    architecture,
    sparsity: sparsity(mask, layout),
    weights: {
      total: architecture.prunable,
      remaining: prunable.reduce((sum, tensor) => sum + remainingWeights(mask, tensor), 0),
    },
    macs: { total: architecture.macs, remaining: remainingMacs(spec, layout, mask) },
    patterns: patternsOf(spec, layout, mask),
    ...(history.objective && { trainedWith: history.objective }),
    ...(history.fineTunedWith && { fineTunedWith: history.fineTunedWith }),
    ...(run && { run }),
    load,
  }
}

/** The card for people. */
export const cardText = (card: ModelCard): string => {
  const { name, file, architecture, weights, macs, patterns, trainedWith, fineTunedWith, run, load } = card
  const facts: [string, string][] = [
    ['file', `\`${file}\``],
    ['input', `${architecture.input.join('×')}, pixels in [0,1]; normalisation is inside`],
    ['parameters', count(architecture.parameters)],
    [
      'weights that pruning left',
      `${count(weights.remaining)} of ${count(weights.total)} (sparsity ${percent(card.sparsity)})`,
    ],
    ['multiply-accumulates an image', `${count(macs.remaining)} of ${count(macs.total)}`],
    ...(patterns.length === 0 ? [] : [['pattern', patterns.join(', ')] satisfies [string, string]]),
    ...(trainedWith ? [['trained with', describeObjective(trainedWith)] satisfies [string, string]] : []),
    ...(fineTunedWith
      ? [['fine-tuned with', describeObjective(fineTunedWith)] satisfies [string, string]]
      : []),
  ]
  return [
    `# ${name}`,
    '',
    `Exported by Coppice ${card.coppice}.`,
    '',
    '| | |',
    '|---|---|',
    ...facts.map(([what, value]) => `| ${what} | ${value} |`),
    '',
    ...(run === undefined ? ['Nothing was measured of it: it does not come from a run.', ''] : measured(run)),
    '## Architecture',
    '',
    '| node | operation | output | parameters | MACs |',
    '|---|---|---|---|---|',
    ...architecture.nodes.map(
      ({ name: node, op, output, parameters, macs: own }) =>
        `| ${node} | ${op} | ${output.join('×')} | ${parameters === 0 ? '' : count(parameters)} | ${own === 0 ? '' : count(own)} |`,
    ),
    '',
    '## Loading it',
    '',
    '```',
    ...load,
    '```',
    '',
    ...(run === undefined
      ? []
      : ['## Recipe', '', '```json', JSON.stringify(run.recipe, null, 2), '```', '']),
  ].join('\n')
}

const measured = ({ name, seed, data, attack, row }: NonNullable<ModelCard['run']>): string[] => {
  const figures: [string, Proportion, number][] = [
    ['accuracy', row.accuracy, row.n],
    [`under attack (ERA: ${describeAttack(attack)})`, row.era, row.n],
    ...(row.verifications ?? []).map(({ verifier, epsilon, vra, n }): [string, Proportion, number] => [
      `proved (${vraColumn(verifier)}, ε = ${formatPixels(epsilon)})`,
      vra,
      n,
    ]),
  ]
  return [
    `Measured on test images by the run ${name}, which trained on ${data} (seed ${seed}); with 95 % intervals:`,
    '',
    '| | % | images |',
    '|---|---|---|',
    ...figures.map(([what, proportion, n]) => `| ${what} | ${formatProportion(proportion)} | ${count(n)} |`),
    '',
  ]
}
