/** Networks from PyTorch's files, without Python: a state dict and a spec become a network. */

import type { Device, Floats, ParameterType } from '../../../bindings/native.js'
import { optionsOf, pathOf } from '../../base/arguments.js'
import { invalid } from '../../base/errors.js'
import { show } from '../../base/numbers.js'
import { fileLayout, type Model } from '../../models/modelFile.js'
import { Network } from '../../models/network.js'
import { networkSpec } from '../../networks/index.js'
import { parseSpec } from '../../networks/parse.js'
import type { NetworkSpec } from '../../networks/spec.js'
import { TorchFileError } from './error.js'
import { inFile, openTorchFile, type TorchFile } from './file.js'
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
  /** Name of the network's tensor that it became; null for whole numbers such as `num_batches_tracked`. */
  target: string | null
}

/**
 * Reads a state dict that `torch.save` wrote as the weights and batch-norm statistics of a network: as float32, or as
 * float64 where `type` says so. Both formats of torch.save are read, whatever device the tensors were on, also inside a
 * checkpoint (`{ state_dict: … }`) or a list, of which the first state dict counts. Nothing in the file is run, and a
 * file that holds more than tensors and plain data is refused.
 *
 * @param spec the network: a spec, or the name of a known one. Its tensors are found by their names if all are in the
 * file; else layer by layer in the order of the file, by shape.
 * @throws CoppiceError `ERR_FILE` for a file that cannot be read, does not fit the network, or has values that are not
 * finite; `ERR_INVALID_ARGUMENT` for a wrong spec.
 */
export const readTorchModel = async (
  path: string,
  spec: NetworkSpec | string,
  options: { type?: ParameterType } = {},
): Promise<TorchModel> => {
  const { type = 'float32' } = optionsOf(options, 'readTorchModel')
  if (type !== 'float32' && type !== 'float64') {
    throw invalid(`type: expected float32 or float64, received ${show(type)}`)
  }
  const parsed = typeof spec === 'string' ? networkSpec(spec) : parseSpec(spec)
  const file = await openTorchFile(pathOf(path, 'readTorchModel'))
  return inFile(path, () => {
    const layout = fileLayout(parsed)
    const { by, pairs } = matchTensors(file.tensors, layout, parsed.name)
    const targets = new Map(pairs.map(({ target, source }) => [source.name, target.name]))
    return {
      model: { spec: parsed, type, ...fill(file, pairs, type), history: {} },
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

/**
 * The network that a PyTorch file and a spec describe, on a device; see `readTorchModel`.
 *
 * @throws CoppiceError as `readTorchModel` does, and `ERR_DEVICE` for a device that isn't there.
 */
export const importTorch = async (
  path: string,
  spec: NetworkSpec | string,
  options: { device?: Device; type?: ParameterType } = {},
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
    for (const { target, source } of mine) {
      const { tensor } = source
      const bad = copyValues(tensor, file.bytes(tensor.storage), values, target.offset)
      if (bad >= 0) {
        throw new TorchFileError(
          `its tensor ${show(source.name)} is NaN or infinite as ${type}, at value ${bad}`,
        )
      }
    }
    return values
  }
  const parameters = arena('parameters')
  return { parameters, buffers: arena('buffers'), mask: new Uint8Array(parameters.length).fill(1) }
}
