/** Networks that come with Coppice, trained on CIFAR-10, by name: files under results/models, each with its model card. */
import { existsSync, readdirSync } from 'node:fs'
import { basename, join } from 'node:path'
import type { Device } from '../../bindings/native.js'
import { invalid } from '../base/errors.js'
import { didYouMean, show } from '../base/numbers.js'
import { packageFolder } from '../base/version.js'
import { Network } from './network.js'

const FOLDER = join(packageFolder, 'results', 'models')
const EXTENSION = '.safetensors'

/** The names of the networks that come with Coppice: `cifarLarge-mixTrain-90`; `coppice models` says what each is. */
export const pretrainedNames = (): string[] =>
  existsSync(FOLDER)
    ? readdirSync(FOLDER)
        .filter((file) => file.endsWith(EXTENSION))
        .map((file) => basename(file, EXTENSION))
        .sort((a, b) => a.localeCompare(b, 'en', { numeric: true }))
    : []

/** The file of a network that comes with Coppice, and that of its card; undefined where there is none of that name. */
export const pretrainedFiles = (name: string): { model: string; card: string } | undefined =>
  pretrainedNames().includes(name)
    ? { model: join(FOLDER, `${name}${EXTENSION}`), card: join(FOLDER, `${name}.card.json`) }
    : undefined

/**
 * A trained network that comes with Coppice: `await pretrained('cifarLarge-mixTrain-90')`. What it was trained with, and
 * how accurate and robust it is, its card says, and `coppice models`.
 * @param options its device, by default `cpu`
 * @throws CoppiceError `ERR_INVALID_ARGUMENT` for a name that is none of `pretrainedNames()`, `ERR_DEVICE` for a missing
 * device
 */
export async function pretrained(name: string, options: { device?: Device } = {}): Promise<Network> {
  const files = pretrainedFiles(name)
  if (files !== undefined) return Network.load(files.model, options)
  const names = pretrainedNames()
  const hint = typeof name === 'string' ? didYouMean(name, names) : ''
  throw invalid(`pretrained: expected one of ${names.join(', ')}, received ${show(name)}${hint}`)
}
