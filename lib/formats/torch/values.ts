/** The numbers of a tensor in a PyTorch file, row-major whatever its strides, as float32 or float64. */
import type { Floats } from '../../../bindings/native.js'
import type { StorageBytes } from './file.js'
import type { TorchTensor, TorchType } from './pickle.js'

type Read = (view: DataView, at: number, littleEndian: boolean) => number

/** The types that weights can have. */
const READERS: Partial<Record<TorchType, Read>> = {
  float32: (view, at, little) => view.getFloat32(at, little),
  float64: (view, at, little) => view.getFloat64(at, little),
  float16: (view, at, little) => half(view.getUint16(at, little)),
  bfloat16: (view, at, little) => brainFloat(view.getUint16(at, little)),
}

export const isFloating = (type: TorchType): boolean => READERS[type] !== undefined

/**
 * Copies a floating tensor's values to `target` from place `start` on, rounded to its type.
 *
 * @returns the place of the first value that is NaN or infinite there, counted from `start`; -1 if all are finite
 */
export const copyValues = (
  { shape, strides, offset, storage, type }: TorchTensor,
  { view, littleEndian }: StorageBytes,
  target: Floats,
  start: number,
): number => {
  const read = READERS[type]
  const size = shape.reduce((product, extent) => product * extent, 1)
  if (read === undefined || size === 0) return -1
  const { bytes } = storage.element
  const index = shape.map(() => 0)
  let element = storage.start + offset
  let firstBad = -1
  for (let place = 0; place < size; place++) {
    const at = start + place
    target[at] = read(view, element * bytes, littleEndian)
    if (firstBad < 0 && !Number.isFinite(target[at])) firstBad = place
    // Counts up like an odometer, last axis fastest.
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      const [extent = 1, stride = 0] = [shape[axis], strides[axis]]
      const next = (index[axis] ?? 0) + 1
      index[axis] = next < extent ? next : 0
      if (next < extent) {
        element += stride
        break
      }
      element -= stride * (extent - 1)
    }
  }
  return firstBad
}

/** IEEE 754 binary16: 1 sign bit, 5 exponent bits, 10 fraction bits. */
const half = (bits: number): number => {
  const sign = bits & 0x8000 ? -1 : 1
  const exponent = (bits >>> 10) & 0x1f
  const fraction = bits & 0x3ff
  if (exponent === 0x1f) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1 + fraction / 1024) * 2 ** (exponent - 15)
}

const word = new DataView(new ArrayBuffer(4))

/** The upper half of a float32. */
const brainFloat = (bits: number): number => {
  word.setUint32(0, bits * 0x1_0000)
  return word.getFloat32(0)
}
