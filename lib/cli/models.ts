/** `coppice models`: the trained networks that come with Coppice. */
import { stat } from 'node:fs/promises'
import { Command } from 'commander'
import { pretrainedModels } from '../models/pretrained.js'
import { describeObjective, type Objective } from '../objectives/index.js'
import { type CardSummary, readCard } from '../report/card.js'
import { count, formatProportion, percent, table } from '../report/tables.js'
import { printResult } from './output.js'

interface Listed extends CardSummary {
  name: string
  path: string
  bytes: number
}

const EXAMPLES = `
A name goes wherever a model file does; what is written beside a model file then goes to the
working directory.

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
      const models = await Promise.all(
        pretrainedModels().map(
          async ({ name, path, card }): Promise<Listed> => ({
            ...(await readCard(card)),
            ...{ name, path, bytes: (await stat(path)).size },
          }),
        ),
      )
      printResult(json, models, () => asText(models))
    })

const asText = (models: readonly Listed[]): string => {
  const head = ['name', 'trained with', 'fine-tuned with', 'sparsity', 'MiB']
  const rows = models.map(({ name, trainedWith, fineTunedWith, sparsity, bytes, run: { row } }) => [
    ...[name, objectiveText(trainedWith), objectiveText(fineTunedWith), percent(sparsity)],
    ...[
      (bytes / 2 ** 20).toFixed(2),
      formatProportion(row.accuracy),
      formatProportion(row.era),
      count(row.n),
    ],
    ...(row.vra === undefined ? ['', ''] : [formatProportion(row.vra), count(row.vra.n)]),
  ])
  return [
    table([...head, 'benign %', 'ERA %', 'n', 'VRA %', 'n'], rows, [3, 4, 7, 9]),
    '',
    '95 % intervals; data, attack and recipe are in the card beside each file.',
  ].join('\n')
}

const objectiveText = (objective: Objective | undefined): string =>
  objective === undefined ? '' : describeObjective(objective)
