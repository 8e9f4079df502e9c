/** What pruning left of each layer of a model file, read without its weights. */
import { CoppiceError } from '../base/errors.js'
import { showShape } from '../base/numbers.js'
import { readSafetensors } from '../files/safetensors.js'
import { parseSpec } from '../networks/parse.js'
import { elements, parameterTensors } from '../networks/tensors.js'

/** A layer with prunable weights. */
export interface LayerWeights {
  /** The node's name. */
  layer: string
  total: number
  remaining: number
}

/**
 * Counts the weights of each prunable layer of a model file, and those that its mask leaves.
 * @throws CoppiceError `ERR_FILE` where the file is missing, damaged, or no Coppice model
 */
export async function readLayerWeights(path: string): Promise<LayerWeights[]> {
  const file = await readSafetensors(path, () => (name) => name.endsWith('.mask'))
  const { spec } = file.metadata
  try {
    if (spec === undefined) throw new Error('its header holds no network spec')
    return parameterTensors(parseSpec(JSON.parse(spec)))
      .filter(({ prunable }) => prunable)
      .map(({ name, node, shape }) => {
        const total = elements(shape)
        const mask = file.tensors.get(`${name}.mask`)
        if (mask === undefined) return { layer: node, total, remaining: total }
        if (String(mask.shape) !== String(shape))
          throw new Error(`${name}.mask has the shape ${showShape(mask.shape)}, not ${showShape(shape)}`)
        let remaining = 0
        for (const bit of mask.data) if (Number(bit) !== 0) remaining++
        return { layer: node, total, remaining }
      })
  } catch (error) {
    throw new CoppiceError('ERR_FILE', `${path} is not a valid Coppice model: ${(error as Error).message}`, {
      cause: error,
    })
  }
}
