/** Networks from PyTorch's files, without Python: a state dict and a spec, named or guessed, become a network. */
import { basename } from 'node:path'
import { z } from 'zod'
import type { Device, Floats, ParameterType } from '../../../bindings/native.js'
import { optionsOf, pathOf } from '../../base/arguments.js'
import { LIMITS } from '../../base/limits.js'
import { show } from '../../base/numbers.js'
import { choice, integer, parse, positiveUpTo, strict } from '../../base/schemas.js'
import { fileLayout, type Model } from '../../models/modelFile.js'
import { Network } from '../../models/network.js'
import { masked } from '../../models/tensors.js'
import { networkSpec } from '../../networks/index.js'
import { parseSpec } from '../../networks/parse.js'
import type { ImageShape, NetworkSpec } from '../../networks/spec.js'
import { TorchFileError } from './error.js'
import { inFile, type NamedTensor, openTorchFile, type TorchFile } from './file.js'
import { type HydraParts, hydraParts, keptByScore, requireKept } from './hydra.js'
import { inferSpec } from './infer.js'
import { type Matching, matchTensors } from './match.js'
import type { TorchType } from './pickle.js'
import { copyValues } from './values.js'

export interface TorchModel {
  model: Model
  /** `zip`: PyTorch 1.6 and newer. `legacy`: before, or asked for. */
  format: TorchFile['format']
  /** Where in the file the state dict was, such as `state_dict[0]`; empty where it is all there is. */
  place: string
  /** How tensors were matched: all by their names, or layer by layer in the order of the file. */
  matchedBy: Matching['by']
  /** The state dict's tensors in the order of the file. */
  tensors: TorchModelTensor[]
}

export interface TorchModelTensor {
  /** In the file, without a prefix such as `module.` that all have. */
  name: string
  type: TorchType
  shape: number[]
  /**
   * Name of the network's tensor that it became, `<name>.mask` of scores; null for what is not needed, such as
   * `num_batches_tracked`.
   */
  target: string | null
}

export interface TorchReadOptions {
  /** Type of the weights; default `float32`. */
  type?: ParameterType
  /** Of a checkpoint of HYDRA: the share of weights that its scores keep in each layer, the `k` of its training. */
  keep?: number
  /** Where no spec is given: shape of the images, [channels, height, width]; default 32×32. */
  input?: ImageShape
}

/**
 * Reads a state dict that `torch.save` wrote as the weights and batch-norm statistics of a network. Both formats of
 * torch.save are read, whatever device the tensors were on, also inside a checkpoint (`{ state_dict: … }`) or a list, of
 * which the first state dict counts. Scores of HYDRA become a mask. Nothing in the file is run, and a file that holds
 * more than tensors and plain data is refused.
 *
 * @param spec the network: a spec, or the name of a known one. Its tensors are found by their names if all are in the
 * file; else layer by layer in the order of the file, by shape. Default: a guess, for plain stacks of layers, from
 * shapes and the places of `nn.Sequential`; what a file does not say (strides, padding, pooling) is what usually is,
 * and there is no normalisation. `model.spec` is the guess: look at it, and at the accuracy.
 * @throws CoppiceError `ERR_FILE` for a file that cannot be read, does not fit the network, or has values that are not
 * finite; `ERR_INVALID_ARGUMENT` for a wrong spec.
 */
export const readTorchModel = async (
  path: string,
  spec?: NetworkSpec | string,
  options: TorchReadOptions = {},
): Promise<TorchModel> => {
  const { type, keep, input } = parse(optionsSchema, optionsOf(options, 'readTorchModel'), 'readTorchModel')
  const given =
    typeof spec === 'string' ? networkSpec(spec) : spec === undefined ? undefined : parseSpec(spec)
  const file = await openTorchFile(pathOf(path, 'readTorchModel'))
  return inFile(path, () => {
    const { network, scores } = hydraParts(file.tensors)
    if (keep !== undefined && scores.size === 0) {
      throw new TorchFileError("it has no scores of HYDRA's; leave --keep out")
    }
    const parsed = given ?? inferSpec(network, nameOf(path), input)
    const layout = fileLayout(parsed)
    const { by, pairs } = matchTensors(network, layout, parsed.name)
    const targets = new Map(pairs.map(({ target, source }) => [source.name, target.name]))
    const masks = scoredPairs(pairs, scores)
    for (const { target, source } of masks) targets.set(source.name, `${target.name}.mask`)
    const filled = fill(file, pairs, type)
    for (const { target, source } of masks) {
      const found = new Float64Array(target.size)
      requireFiniteCopy(file, source, found, 0, type)
      filled.mask.set(keptByScore(found, requireKept(keep)), target.offset)
    }
    return {
      model: masked({ spec: parsed, type, ...filled, history: {} }),
      format: file.format,
      place: file.place,
      matchedBy: by,
      tensors: file.tensors.map(({ name, tensor }) => ({
        name,
        type: tensor.type,
        shape: tensor.shape,
        target: targets.get(name) ?? null,
      })),
    }
  })
}

const size = integer(1, LIMITS.size)

const optionsSchema = strict({
  type: choice(['float32', 'float64']).default('float32'),
  keep: positiveUpTo(1).optional(),
  input: z.tuple([size, size, size], 'expected [channels, height, width]').optional(),
})

/** A guessed network is called as its file is. */
const nameOf = (path: string): string =>
  basename(path)
    .replace(/\.[^.]*$/, '')
    .replace(/[\p{Cc}]/gu, '')
    .slice(0, LIMITS.name) || 'network'

/** The weights that have scores. */
const scoredPairs = (pairs: Matching['pairs'], scores: HydraParts['scores']): Matching['pairs'] =>
  pairs.flatMap(({ target, source }) => {
    const found = scores.get(source.name)
    if (found === undefined) return []
    if (found.tensor.shape.join() === source.tensor.shape.join()) return [{ target, source: found }]
    throw new TorchFileError(
      `its scores ${show(found.name)} have another shape than the weights they are for`,
    )
  })

/**
 * The network that a PyTorch file and a spec describe, on a device; see `readTorchModel`.
 *
 * @throws CoppiceError as `readTorchModel` does, and `ERR_DEVICE` for a device that isn't there.
 */
export const importTorch = async (
  path: string,
  spec?: NetworkSpec | string,
  options: TorchReadOptions & { device?: Device } = {},
): Promise<Network> => {
  const { device = 'cpu', ...rest } = optionsOf(options, 'importTorch')
  return Network.from((await readTorchModel(path, spec, rest)).model, { device })
}

const fill = (
  file: TorchFile,
  pairs: Matching['pairs'],
  type: ParameterType,
): { parameters: Floats; buffers: Floats; mask: Uint8Array } => {
  const arena = (name: 'parameters' | 'buffers'): Floats => {
    const mine = pairs.filter(({ target }) => target.arena === name)
    const length = mine.reduce((sum, { target }) => sum + target.size, 0)
    const values = type === 'float64' ? new Float64Array(length) : new Float32Array(length)
    for (const { target, source } of mine) requireFiniteCopy(file, source, values, target.offset, type)
    return values
  }
  const parameters = arena('parameters')
  return { parameters, buffers: arena('buffers'), mask: new Uint8Array(parameters.length).fill(1) }
}

const requireFiniteCopy = (
  file: TorchFile,
  { name, tensor }: NamedTensor,
  values: Floats,
  offset: number,
  type: ParameterType,
): void => {
  const bad = copyValues(tensor, file.bytes(tensor.storage), values, offset)
  if (bad < 0) return
  throw new TorchFileError(`its tensor ${show(name)} is NaN or infinite as ${type}, at value ${bad}`)
}
