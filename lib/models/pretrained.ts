/** Trained networks that come with Coppice, by name: files under results/models, each with its model card. */
import { existsSync, readdirSync } from 'node:fs'
import { basename, join } from 'node:path'
import type { Device } from '../../bindings/native.js'
import { invalid } from '../base/errors.js'
import { didYouMean, show } from '../base/numbers.js'
import { packageFolder } from '../base/version.js'
import { Network } from './network.js'

export interface PretrainedModel {
  name: string
  /** Of the model file. */
  path: string
  /** Of its model card, as JSON. */
  card: string
}

const FOLDER = join(packageFolder, 'results', 'models')
const EXTENSION = '.safetensors'

/** Those that are there: the npm package leaves the largest out. */
export const pretrainedModels = (): PretrainedModel[] =>
  (existsSync(FOLDER) ? readdirSync(FOLDER) : [])
    .filter((file) => file.endsWith(EXTENSION))
    .map((file) => basename(file, EXTENSION))
    .sort((a, b) => a.localeCompare(b, 'en', { numeric: true }))
    .map((name) => ({
      name,
      path: join(FOLDER, `${name}${EXTENSION}`),
      card: join(FOLDER, `${name}.card.json`),
    }))

/** The names that `pretrained` takes; `coppice models` says what each is. */
export const pretrainedNames = (): string[] => pretrainedModels().map(({ name }) => name)

/** The one of that name, if there is one. */
export const pretrainedModel = (name: string): PretrainedModel | undefined =>
  pretrainedModels().find((model) => model.name === name)

/**
 * A trained network that comes with Coppice: `await pretrained('cifarLarge-mixTrain-90')`. It takes pixels in [0,1] of
 * n×3×32×32, as CIFAR-10 has them. How it was trained, and how accurate and robust it is, say its card and
 * `coppice models`.
 * @param options its device, by default `cpu`
 * @throws CoppiceError `ERR_INVALID_ARGUMENT` for a name that is none of `pretrainedNames()`, `ERR_FILE` for a damaged
 * file, `ERR_DEVICE` for a missing device
 */
export async function pretrained(name: string, options: { device?: Device } = {}): Promise<Network> {
  const model = pretrainedModel(name)
  if (model !== undefined) return Network.load(model.path, options)
  const names = pretrainedNames()
  const hint = typeof name === 'string' ? didYouMean(name, names) : ''
  throw invalid(`pretrained: expected one of ${names.join(', ')}, received ${show(name)}${hint}`)
}
