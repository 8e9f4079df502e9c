/** What a recipe leaves open is decided here, once the data and the network are known; and what identifies a run. */
import { resolve as absolute } from 'node:path'
import { type Attack, pgd } from '../attacks/attack.js'
import { invalid } from '../base/errors.js'
import { hashOf } from '../base/json.js'
import type { Augment } from '../data/index.js'
import type { DataSplits } from '../data/load.js'
import { withAbsoluteFiles } from '../data/sets.js'
import type { TrainingHistory } from '../models/state.js'
import { networkSpec } from '../networks/index.js'
import type { Normalization } from '../networks/options.js'
import { parseSpec } from '../networks/parse.js'
import { classCount } from '../networks/shapes.js'
import type { ImageShape, NetworkSpec } from '../networks/spec.js'
import { readSpec } from '../networks/specFile.js'
import { natural, type Objective, sameObjective } from '../objectives/index.js'
import { attackOf, epsilonToProve, provenEpsilon } from '../objectives/target.js'
import { defaultOptimiser, resolveRamp } from '../training/defaults.js'
import { type OptimiserChoice, withOptimiser } from '../training/optimiser.js'
import { defaultSchedule, type LearningRateSchedule, type Ramp } from '../training/schedules.js'
import { requirePrecision, requireRates } from '../training/settings.js'
import { PAPERS_METHOD, verifier } from '../verification/index.js'
import type { Recipe } from './recipe.js'

type Filled<T, Keys extends keyof T> = Omit<T, Keys> & { [Key in Keys]-?: NonNullable<T[Key]> }

/** A recipe with nothing left to default. Itself a recipe: run again, it is the same run. */
export interface ResolvedRecipe extends Omit<Filled<Recipe, 'name'>, 'pretrain' | 'prune' | 'evaluate'> {
  pretrain: Filled<
    Omit<Recipe['pretrain'], 'optimiser' | 'schedule'>,
    'objective' | 'epochs' | 'learningRate' | 'precision' | 'augment' | keyof Ramp
  > &
    OptimiserChoice & { schedule: LearningRateSchedule }
  prune?: Filled<NonNullable<Recipe['prune']>, 'optimiser' | 'batchSize' | 'precision' | 'augment'>
  evaluate: Omit<Filled<Recipe['evaluate'], 'attack' | 'images'>, 'verify'> & { verify?: VerifyPlan }
}

/** How each network of a run is verified. */
export type VerifyPlan = Filled<NonNullable<Recipe['evaluate']['verify']>, 'epsilon' | 'images'>

/** What the recipe is to be resolved for. */
export interface Surroundings {
  shape: ImageShape
  classes: number
  trainImages: number
  testImages: number
  /** The augmentation that suits the data set. */
  augment: Augment
  /** How networks by name normalise the images. */
  normalize: Readonly<Normalization> | false
  /** The model that `pretrain.from` names. */
  model?: { spec: NetworkSpec; history: TrainingHistory }
}

/** What follows from a recipe and its data, without a network being made. */
export interface Determined {
  resolved: ResolvedRecipe
  spec: NetworkSpec
  identity: string
  /** Hash of what determines the dense network. */
  pretraining: string
  fingerprints: { train: string; validation: string; test: string }
}

/** `model` is the one that `pretrain.from` names, with the hash of its file. */
export async function determine(
  recipe: Recipe,
  { train, validation, test }: DataSplits,
  model?: NonNullable<Surroundings['model']> & { hash: string },
): Promise<Determined> {
  const { shape, classes, augment, normalize } = train
  const surroundings: Surroundings = {
    ...{ shape, classes, augment, normalize },
    ...{ trainImages: train.length, testImages: test.length },
    ...(model && { model }),
  }
  const spec = await resolveNetwork(recipe, surroundings)
  const resolved = resolveRecipe(recipe, spec, surroundings)
  const fingerprints = {
    train: train.fingerprint,
    validation: validation.fingerprint,
    test: test.fingerprint,
  }
  const contents = { ...fingerprints, ...(model && { model: model.hash }) }
  const identity = identityOf(resolved, spec, contents)
  return { resolved, spec, identity, pretraining: pretrainingOf(resolved, spec, contents), fingerprints }
}

/** Turns relative paths into absolute ones, so that a run can be resumed from anywhere. */
export const withAbsolutePaths = (recipe: Recipe): Recipe => {
  const { data, network, pretrain } = recipe
  return {
    ...recipe,
    data: withAbsoluteFiles(data),
    network: network.file === undefined ? network : { ...network, file: absolute(network.file) },
    pretrain: pretrain.from === undefined ? pretrain : { ...pretrain, from: absolute(pretrain.from) },
  }
}

/** Fills in what depends on data and network. */
export function resolveRecipe(
  recipe: Recipe,
  spec: NetworkSpec,
  { trainImages, testImages, augment, model }: Surroundings,
): ResolvedRecipe {
  const { pretrain, prune, evaluate, network } = recipe
  const { verify: written, ...evaluation } = evaluate
  const objective = pretrain.objective ?? model?.history.objective ?? natural()
  const epochs = pretrain.epochs ?? (pretrain.from === undefined ? 100 : 0)
  const own = withOptimiser(defaultOptimiser(spec), pretrain.optimiser)
  const steps = Math.ceil(trainImages / pretrain.batchSize)
  const ramp = resolveRamp(pretrain, objective, spec, { epochs, steps })
  const training = {
    optimiser: own.optimiser,
    batchSize: pretrain.batchSize,
    precision: pretrain.precision ?? 'fp32',
    augment: pretrain.augment ?? augment,
  }
  const images = evaluate.images ?? testImages
  if (images > testImages) {
    throw invalid(`recipe.evaluate.images: ${images} are asked for, but there are ${testImages} test images`)
  }
  const attack = evaluate.attack ?? attackOf(objective) ?? pgd()
  const verify = resolveVerify(written, objective, attack, images)
  const type = training.precision === 'fp64' ? 'float64' : 'float32'
  requirePrecision(prune?.precision, type, 'recipe.prune')
  if (type === 'float32') requirePrecision(evaluate.precision, type, 'recipe.evaluate')
  const learningRate = pretrain.learningRate ?? own.learningRate
  const schedule = pretrain.schedule ?? defaultSchedule(epochs, ramp)
  requireRates(learningRate, schedule, 'recipe.pretrain')
  const { prune: _, ...rest } = recipe
  return {
    ...rest,
    name: recipe.name ?? spec.name,
    network: network.file === undefined ? network : { spec },
    pretrain: {
      ...pretrain,
      ...training,
      objective,
      epochs,
      learningRate,
      schedule,
      ...ramp,
    },
    ...(prune && {
      prune: {
        ...prune,
        optimiser: prune.optimiser ?? training.optimiser,
        batchSize: prune.batchSize ?? training.batchSize,
        precision: prune.precision ?? training.precision,
        augment: prune.augment ?? training.augment,
        averaging: prune.averaging ?? pretrain.averaging,
        labelSmoothing: prune.labelSmoothing ?? pretrain.labelSmoothing,
      },
    }),
    evaluate: { ...evaluation, images, attack, ...(verify && { verify }) },
  }
}

/** Networks trained on bounds are verified by `symbolic` unless the recipe says otherwise. */
const resolveVerify = (
  written: Recipe['evaluate']['verify'],
  objective: Objective,
  attack: Attack,
  evaluated: number,
): VerifyPlan | undefined => {
  if (written === undefined && provenEpsilon(objective) === undefined) return undefined
  const { verifiers = [verifier(PAPERS_METHOD)], images = evaluated } = written ?? {}
  const epsilon = epsilonToProve({ epsilon: written?.epsilon, objective, attack }) ?? attack.epsilon
  if (images > evaluated) {
    throw invalid(
      `recipe.evaluate.verify.images: ${images} are asked for, but only ${evaluated} are evaluated`,
    )
  }
  return { verifiers, epsilon, images }
}

/** The network that a recipe names, for these images. */
export async function resolveNetwork(recipe: Recipe, surroundings: Surroundings): Promise<NetworkSpec> {
  const { network } = recipe
  const given = (['name', 'file', 'spec'] as const).filter((key) => network[key] !== undefined)
  if (given.length > 1) throw invalid(`recipe.network: give only one of ${given.join(', ')}`)
  const spec = await namedOrGiven(recipe, surroundings)
  if (spec.input.join() !== surroundings.shape.join()) {
    throw invalid(
      `recipe.network: "${spec.name}" takes images of ${spec.input.join('×')}, but the data set has ` +
        `${surroundings.shape.join('×')}`,
    )
  }
  if (classCount(spec) < surroundings.classes) {
    throw invalid(
      `recipe.network: "${spec.name}" has ${classCount(spec)} logits, but the data set has ` +
        `${surroundings.classes} classes`,
    )
  }
  return spec
}

const namedOrGiven = async (
  recipe: Recipe,
  { shape, classes, normalize, model }: Surroundings,
): Promise<NetworkSpec> => {
  const { name, file, spec, ...options } = recipe.network
  if (name === undefined) {
    const [option] = Object.keys(options)
    if (option !== undefined) throw invalid(`recipe.network.${option}: is only for networks given by name`)
    if (file !== undefined) return readSpec(file)
    if (spec !== undefined) return parseSpec(spec)
    if (model !== undefined) return model.spec
    throw invalid('recipe.network: name a network, such as vgg16')
  }
  const own = { input: shape, classes, normalize: normalize && structuredClone(normalize) }
  return networkSpec(name, { ...own, ...withoutUndefined(options) })
}

const withoutUndefined = <T extends object>(value: T): { [Key in keyof T]?: NonNullable<T[Key]> } =>
  Object.fromEntries(Object.entries(value).filter(([, inner]) => inner !== undefined)) as {
    [Key in keyof T]?: NonNullable<T[Key]>
  }

/** One way of fine-tuning after pre-training: a branch of the run. */
export interface Branch {
  name: string
  /** None: prune without fine-tuning. */
  objective?: Objective
  /** Whether the objective is that of pre-training. */
  matched: boolean
}

/** The branches of a recipe, with names of their own. */
export const branchesOf = ({ finetune, pretrain }: ResolvedRecipe): Branch[] => {
  const names = new Map<string, number>()
  return finetune.map((choice) => {
    const name = typeof choice === 'string' ? choice : choice.kind
    const count = (names.get(name) ?? 0) + 1
    names.set(name, count)
    const unique = count === 1 ? name : `${name}${count}`
    if (choice === 'none') return { name: unique, matched: false }
    const objective = choice === 'matched' ? pretrain.objective : choice === 'natural' ? natural() : choice
    return { name: unique, objective, matched: sameObjective(objective, pretrain.objective) }
  })
}

/**
 * Hash of what determines a run: the resolved recipe, the network, and the content of the data and of the model it
 * starts from. Where it runs (device, threads, memory, versions, paths) is left out; that is in environment.json.
 */
export const identityOf = (
  { seed, pretrain, prune, finetune, evaluate }: ResolvedRecipe,
  spec: NetworkSpec,
  contents: { train: string; validation: string; test: string; model?: string },
): string => {
  const { verify, ...evaluation } = evaluate
  const verifiers = verify?.verifiers.map(({ memory: _, ...settings }) => settings)
  const measured = { ...evaluation, ...(verify && { verify: { ...verify, verifiers } }) }
  const essence = {
    seed,
    pretrain: trainingOf(pretrain),
    prune,
    finetune,
    evaluate: measured,
    spec,
    contents,
  }
  return hashOf(essence).slice(0, 16)
}

/** Hash of what determines the dense network of a run: runs that agree in it train the same one. */
const pretrainingOf = (
  { seed, pretrain }: ResolvedRecipe,
  spec: NetworkSpec,
  { train, model }: { train: string; model?: string },
): string => hashOf({ seed, pretrain: trainingOf(pretrain), spec, contents: { train, model } }).slice(0, 16)

const trainingOf = ({ from: _, naturalEpochs, rampPower, ...training }: ResolvedRecipe['pretrain']) => ({
  ...training,
  // What is as it always was has the same hash as before it could be chosen.
  ...(naturalEpochs !== 0 && { naturalEpochs }),
  ...(rampPower !== 1 && { rampPower }),
})
