/**
 * Opens files of torch.save: the zip archives of PyTorch 1.6 and newer, and the older format, a row of pickles followed
 * by the storages. Nothing in a file is run. (torch/serialization.py)
 */
import { CoppiceError } from '../../base/errors.js'
import { show } from '../../base/numbers.js'
import { PickleError, type PickleValue, readPickleWith } from '../../files/pickle.js'
import { LONGEST_FILE, withFile } from '../../files/read.js'
import { ArchiveError, openArchive } from '../../files/zip.js'
import { TorchFileError } from './error.js'
import { type TorchStorage, TorchTensor, torchRules } from './pickle.js'

export interface NamedTensor {
  name: string
  tensor: TorchTensor
}

/** The bytes of a storage. */
export interface StorageBytes {
  view: DataView
  littleEndian: boolean
}

export interface TorchFile {
  format: 'zip' | 'legacy'
  /** Where in the file the state dict was, such as `state_dict[0]`; empty where it is all there is. */
  place: string
  /** The state dict's tensors in the order of the file, without the prefixes that wrappers give all of them. */
  tensors: NamedTensor[]
  /** A storage's bytes, as they lie in the file. */
  bytes(storage: TorchStorage): StorageBytes
}

/** Longest pickle, in bytes: some hundred bytes a tensor are usual. */
const LONGEST_PICKLE = 64 * 2 ** 20

const MAGIC = Buffer.from('80028a0a6cfc9c46f9206aa850192e', 'hex')
const LEGACY_VERSION = 1001

/**
 * Reads the file at `path` whole and finds the state dict in it.
 *
 * @throws CoppiceError `ERR_FILE` for a file that is missing, truncated or corrupt, or that holds anything but tensors
 * and plain data.
 */
export const openTorchFile = async (path: string): Promise<TorchFile> => {
  const bytes = await readWhole(path)
  return inFile(path, () => {
    const { format, value, storage } = parse(bytes)
    const found = findStateDict(value, '', 0)
    if (found === undefined) throw new TorchFileError('it holds no state dict (names with tensors)')
    const cache = new Map<string, StorageBytes>()
    return {
      format,
      place: found.place,
      tensors: withoutWrappers(found.tensors),
      bytes: (wanted) => {
        const known = cache.get(wanted.key) ?? inFile(path, () => storage(wanted))
        cache.set(wanted.key, known)
        return known
      },
    }
  })
}

/** Runs `work`; what is wrong with the file becomes an error that names it. */
export const inFile = <T>(path: string, work: () => T): T => {
  try {
    return work()
  } catch (error) {
    if (error instanceof PickleError || error instanceof TorchFileError || error instanceof ArchiveError) {
      throw new CoppiceError('ERR_FILE', `${path} cannot be imported: ${error.message}`, { cause: error })
    }
    if (error instanceof RangeError) {
      throw new CoppiceError('ERR_FILE', `${path} cannot be imported: it does not fit the memory`, {
        cause: error,
      })
    }
    throw error
  }
}

/** The whole file, once its first bytes are those of torch.save. */
const readWhole = (path: string): Promise<Buffer> =>
  withFile(path, LONGEST_FILE, async ({ size, readInto }) => {
    const start = Buffer.alloc(Math.min(size, MAGIC.length))
    await readInto(start, 0)
    inFile(path, () => requireMagic(start))
    const bytes = Buffer.allocUnsafeSlow(size)
    await readInto(bytes, 0)
    return bytes
  })

interface Parsed {
  format: TorchFile['format']
  value: PickleValue
  storage: (storage: TorchStorage) => StorageBytes
}

const isZip = (bytes: Buffer): boolean => bytes.subarray(0, 4).equals(Buffer.from('PK\x03\x04', 'latin1'))

const requireMagic = (start: Buffer): void => {
  if (start.length === 0) throw new TorchFileError('it is empty')
  if (isZip(start) || start.equals(MAGIC)) return
  if (MAGIC.subarray(0, start.length).equals(start)) throw new TorchFileError('it is truncated')
  throw new TorchFileError('it is not a file that torch.save wrote')
}

const parse = (bytes: Buffer): Parsed => (isZip(bytes) ? parseZip(bytes) : parseLegacy(bytes))

/** An archive: `<name>/data.pkl`, the storages `<name>/data/<key>`, and `<name>/byteorder` since PyTorch 2.1. */
const parseZip = (bytes: Buffer): Parsed => {
  const archive = openArchive(bytes)
  const [pickle, ...more] = archive.names.filter((name) => /^[^/]*\/data\.pkl$/.test(name))
  if (pickle === undefined || more.length > 0) {
    throw new TorchFileError('it is an archive, but not one that torch.save wrote: it has no data.pkl')
  }
  const folder = pickle.slice(0, -'data.pkl'.length)
  const order = Buffer.from(archive.read(`${folder}byteorder`, 16) ?? []).toString('latin1')
  if (!['', 'little', 'big'].includes(order)) throw new TorchFileError('its byte order is unknown')
  const program = archive.read(pickle, LONGEST_PICKLE) ?? new Uint8Array()
  const { value } = readPickleWith(program, torchRules(new Map()))
  const storage = ({ key, element, length }: TorchStorage): StorageBytes => {
    const part = archive.read(`${folder}data/${key}`, length * element.bytes)
    if (part === undefined) throw new TorchFileError(`it lacks the storage ${show(key)}`)
    if (part.length !== length * element.bytes) {
      throw new TorchFileError(
        `its storage ${show(key)} has ${part.length} bytes where ${length * element.bytes} are stated`,
      )
    }
    return { view: viewOf(part), littleEndian: order !== 'big' }
  }
  return { format: 'zip', value, storage }
}

/**
 * Five pickles (magic number, version, facts about the writing machine, the object, keys of storages), then for each
 * key the number of elements (int64) and the elements. All is little-endian, whatever the writing machine was.
 */
const parseLegacy = (bytes: Buffer): Parsed => {
  const storages = new Map<string, TorchStorage>()
  let at = MAGIC.length
  const next = (): PickleValue => {
    const rest = bytes.subarray(at, at + LONGEST_PICKLE)
    const { value, length } = readPickleWith(rest, torchRules(storages))
    at += length
    return value
  }
  const protocol = next()
  if (protocol !== LEGACY_VERSION) throw new TorchFileError('its format has an unknown version')
  next()
  const value = next()
  const keys = next()
  if (!Array.isArray(keys)) throw new TorchFileError('its list of storages is broken')
  const places = new Map<PickleValue, DataView>()
  for (const key of keys) {
    const storage = typeof key === 'string' ? storages.get(key) : undefined
    if (storage === undefined || places.has(key)) throw new TorchFileError('its list of storages is broken')
    const size = storage.length * storage.element.bytes
    if (at + 8 + size > bytes.length) {
      throw new TorchFileError('it is truncated: it ends before all of its storages')
    }
    if (bytes.readBigInt64LE(at) !== BigInt(storage.length)) {
      throw new TorchFileError(`the length of its storage ${show(key)} is not the one stated before`)
    }
    places.set(key, viewOf(bytes.subarray(at + 8, at + 8 + size)))
    at += 8 + size
  }
  const storage = ({ key }: TorchStorage): StorageBytes => {
    const view = places.get(key)
    if (view === undefined) throw new TorchFileError(`it lacks the storage ${show(key)}`)
    return { view, littleEndian: true }
  }
  return { format: 'legacy', value, storage }
}

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)

interface StateDict {
  place: string
  tensors: NamedTensor[]
}

/** Keys under which training scripts keep the state dict, and how far inside each other. */
const WRAPPERS = ['state_dict', 'model_state_dict', 'model', 'net']
const DEEPEST = 4

/** The state dict itself, or the one that a checkpoint wraps; of a list, its first. */
const findStateDict = (value: PickleValue, place: string, depth: number): StateDict | undefined => {
  if (depth > DEEPEST) return undefined
  if (Array.isArray(value)) {
    for (const [index, item] of value.slice(0, 16).entries()) {
      if (item instanceof TorchTensor) continue
      const found = findStateDict(item, `${place}[${index}]`, depth + 1)
      if (found !== undefined) return found
    }
    return undefined
  }
  if (!(value instanceof Map)) return undefined
  for (const key of WRAPPERS) {
    const inner = value.get(key)
    if (!Array.isArray(inner) && !(inner instanceof Map)) continue
    const found = findStateDict(inner, place === '' ? key : `${place}.${key}`, depth + 1)
    if (found !== undefined) return found
  }
  const tensors = [...value].flatMap(([name, tensor]) =>
    typeof name === 'string' && tensor instanceof TorchTensor ? [{ name, tensor }] : [],
  )
  return tensors.length === 0 ? undefined : { place, tensors }
}

/** DataParallel and torch.compile put a prefix before every name. */
const withoutWrappers = (tensors: NamedTensor[]): NamedTensor[] =>
  ['_orig_mod.', 'module.', '_orig_mod.'].reduce(
    (rest, prefix) =>
      rest.every(({ name }) => name.startsWith(prefix))
        ? rest.map(({ name, tensor }) => ({ name: name.slice(prefix.length), tensor }))
        : rest,
    tensors,
  )
