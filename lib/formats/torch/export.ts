/** Networks as PyTorch's state dicts, as torch.save writes them or as safetensors. */
import { extname } from 'node:path'
import { optionsOf, pathOf } from '../../base/arguments.js'
import { invalid } from '../../base/errors.js'
import { show } from '../../base/numbers.js'
import { replaceFile } from '../../files/replaceFile.js'
import { writeSafetensors } from '../../files/safetensors.js'
import type { Model } from '../../models/modelFile.js'
import { type Network, requireNetwork } from '../../models/network.js'
import { masked, tensorsOf } from '../../models/tensors.js'
import { type SavedTensor, torchArchive } from './archive.js'

const SAFETENSORS = '.safetensors'

/** Endings of the files that can be written. */
export const TORCH_ENDINGS: readonly string[] = ['.pth', '.pt', SAFETENSORS]

export interface TorchExportOptions {
  /** Where the masks go, `<name>` → uint8 of 0 and 1, of every tensor with pruned weights; default: nowhere. */
  masks?: string
}

/**
 * Writes the state dict of a network, atomically: as `torch.save` does (`.pth`, `.pt`) or as safetensors. The names are
 * those here, `num_batches_tracked` included, so that `load_state_dict` is content with the module that `torchModule`
 * writes; weights have the same bits, and are 0 where they are pruned.
 *
 * @throws CoppiceError `ERR_INVALID_ARGUMENT` for another ending, `ERR_FILE` where the file system refuses.
 */
export const exportTorch = async (
  network: Network,
  path: string,
  options: TorchExportOptions = {},
): Promise<void> => {
  const { masks } = optionsOf(options, 'exportTorch')
  const state = await requireNetwork(network, 'exportTorch').read()
  await writeTorch(
    pathOf(path, 'exportTorch'),
    state,
    masks === undefined ? undefined : pathOf(masks, 'masks'),
  )
}

/** As `exportTorch`, of a model as plain data. */
export const writeTorch = async (path: string, model: Model, masks?: string): Promise<void> => {
  const writers = [writerFor(path), ...(masks === undefined ? [] : [writerFor(masks)])]
  await writers[0]?.(stateDict(model))
  await writers[1]?.(masksOf(model))
}

const stateDict = (model: Model): SavedTensor[] =>
  [...tensorsOf(masked(model)).values()].flatMap(({ name, node, kind, shape, values }): SavedTensor[] => [
    { name, shape, data: values },
    ...(kind === 'runningVariance'
      ? [{ name: `${node}.num_batches_tracked`, shape: [], data: BigInt64Array.of(0n) }]
      : []),
  ])

const masksOf = (model: Model): SavedTensor[] =>
  [...tensorsOf(model).values()].flatMap(({ name, arena, shape, offset, size }) => {
    const mask = arena === 'parameters' ? model.mask.slice(offset, offset + size) : undefined
    return mask?.includes(0) ? [{ name, shape, data: mask }] : []
  })

const writerFor = (path: string): ((tensors: readonly SavedTensor[]) => Promise<void>) => {
  const ending = extname(path)
  if (ending !== SAFETENSORS && TORCH_ENDINGS.includes(ending)) {
    return (tensors) => replaceFile(path, (file) => file.writeFile(torchArchive(tensors)))
  }
  if (ending === SAFETENSORS) {
    return (tensors) =>
      writeSafetensors(path, {
        metadata: { format: 'pt' },
        tensors: tensors.map(({ name, shape, data }) => ({
          name,
          shape: [...shape],
          data,
          dtype: typeOf(data),
        })),
      })
  }
  throw invalid(`expected a file that ends in ${TORCH_ENDINGS.join(', ')}, received ${show(path)}`)
}

const typeOf = (data: SavedTensor['data']) => {
  if (data instanceof Float32Array) return 'F32'
  if (data instanceof Float64Array) return 'F64'
  return data instanceof BigInt64Array ? 'I64' : 'U8'
}
