/** `coppice models`: the trained networks that come with Coppice. */
import { stat } from 'node:fs/promises'
import { Command } from 'commander'
import { pretrainedFiles, pretrainedNames } from '../models/published.js'
import { describeObjective } from '../objectives/index.js'
import { type CardSummary, readCard } from '../report/card.js'
import { formatProportion, percent, table } from '../report/tables.js'
import { printResult } from './output.js'

interface Listed extends CardSummary {
  path: string
  bytes: number
}

const EXAMPLES = `
A name goes wherever a model file does.

Examples:
  coppice models
  coppice describe cifarLarge-mixTrain-90
  coppice verify cifarLarge-mixTrain-90 --data cifar-10-batches-bin --epsilon 2/255 --images 100`

export const modelsCommand = (): Command =>
  new Command('models')
    .description('trained networks that come with Coppice, by name')
    .option('--json', 'print JSON')
    .addHelpText('after', EXAMPLES)
    .action(async ({ json }: { json?: boolean }) => {
      const models: (Listed & { name: string })[] = []
      for (const name of pretrainedNames()) {
        const files = pretrainedFiles(name)
        if (files === undefined) continue
        const { size } = await stat(files.model)
        models.push({ ...(await readCard(files.card)), name, path: files.model, bytes: size })
      }
      printResult(json, models, () => asText(models))
    })

const asText = (models: readonly (Listed & { name: string })[]): string => {
  const head = ['name', 'trained with', 'fine-tuned with', 'sparsity', 'MiB', 'benign %', 'ERA %', 'VRA %']
  const rows = models.map(({ name, trainedWith, fineTunedWith, sparsity, bytes, run: { row } }) => [
    name,
    trainedWith ? describeObjective(trainedWith) : '',
    fineTunedWith ? describeObjective(fineTunedWith) : '',
    percent(sparsity),
    (bytes / 2 ** 20).toFixed(2),
    formatProportion(row.accuracy),
    formatProportion(row.era),
    row.vra ? formatProportion(row.vra) : '',
  ])
  return [
    table(head, rows, [4]),
    '',
    '95 % intervals; images, attack and recipe are in the card beside each file.',
  ].join('\n')
}
