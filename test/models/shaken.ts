/** Networks whose batch norms and biases do something, as after training. */
import type { Floats, ParameterType } from '../../bindings/native.js'
import { hash32 } from '../../lib/base/hash.js'
import { Network } from '../../lib/models/network.js'
import type { NetworkSpec } from '../../lib/networks/spec.js'

const unit = (...key: number[]): number => hash32(...key) / 2 ** 32

export const shaken = async (spec: NetworkSpec, type: ParameterType = 'float32'): Promise<Network> => {
  const network = await Network.create(spec, { seed: 3, type })
  const state = await network.read()
  for (const { kind, offset, size } of state.layout) {
    for (let place = offset; place < offset + size; place++) {
      if (kind === 'scale') state.parameters[place] = 0.5 + unit(2, place)
      if (kind === 'shift' || kind === 'bias') state.parameters[place] = 0.2 * (unit(3, place) - 0.5)
      if (kind === 'runningMean') state.buffers[place] = 0.4 * (unit(4, place) - 0.5)
      if (kind === 'runningVariance') state.buffers[place] = 0.5 + unit(5, place)
    }
  }
  await network.write(state)
  return network
}

/** Whether two arrays are the same bit by bit; quicker than the comparison of the test runner. */
export const sameBits = (a: Floats, b: Floats): boolean =>
  a.BYTES_PER_ELEMENT === b.BYTES_PER_ELEMENT &&
  Buffer.from(a.buffer, a.byteOffset, a.byteLength).equals(Buffer.from(b.buffer, b.byteOffset, b.byteLength))
