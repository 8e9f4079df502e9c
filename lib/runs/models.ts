/** What `RUN|MODEL` on a command line stands for: one model file, one that comes with Coppice, or those of a run. */

import { existsSync, statSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import type { Device } from '../../bindings/native.js'
import { CoppiceError, invalid } from '../base/errors.js'
import { didYouMean } from '../base/numbers.js'
import type { Dataset } from '../data/index.js'
import { loadData } from '../data/load.js'
import { imagesArgument, testImages } from '../data/named.js'
import { pretrainedModel, pretrainedModels, pretrainedNames } from '../models/pretrained.js'
import { isRun, readRunRecipe } from './run.js'

export interface ModelFile {
  name: string
  path: string
}

const EXTENSION = '.safetensors'

/**
 * The model files that an argument names: a file itself, or one that comes with Coppice; of a run, those of the wanted `names`, or all it kept, the
 * dense one first.
 */
export async function modelFiles(argument: string, names: readonly string[] = []): Promise<ModelFile[]> {
  if (!existsSync(argument)) return [named(argument, names)]
  if (!statSync(argument).isDirectory()) {
    if (names.length > 0) throw invalid(`--checkpoint: ${argument} is a model file, not a run`)
    return [{ name: basename(argument, EXTENSION), path: argument }]
  }
  if (!isRun(argument)) {
    throw new CoppiceError('ERR_FILE', `${argument} is neither a model file nor a run: it has no recipe.json`)
  }
  const folder = join(argument, 'checkpoints')
  const kept = (await readdir(folder))
    .filter((file) => file.endsWith(EXTENSION))
    .map((file) => basename(file, EXTENSION))
    .filter((name) => name !== 'latest')
    .sort((a, b) => order(a) - order(b) || a.localeCompare(b, 'en', { numeric: true }))
  if (kept.length === 0) throw new CoppiceError('ERR_FILE', `${argument} has no finished model yet`)
  const unknown = names.find((name) => !kept.includes(name))
  if (unknown !== undefined) {
    throw invalid(`--checkpoint ${unknown}: ${argument} has ${kept.join(', ')}${didYouMean(unknown, kept)}`)
  }
  return (names.length > 0 ? names : kept).map((name) => ({
    name,
    path: join(folder, `${name}${EXTENSION}`),
  }))
}

/** Where there is no such file, the name of a model that comes with Coppice. */
const named = (name: string, names: readonly string[]): ModelFile => {
  const model = pretrainedModel(name)
  if (model === undefined) {
    const hint = didYouMean(name, pretrainedNames())
    throw new CoppiceError('ERR_FILE', `${name}: there is no such model or run${hint}`)
  }
  if (names.length > 0) throw invalid(`--checkpoint: ${name} is one model, not a run`)
  return model
}

/** The one model that an argument names; of a run, the one that `checkpoint` names, or its only pruned one. */
export const oneModel = async (argument: string, checkpoint: string | undefined): Promise<ModelFile> => {
  const files = await modelFiles(argument, checkpoint === undefined ? [] : [checkpoint])
  const pruned = files.filter(({ name }) => files.length === 1 || name !== 'dense')
  const [only, ...others] = pruned
  if (only !== undefined && others.length === 0) return only
  throw invalid(
    `--checkpoint: choose one of the models of ${argument}: ${files.map(({ name }) => name).join(', ')}`,
  )
}

/** The run that an argument is, or that a model file lies in. */
export const runOf = (argument: string): string | undefined => {
  if (isRun(argument)) return argument
  const above = dirname(dirname(argument))
  return basename(dirname(argument)) === 'checkpoints' && isRun(above) ? above : undefined
}

/**
 * The folder for what is found of a model image by image: of a run's model `kind` in the run, else the model's own; of
 * one that comes with Coppice the working directory, since the package is not the user's to write to.
 */
export const outcomeFolder = (path: string, kind: 'evaluation' | 'verification'): string => {
  const run = runOf(path)
  if (run !== undefined) return join(run, kind)
  return pretrainedModels().some((model) => model.path === path) ? '.' : dirname(path)
}

/** The images that `--data` names, else the test images of the run. */
export async function imagesFor(
  argument: string,
  { data, device }: { data?: string; device: Device },
): Promise<Dataset> {
  if (data !== undefined) return testImages(data, device)
  const run = runOf(argument)
  if (run === undefined) {
    throw invalid(`--data: name the images to use ${argument} on: ${imagesArgument}`)
  }
  return (await loadData((await readRunRecipe(run)).data, device)).test
}

const order = (name: string): number => (name === 'dense' ? 0 : 1)
