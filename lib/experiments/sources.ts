/**
 * The networks that experiments look at, as recipes: a dense one by what it is and how it is trained, a pruned one
 * besides by how it is pruned and fine-tuned. Whoever asks for the same network gets the same recipe, and so the same run.
 */
import { invalid } from '../base/errors.js'
import { natural, sameObjective } from '../objectives/index.js'
import type { PaperNetwork } from '../papers/sehwag2019.js'
import { parseRecipe, type Recipe } from '../recipes/recipe.js'
import { setValue } from '../recipes/recipeFile.js'
import type { Setting, Source } from './experiment.js'
import { attackAt, epsilonOf, objectiveAt, type TrainedWith } from './scale.js'

/** A network before pruning. */
export interface Training {
  readonly network: PaperNetwork
  readonly with: TrainedWith
  /** Part of its filters that it has: of networks from scratch. Default all. */
  readonly filters?: number
  /** Default: those of the scale. */
  readonly epochs?: number
}

/** What is fine-tuned with after each pruning step: nothing, an objective, or MixTrain with another k. */
export type Tuning = 'none' | TrainedWith | { readonly k: number }

export interface Pruning {
  readonly structure: 'unstructured' | 'filter'
  readonly tuning: Tuning
  /** Sparsity at which the network is looked at. */
  readonly at: number
  /** Sparsities of its trajectory; default: those of the scale. */
  readonly points?: readonly number[]
}

/** DENSE of compression: the row of a run's network before pruning. */
const DENSE = 'dense'

export const trained = (setting: Setting, training: Training): Source => {
  const { network, filters = 1, epochs } = training
  const label = [
    nameOf(setting, network),
    training.with,
    ...(filters < 1 ? [`${percent(filters)}filters`] : []),
    ...(epochs === undefined ? [] : [`${epochs}epochs`]),
  ]
  return { label: label.join(','), recipe: trainingRecipe(setting, training), row: DENSE }
}

export const pruned = (setting: Setting, training: Training, pruning: Pruning): Source => {
  const { scale, readings } = setting
  const { structure, tuning, at, points = scale.points } = pruning
  const base = trained(setting, training)
  const settings = scale.networks[training.network].prune
  const apart = readings.points === 'runs'
  if (!apart && !points.includes(at)) {
    throw invalid(`${base.label}: ${at} is no point of its trajectory (${points.join(', ')})`)
  }
  const sparsity = apart ? at : Math.max(...points)
  const finetune = finetuneOf(setting, training, tuning)
  const recipe = recipeOf(setting, {
    ...base.recipe,
    prune: {
      ...settings,
      // Each point is the end of a step.
      steps: Math.max(settings.steps, points.length),
      structure,
      sparsity,
      scope: readings.scope,
      schedule: readings.schedule,
      milestones: apart ? [] : points.filter((point) => point < sparsity),
    },
    finetune: [finetune],
  })
  const word = typeof tuning === 'object' ? `k${tuning.k}` : tuning
  const target = apart || points !== scale.points ? [percent(sparsity)] : []
  return {
    label: [base.label, structure, word, ...target].join(','),
    recipe,
    row: `${typeof finetune === 'string' ? finetune : finetune.kind}-${percent(at)}`,
    training: base,
  }
}

/** A dense network that is trained on without pruning for so many epochs. */
export const trainedOn = (
  setting: Setting,
  training: Training,
  tuning: TrainedWith,
  epochs: number,
): Source => {
  const base = trained(setting, training)
  const { learningRate } = setting.scale.networks[training.network].prune
  const finetune = finetuneOf(setting, training, tuning)
  return {
    label: [base.label, tuning, `${epochs}epochs`].join(','),
    recipe: recipeOf(setting, {
      ...base.recipe,
      prune: { sparsity: 0, steps: 1, epochsPerStep: epochs, learningRate },
      finetune: [finetune],
    }),
    row: `${typeof finetune === 'string' ? finetune : finetune.kind}-0`,
    training: base,
  }
}

/** A recipe with the changes of the setting. */
const recipeOf = ({ changes }: Setting, written: Record<string, unknown>): Recipe =>
  parseRecipe(
    changes
      .filter((change) => 'prune' in written || !/^(prune|finetune)\b/.test(change))
      .reduce(setValue, written),
  )

const percent = (fraction: number): string => `${Number((100 * fraction).toFixed(6))}`

/** As a recipe names a network, and runs are called. */
const nameOf = ({ readings }: Setting, network: PaperNetwork): string =>
  network === 'wideResNet' ? `wideResNet-${readings.wideResNet}` : network

const trainingRecipe = (setting: Setting, training: Training): Recipe => {
  const { scale, readings, shared } = setting
  const { network, filters = 1 } = training
  const { width, pretrain, proofs, train: most = scale.train } = scale.networks[network]
  const epochs = training.epochs ?? readings.epochs
  const images = readings.images ?? scale.images
  const { train, ...data } = shared.data
  const own = train ?? most
  return recipeOf(setting, {
    ...shared,
    data: { ...data, ...(own !== undefined && { train: own }) },
    network: { name: nameOf(setting, network), scale: width * filters },
    pretrain: {
      ...lengthened(pretrain[training.with], epochs),
      objective: objectiveAt(scale, readings, network, training.with),
    },
    evaluate: {
      attack: attackAt(network),
      ...(images !== undefined && { images }),
      verify:
        proofs === undefined
          ? 'none'
          : {
              verifiers: proofs.verifier,
              epsilon: epsilonOf(network),
              images: Math.min(proofs.images, images ?? proofs.images),
            },
    },
  })
}

type Pretrain = Setting['scale']['networks'][PaperNetwork]['pretrain'][TrainedWith]

/** Other epochs stretch the start of ε with them. */
const lengthened = (pretrain: Pretrain, epochs: number | undefined): Pretrain => {
  const { naturalEpochs, rampEpochs, epochs: own } = pretrain
  if (epochs === undefined || own === undefined) return pretrain
  const stretched = (part: unknown) => (typeof part === 'number' ? (part * epochs) / own : undefined)
  return { ...pretrain, epochs, naturalEpochs: stretched(naturalEpochs), rampEpochs: stretched(rampEpochs) }
}

/** In the words of a recipe: the objective of pre-training is `matched`. */
const finetuneOf = ({ scale, readings }: Setting, training: Training, tuning: Tuning) => {
  if (tuning === 'none') return tuning
  const { network } = training
  const own = objectiveAt(scale, readings, network, training.with)
  const objective =
    typeof tuning === 'object'
      ? objectiveAt(scale, readings, network, 'mixTrain', tuning.k)
      : objectiveAt(scale, readings, network, tuning)
  if (sameObjective(own, objective)) return 'matched'
  return sameObjective(objective, natural()) ? 'natural' : objective
}
