/** Rebuilds numpy arrays of bytes from a pickle: the only calls that CIFAR-10's files make. */
import {
  type PickleCall,
  PickledGlobal,
  type PickledObject,
  PickleError,
  type PickleValue,
} from '../files/pickle.js'

/** A numpy array of unsigned bytes, in C order (last axis fastest). */
export class PickledArray implements PickledObject {
  shape: number[] = []
  data = new Uint8Array()

  /** numpy's state: (version, shape, dtype, whether in Fortran order, bytes). */
  setState(state: PickleValue): void {
    const [, shape, dtype, fortran, content] = Array.isArray(state) && state.length === 5 ? state : []
    if (!(dtype instanceof PickledType) || !Array.isArray(shape)) {
      throw new PickleError('the state of an array in it is broken')
    }
    if (dtype.name !== 'u1') throw new PickleError('an array in it does not hold unsigned bytes')
    this.shape = shape.map(Number)
    this.data = typeof content === 'string' ? new Uint8Array(Buffer.from(content, 'latin1')) : bytes(content)
    if (this.data.length !== this.shape.reduce((product, size) => product * size, 1)) {
      throw new PickleError('an array in it does not have the size that it states')
    }
    if (fortran === true) this.data = toRowMajor(this.data, this.shape)
  }
}

/** A numpy dtype. Its state is the byte order, which single bytes do not have. */
class PickledType implements PickledObject {
  constructor(readonly name: string) {}
  setState(): void {}
}

/** Allows the calls that rebuild numpy arrays, and no others. */
export const rebuildArray: PickleCall = (callee, [first]) => {
  if (callee === 'numpy.core.multiarray _reconstruct') {
    if (first instanceof PickledGlobal && first.name === 'numpy ndarray') return new PickledArray()
  }
  if (callee === 'numpy dtype' && typeof first === 'string') return new PickledType(first)
  throw new PickleError(`it calls ${callee}, which is not allowed`)
}

const bytes = (content: PickleValue | undefined): Uint8Array<ArrayBuffer> => {
  if (!(content instanceof Uint8Array)) throw new PickleError('an array in it has no content')
  return new Uint8Array(content)
}

/** From Fortran order (first axis fastest) to C order, for matrices. */
const toRowMajor = (data: Uint8Array, shape: number[]): Uint8Array<ArrayBuffer> => {
  const [rows = 1, columns = 1, ...rest] = shape
  if (rest.length > 0) throw new PickleError('an array in it has more than two axes')
  const result = new Uint8Array(data.length)
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      result[row * columns + column] = data[column * rows + row] ?? 0
    }
  }
  return result
}
