/** A model tensor by tensor, and back: what formats read and write. */
import type { Floats, ParameterType, TensorLayout } from '../../bindings/native.js'
import { invalid } from '../base/errors.js'
import { showShape } from '../base/numbers.js'
import type { NetworkSpec } from '../networks/spec.js'
import { fileLayout, type Model } from './modelFile.js'

/** A tensor of a network with its values, row-major. */
export interface ModelTensor extends TensorLayout {
  values: Floats
}

/** The tensors of a model by name, parameters first. The values are views of the model's. */
export const tensorsOf = ({ spec, parameters, buffers }: Model): Map<string, ModelTensor> =>
  new Map(
    fileLayout(spec).map((tensor) => {
      const arena = tensor.arena === 'parameters' ? parameters : buffers
      const values = arena.subarray(tensor.offset, tensor.offset + tensor.size)
      return [tensor.name, { ...tensor, values }]
    }),
  )

/**
 * The model of a spec whose tensors have these values, by name; nothing of it is pruned.
 *
 * @throws CoppiceError where a tensor of the network is missing or has another size.
 */
export const modelOf = (
  spec: NetworkSpec,
  type: ParameterType,
  values: ReadonlyMap<string, ArrayLike<number>>,
): Model => {
  const layout = fileLayout(spec)
  const arena = (name: TensorLayout['arena']): Floats => {
    const mine = layout.filter((tensor) => tensor.arena === name)
    const length = mine.reduce((sum, { size }) => sum + size, 0)
    const flat = type === 'float64' ? new Float64Array(length) : new Float32Array(length)
    for (const tensor of mine) {
      const given = values.get(tensor.name)
      if (given?.length !== tensor.size) {
        const found = given === undefined ? 'is missing' : `has ${given.length} values`
        throw invalid(`tensor "${tensor.name}" of ${showShape(tensor.shape)} ${found}`)
      }
      flat.set(given, tensor.offset)
    }
    return flat
  }
  const parameters = arena('parameters')
  const mask = new Uint8Array(parameters.length).fill(1)
  return { spec, type, parameters, buffers: arena('buffers'), mask, history: {} }
}

/** The model with 0 in the place of every pruned weight, whatever its arrays had there. */
export const masked = (model: Model): Model => {
  const parameters = model.parameters.slice()
  for (let place = 0; place < model.mask.length; place++) if (model.mask[place] === 0) parameters[place] = 0
  return { ...model, parameters }
}
